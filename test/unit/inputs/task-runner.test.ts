// The inputs of task-runner. Those that all actions have are in actions.test.ts.
import { describe, expect, test } from '@jest/globals'
import type { Task, TaskField } from '../../../src/aws/data-pipeline.ts'
import { readTaskRunnerInputs } from '../../../src/inputs/task-runner.ts'
import { fieldsOf } from '../../../src/polling/task-fields.ts'
import { taskOutputs } from '../../../src/polling/task-outputs.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'

type Inputs = Readonly<Record<string, string>>

const read = (inputs: Inputs) => readTaskRunnerInputs((name) => inputs[name] ?? '')
const readWith = (inputs: Inputs) => read({ 'worker-group': 'g', run: 'make', ...inputs })

/** The error for inputs; undefined when they are valid. */
function errorOf(inputs: Inputs): unknown {
  try {
    read(inputs)
    return undefined
  } catch (error) {
    return error
  }
}

test('by default', () => {
  expect(readWith({})).toEqual({
    source: { workerGroup: 'g' },
    work: { from: 'workflow', script: 'make', shell: 'bash', runsPreconditions: false },
    workingDirectory: undefined,
    waitSeconds: 90,
    maxTasks: 1,
    parallel: 1,
    heartbeatSeconds: 60,
    preconditionTimeoutMinutes: 60,
    stopGraceSeconds: 10,
    failOnTaskFailure: true,
    logUri: undefined,
    checkRunId: undefined,
    aws: { region: undefined, role: undefined },
    reporting: { timeoutSeconds: 120, failOnError: true, dryRun: false, summary: true },
  })
})

test('with every input', () => {
  const inputs = {
    shell: 'python',
    'run-preconditions': 'true',
    'working-directory': 'sub',
    'wait-seconds': '0',
    'max-tasks': '0',
    parallel: '4',
    'heartbeat-seconds': '5',
    'precondition-timeout-minutes': '7200',
    'stop-grace-seconds': '0',
    'fail-on-task-failure': 'false',
    'log-uri': 's3://b/logs',
    'check-run-id': '815',
    'aws-region': 'eu-west-1',
    'timeout-seconds': '9',
    'fail-on-error': 'false',
    'dry-run': 'true',
    summary: 'false',
  }
  expect(readWith(inputs)).toEqual({
    source: { workerGroup: 'g' },
    work: { from: 'workflow', script: 'make', shell: 'python', runsPreconditions: true },
    workingDirectory: 'sub',
    waitSeconds: 0,
    maxTasks: 0,
    parallel: 4,
    heartbeatSeconds: 5,
    preconditionTimeoutMinutes: 7200,
    stopGraceSeconds: 0,
    failOnTaskFailure: false,
    logUri: 's3://b/logs',
    checkRunId: 815,
    aws: { region: 'eu-west-1', role: undefined },
    reporting: { timeoutSeconds: 9, failOnError: false, dryRun: true, summary: false },
  })
})

test.each<[string, Inputs, object]>([
  ['the definition', { run: '', 'from-definition': 'true' }, { from: 'definition' }],
  ['a script, where from-definition is false', { 'from-definition': 'false' }, { from: 'workflow', script: 'make' }],
])('the work of %s', (_name, inputs, work) => {
  expect(readWith(inputs).work).toMatchObject(work)
})

test.each(['s3://bucket', 's3://bucket/', 's3://bucket/a b/ü'])('log-uri %j is an address', (uri) => {
  expect(readWith({ 'log-uri': uri }).logUri).toBe(uri)
})

describe('invalid', () => {
  const SOURCES = 'Expected one of them.'

  test.each<[Inputs, string, RegExp]>([
    [{ task: '{"task-id":"t"}' }, `Both inputs "worker-group" and "task" are set. ${SOURCES}`, /^Use worker-group to/],
    [
      { 'worker-group': '' },
      `Neither the input "worker-group" nor "task" is set. ${SOURCES}`,
      /toJSON\(matrix\.task\).* strategy\.matrix\.$/,
    ],
    [
      { 'from-definition': 'true' },
      `Both inputs "run" and "from-definition" are set. ${SOURCES}`,
      /^Use run for a script/,
    ],
    [{ run: '' }, `Neither the input "run" nor "from-definition" is set. ${SOURCES}`, /^Set run to a script, or/],
  ])('%j: a message and a hint', (inputs, message, hint) => {
    const error = errorOf({ 'worker-group': 'g', run: 'make', ...inputs })
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error).toMatchObject({ message, hint: expect.stringMatching(hint) })
  })

  test.each<[name: string, values: string[], expected: string]>([
    ['worker-group', ['a\u0007b', 'g'.repeat(1025)], '1 to 1024 characters without control characters'],
    ['from-definition', ['yes'], 'true or false'],
    ['shell', ['zsh', 'Bash', 'bash {0}', 'constructor'], 'one of: bash, sh, pwsh, python'],
    ['run-preconditions', ['1'], 'true or false'],
    ['wait-seconds', ['-1', '432001', '1.5', '1m'], 'a whole number from 0 to 432000'],
    ['max-tasks', ['-1', '100001'], 'a whole number from 0 to 100000'],
    ['parallel', ['0', '5'], 'a whole number from 1 to 4'],
    ['heartbeat-seconds', ['4', '301'], 'a whole number from 5 to 300'],
    ['precondition-timeout-minutes', ['0', '7201'], 'a whole number from 1 to 7200'],
    ['stop-grace-seconds', ['-1', '301'], 'a whole number from 0 to 300'],
    ['fail-on-task-failure', ['no'], 'true or false'],
    [
      'log-uri',
      ['logs', 'https://b/logs', 's3:/b', 's3://', 's3:///logs', 's3://a b/logs', 's3://b/a\nb'],
      'an address such as s3://bucket/prefix',
    ],
  ])('%s names the input, its value and what is allowed', (name, values, expected) => {
    for (const value of values) {
      const error = errorOf({ 'worker-group': 'g', run: 'make', [name]: value })
      const shown = value.length > 200 ? '"g{200}…"' : escapeOf(JSON.stringify(value))
      expect(error).toBeInstanceOf(ConfigurationError)
      expect(error).toHaveProperty(
        'message',
        expect.stringMatching(
          new RegExp(`^Invalid value ${shown} for input "${name}"\\. Expected ${escapeOf(expected)}\\.$`),
        ),
      )
    }
  })

  function escapeOf(text: string): string {
    return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  }
})

const taskOf = (entry: string): Task => {
  const { source } = read({ task: entry, run: 'make' })
  if (!('task' in source)) throw new Error('not a task')
  return source.task
}

describe('an entry of poll-for-task', () => {
  const text = (key: string, stringValue: string): TaskField => ({ key, stringValue })
  const ref = (key: string, refValue: string): TaskField => ({ key, refValue })

  test('is the task that was taken, with the objects that it refers to', () => {
    const attempt = {
      id: '@A_1_Attempt=1',
      name: '@A_1_Attempt=1',
      fields: [
        text('type', 'ShellCommandActivity'),
        text('command', 'a\n"b"'),
        text('scriptArgument', 'x'),
        text('comment', ''),
        ref('input', 'In'),
        ref('input', 'Other'),
        text('input', 'In'),
        ref('output', '__proto__'),
        text('toString', 'y'),
        text('__proto__', 'z'),
      ],
    }
    const node = (id: string) => ({
      id,
      name: `name of ${id}`,
      fields: [text('directoryPath', 's3://b/a'), ref('schedule', 'S'), text('tag', '1'), text('tag', '2')],
    })
    const objects = Object.fromEntries(
      [attempt, node('In'), node('Other'), node('__proto__')].map((each) => [each.id, each]),
    )
    const task: Task = { taskId: 'a+/=:1', pipelineId: 'df-1', attemptId: attempt.id, objects, encrypted: [] }
    const [entry] = JSON.parse(taskOutputs([task]).tasks) as unknown[]
    const back = taskOf(JSON.stringify(entry))
    expect(back).toMatchObject({ taskId: task.taskId, pipelineId: 'df-1', attemptId: attempt.id, encrypted: [] })
    expect(JSON.stringify(fieldsOf(back))).toBe(JSON.stringify(fieldsOf(task)))
    expect(Object.keys(back.objects).sort()).toEqual(Object.keys(objects).sort())
    for (const id of ['In', 'Other', '__proto__']) {
      expect(Object.getOwnPropertyDescriptor(back.objects, id)?.value).toEqual(node(id))
    }
  })

  test('needs no more than the id of the task', () => {
    expect(taskOf('{"task-id":"t"}')).toEqual({
      taskId: 't',
      pipelineId: '',
      attemptId: '',
      objects: { '': { id: '', name: '', fields: [] } },
      encrypted: [],
    })
  })

  test.each<[string, unknown, TaskField[]]>([
    ['values of other types', { a: 1, b: null, c: true, d: {}, e: { ref: 1 }, f: 'x' }, [text('f', 'x')]],
    ['lists with values of other types', { a: ['x', 1, null, ['y'], { ref: 'R' }] }, [text('a', 'x'), ref('a', 'R')]],
    ['an empty list', { a: [] }, []],
    ['a text', 'x'.repeat(3).slice(3), []],
    ['a number', 5, []],
    ['nothing', null, []],
  ])('whose fields are %s has those that are texts and references', (_name, fields, expected) => {
    const { objects } = taskOf(JSON.stringify({ 'task-id': 't', 'attempt-id': 'a', fields }))
    expect(objects['a']?.fields).toEqual(expected)
  })

  test.each<[string, unknown, object]>([
    ['a number', 5, {}],
    ['nothing', null, {}],
    ['without a name', { N: { fields: [] } }, { N: { id: 'N', name: 'N', fields: [] } }],
    [
      'of other types',
      { N: 5, M: null },
      { N: { id: 'N', name: 'N', fields: [] }, M: { id: 'M', name: 'M', fields: [] } },
    ],
    ['with fields of another type', { N: { name: 1, fields: { a: 'x' } } }, { N: { id: 'N', name: 'N', fields: [] } }],
    [
      'with fields that are none',
      {
        N: { fields: [5, null, {}, { stringValue: 'x' }, { key: 1, stringValue: 'x' }, { key: 'a' }, text('b', 'y')] },
      },
      { N: { id: 'N', name: 'N', fields: [text('b', 'y')] } },
    ],
    [
      'with a field that is a reference and a text',
      { N: { fields: [{ key: 'a', stringValue: 'x', refValue: 'R' }] } },
      { N: { id: 'N', name: 'N', fields: [ref('a', 'R')] } },
    ],
    ['with another attempt in place of its own', { a: { name: 'forged', fields: [text('type', 'X')] } }, {}],
  ])('whose objects are %s', (_name, objects, expected) => {
    const attempt = { id: 'a', name: 'a', fields: [] }
    expect(taskOf(JSON.stringify({ 'task-id': 't', 'attempt-id': 'a', objects })).objects).toEqual({
      ...expected,
      a: attempt,
    })
  })

  test('changes nothing by names that every object has', () => {
    const hostile =
      '{"task-id":"t","attempt-id":"__proto__","__proto__":{"task-id":"x","polluted":1},' +
      '"fields":{"__proto__":{"ref":"R"},"constructor":"c"},"objects":{"__proto__":{"polluted":1},"constructor":{"fields":[]}}}'
    const { taskId, objects } = taskOf(hostile)
    expect(taskId).toBe('t')
    expect(Object.keys(objects).sort()).toEqual(['__proto__', 'constructor'])
    expect(Object.getOwnPropertyDescriptor(objects, '__proto__')?.value).toEqual({
      id: '__proto__',
      name: '__proto__',
      fields: [ref('__proto__', 'R'), text('constructor', 'c')],
    })
    expect(Object.getPrototypeOf(objects)).toBe(Object.prototype)
    expect({}).not.toHaveProperty('polluted')
  })

  const HINT = expect.stringContaining('toJSON(matrix.task)')

  test.each(['x', '{', '[]', '[{"task-id":"t"}]', 'null', '"t"', '5', 'Object', '['.repeat(100_000)])(
    '%j is none',
    (entry) => {
      const error = errorOf({ task: entry, run: 'make' })
      expect(error).toBeInstanceOf(ConfigurationError)
      const shown = JSON.stringify(entry.length > 80 ? `${entry.slice(0, 80)}…` : entry)
      expect(error).toMatchObject({
        message: `Invalid value ${shown} for input "task". Expected a JSON object.`,
        hint: HINT,
      })
    },
  )

  test.each([
    ['no id', {}],
    ['an empty id', { 'task-id': '' }],
    ['an id that is no text', { 'task-id': 5 }],
    ['an id in a list', { 'task-id': ['t'] }],
    ['an id of more than 2,048 characters', { 'task-id': 'x'.repeat(2049) }],
    ['an id with control characters', { 'task-id': 'a\u0000b' }],
    ['the name of another output', { taskId: 't' }],
  ])('with %s is none', (_name, entry) => {
    const error = errorOf({ task: JSON.stringify(entry), run: 'make' })
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error).toMatchObject({ message: expect.stringMatching(/"task".*"task-id"/), hint: HINT })
  })

  test('with an id of 2,048 characters beyond the basic plane is one', () => {
    const id = '🔥'.repeat(2048)
    expect(taskOf(JSON.stringify({ 'task-id': id })).taskId).toBe(id)
  })
})
