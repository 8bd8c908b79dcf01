// What a definition says is to be done. What it says wrongly is also in scenarios/task-runner.test.ts, as users see it.
import { describe, expect, test } from '@jest/globals'
import type { Task, TaskField, TaskObject } from '../../../src/aws/data-pipeline.ts'
import type { Work } from '../../../src/inputs/task-runner.ts'
import { DefinitionError, planOf, type TaskPlan } from '../../../src/task-runner/definition.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const FROM_DEFINITION: Work = { from: 'definition' }
const RUN: Work = { from: 'workflow', script: 'make load', shell: 'sh', runsPreconditions: false }

const text = (key: string, stringValue: string): TaskField => ({ key, stringValue })
const ref = (key: string, refValue: string): TaskField => ({ key, refValue })
const object = (id: string, ...fields: TaskField[]): TaskObject => ({ id, name: `name of ${id}`, fields })

/** A task whose attempt has these fields, with other objects. */
function taskOf(fields: readonly TaskField[], others: readonly TaskObject[] = []): Task {
  const all = [object('@A_Attempt=1', ...fields), ...others]
  return {
    taskId: 't',
    pipelineId: 'df-1',
    attemptId: '@A_Attempt=1',
    objects: Object.fromEntries(all.map((each) => [each.id, each])),
    encrypted: [],
  }
}

const ACTIVITY = [text('type', 'ShellCommandActivity'), text('command', 'true')]
const PRECONDITION = [text('type', 'ShellCommandPrecondition'), text('command', 'true')]

/** The plan for a command of a definition that has these fields as well. */
function planWith(fields: readonly TaskField[], others: readonly TaskObject[] = [], base = ACTIVITY): TaskPlan {
  return planOf(taskOf([...base, ...fields], others), FROM_DEFINITION, HOUR)
}

describe('the script', () => {
  const script = (...fields: TaskField[]) => planOf(taskOf(fields), FROM_DEFINITION, HOUR).script
  const [type] = [text('type', 'ShellCommandActivity')]

  test('is the command as it is, with its arguments in their order', () => {
    const fields = [text('scriptArgument', 'b'), text('command', ' a\n'), text('scriptArgument', '')]
    expect(script(type, ...fields, text('scriptArgument', ' a '))).toEqual({
      kind: 'command',
      text: ' a\n',
      args: ['b', '', ' a '],
    })
  })

  test('is a file in S3, with one argument', () => {
    expect(script(type, text('scriptUri', 's3://b/a b/x.sh'), text('scriptArgument', '-v'))).toEqual({
      kind: 'uri',
      uri: 's3://b/a b/x.sh',
      args: ['-v'],
    })
  })

  test('is the command where the address is empty', () => {
    expect(script(type, text('command', 'a'), text('scriptUri', ' '))).toEqual({ kind: 'command', text: 'a', args: [] })
  })

  test.each<[string, TaskField[], string]>([
    ['a folder in S3', [text('scriptUri', 's3://b/k/')], '"s3://b/k/". Expected an address such as s3://bucket/path.'],
    ['a bucket', [text('scriptUri', 's3://b')], 'scriptUri is "s3://b"'],
    ['no bucket', [text('scriptUri', 's3:///k')], 'scriptUri is "s3:///k"'],
    ['an address of two lines', [text('scriptUri', 's3://b/k\nx')], 'scriptUri is "s3://b/k\\nx"'],
    ['a command that is a reference', [ref('command', 'X')], 'The field "command" of its definition is a reference'],
    ['an argument that is a reference', [text('command', 'a'), ref('scriptArgument', 'X')], 'scriptArgument'],
    ['an argument of which one is a reference', [text('command', 'a'), ...argumentsOf('b', { ref: 'X' })], 'reference'],
  ])('is refused: %s', (_name, fields, message) => {
    expect(() => script(type, ...fields)).toThrow(DefinitionError)
    expect(() => script(type, ...fields)).toThrow(message)
  })

  function argumentsOf(...values: (string | { ref: string })[]): TaskField[] {
    return values.map((value) =>
      typeof value === 'string' ? text('scriptArgument', value) : ref('scriptArgument', value.ref),
    )
  }
})

describe('with a script of the workflow', () => {
  const SCRIPT = { kind: 'workflow', text: 'make load', shell: 'sh' }

  test.each(['ShellCommandActivity', 'CopyActivity', undefined])('an activity of type %s runs it', (type) => {
    const fields = [text('command', 'other'), text('scriptUri', 's3://b/k'), ref('scriptArgument', 'X')]
    const plan = planOf(taskOf([...(type === undefined ? [] : [text('type', type)]), ...fields]), RUN, HOUR)
    expect(plan).toMatchObject({ script: SCRIPT, precondition: undefined, notices: [] })
  })

  test.each(['ShellCommandPrecondition', 'Exists'])('a precondition of type %s does not', (type) => {
    const task = taskOf([text('type', type)])
    expect(() => planOf(task, RUN, HOUR)).toThrow(DefinitionError)
    expect(() => planOf(task, RUN, HOUR)).toThrow(
      new RegExp(`precondition \\(${type}\\).*"run".*set run-preconditions: true\\.$`),
    )
  })

  test('a precondition runs it where the workflow says so, and is tried again', () => {
    const task = taskOf([text('type', 'Exists'), text('retryDelay', '1 minute'), text('preconditionTimeout', '1 hour')])
    const plan = planOf(task, { ...RUN, runsPreconditions: true }, 2 * HOUR)
    expect(plan).toMatchObject({ script: SCRIPT, precondition: { delayMs: MINUTE, timeoutMs: HOUR }, notices: [] })
  })

  test('the local files of the definition are not written', () => {
    const plan = planOf(taskOf([text('stdout', '/etc/passwd'), text('stderr', 's3://b/k')]), RUN, HOUR)
    expect(plan).toMatchObject({ stdout: undefined, stderr: undefined, notices: [] })
  })

  test('the nodes of the definition are staged', () => {
    const node = object('N', text('type', 'S3DataNode'), text('directoryPath', 's3://b/n'))
    const plan = planOf(taskOf([text('stage', 'true'), ref('input', 'N')], [node]), RUN, HOUR)
    expect(plan.staging).toEqual({ inputs: ['s3://b/n'], outputs: [] })
  })
})

describe('the files for the output', () => {
  test.each<[string, TaskField[], object, RegExp[]]>([
    ['none', [], { stdout: undefined, stderr: undefined }, []],
    ['empty', [text('stdout', ' ')], { stdout: undefined }, []],
    ['both', [text('stdout', '/o'), text('stderr', 'e')], { stdout: '/o', stderr: 'e' }, []],
    [
      'both in S3',
      [text('stdout', 'S3://b/o'), text('stderr', 's3://b/e')],
      { stdout: undefined, stderr: undefined },
      [/^stdout of .* is "S3:\/\/b\/o", and is not written: .*log-uri\.$/, /^stderr .* is "s3:\/\/b\/e"/],
    ],
  ])('%s', (_name, fields, expected, notices) => {
    const plan = planWith(fields)
    expect(plan).toMatchObject(expected)
    expect(plan.notices).toEqual(notices.map((notice) => expect.stringMatching(notice)))
  })
})

describe('staging', () => {
  const folder = (id: string, ...fields: TaskField[]): TaskObject =>
    object(id, text('type', 'S3DataNode'), text('directoryPath', `s3://b/${id}`), ...fields)

  test('has the folders of both kinds in the order of the definition', () => {
    const fields = [ref('output', 'O2'), ref('input', 'I9'), text('stage', ' True '), ref('input', 'I1')]
    const nodes = ['I1', 'I9', 'O1', 'O2'].map((id) => folder(id))
    expect(planWith([...fields, ref('output', 'O1')], nodes).staging).toEqual({
      inputs: ['s3://b/I9', 's3://b/I1'],
      outputs: ['s3://b/O2', 's3://b/O1'],
    })
  })

  test.each([[[]], [[text('stage', 'FALSE')]], [[text('stage', '')]]])(
    'with %j is none: a node that can not be staged does no harm',
    (stage) => {
      expect(planWith([...stage, ref('input', 'gone'), text('output', 'x')]).staging).toBeUndefined()
    },
  )

  const stagedFrom = (node: TaskObject) => planWith([text('stage', 'true'), ref('input', 'N')], [node]).staging

  test.each<[string, TaskField[], string]>([
    ['a bucket', [text('directoryPath', 's3://b')], 's3://b'],
    ['a folder with spaces in its name', [text('directoryPath', ' s3://b/a b/ ')], 's3://b/a b/'],
    ['one without compression', [text('directoryPath', 's3://b/n'), text('compression', 'NONE')], 's3://b/n'],
    ['an empty filePath', [text('directoryPath', 's3://b/n'), text('filePath', '')], 's3://b/n'],
  ])('takes %s', (_name, fields, uri) => {
    expect(stagedFrom(object('N', text('type', 'S3DataNode'), ...fields))?.inputs).toEqual([uri])
  })

  test.each<[string, TaskObject, string]>([
    ['another type', object('N', text('type', 'SqlDataNode')), 'is of type "SqlDataNode", and only S3DataNode'],
    ['no type', object('N'), 'is of type ""'],
    ['compression', folder('N', text('compression', 'GZIP')), 'is compressed ("GZIP")'],
    ['a file', object('N', text('type', 'S3DataNode'), text('filePath', 's3://b/f')), 'Only directoryPath'],
    ['a folder and a file', folder('N', text('filePath', 's3://b/f')), 'Only directoryPath is supported'],
    ['a folder and a manifest', folder('N', text('manifestFilePath', 's3://b/m')), 'Only directoryPath is supported'],
    ['no folder', object('N', text('type', 'S3DataNode')), 'has no directoryPath'],
    ['an expression', nodeAt('s3://b/#{format(@scheduledStartTime)}'), 'was not evaluated: "s3://b/#{format'],
    ['an address elsewhere', nodeAt('hdfs:///n'), 'is "hdfs:///n". Expected an address such as s3://bucket/path.'],
    ['no bucket', nodeAt('s3:///n'), 'is "s3:///n"'],
    ['an address of two lines', nodeAt('s3://b/n\n/x'), 'is "s3://b/n\\n/x"'],
  ])('refuses %s, and names the node', (_name, node, message) => {
    expect(() => stagedFrom(node)).toThrow(DefinitionError)
    expect(() => stagedFrom(node)).toThrow(message)
    expect(() => stagedFrom(node)).toThrow('"name of N"')
  })

  function nodeAt(path: string): TaskObject {
    return object('N', text('type', 'S3DataNode'), text('directoryPath', path))
  }

  test('refuses a text in place of a reference, also one of several', () => {
    const fields = [text('stage', 'true'), ref('output', 'N'), text('output', 's3://b/x')]
    expect(() => planWith(fields, [folder('N')])).toThrow('Its field output is the text "s3://b/x"')
  })

  // Names that every object of JavaScript has.
  test.each(['Gone', '__proto__', 'constructor', 'toString', ''])('refuses the reference %j to no object', (id) => {
    const plan = () => planWith([text('stage', 'true'), ref('input', id)], [folder('N')])
    expect(plan).toThrow(DefinitionError)
    expect(plan).toThrow(`it came without the object ${JSON.stringify(id)} that its field input refers to`)
  })

  test.each(['__proto__', 'constructor'])('finds an object whose id is %s', (id) => {
    expect(planWith([text('stage', 'true'), ref('input', id)], [folder(id)]).staging?.inputs).toEqual([`s3://b/${id}`])
  })
})

describe('a precondition', () => {
  const planned = (...fields: TaskField[]) => planWith(fields, [], PRECONDITION)

  test.each<[string, TaskField[], object]>([
    [
      'with both of its times',
      [text('retryDelay', '2 minutes'), text('preconditionTimeout', '3 hours')],
      { precondition: { delayMs: 2 * MINUTE, timeoutMs: 3 * HOUR }, notices: [] },
    ],
    [
      'without a delay is tried every ten minutes',
      [text('preconditionTimeout', '3 hours')],
      { precondition: { delayMs: 10 * MINUTE, timeoutMs: 3 * HOUR }, notices: [] },
    ],
    [
      'without a time is tried for that of the input, and a notice names it',
      [text('retryDelay', '2 minutes')],
      {
        precondition: { delayMs: 2 * MINUTE, timeoutMs: HOUR },
        notices: [expect.stringMatching(/no preconditionTimeout.* 60 minutes \(precondition-timeout-minutes\)\.$/)],
      },
    ],
    [
      'with times of nothing',
      [text('retryDelay', '0 seconds'), text('preconditionTimeout', '0 minutes')],
      { precondition: { delayMs: 0, timeoutMs: 0 }, notices: [] },
    ],
    [
      'with a delay that can not be read',
      [text('retryDelay', 'soon'), text('preconditionTimeout', '3 hours')],
      {
        precondition: { delayMs: 10 * MINUTE, timeoutMs: 3 * HOUR },
        notices: [expect.stringMatching(/^retryDelay is "soon", which can't be read\. Expected .*"10 minutes"\./)],
      },
    ],
  ])('%s', (_name, fields, expected) => {
    expect(planned(...fields)).toMatchObject(expected)
  })

  test('with a time that can not be read is told once what is wrong, and not that it has none', () => {
    const { precondition, notices } = planned(text('preconditionTimeout', 'soon'))
    expect(precondition).toEqual({ delayMs: 10 * MINUTE, timeoutMs: HOUR })
    expect(notices.join('\n')).toContain('preconditionTimeout is "soon", which can\'t be read.')
    expect(notices.join('\n')).toContain('60 minutes')
    expect(notices.join('\n')).not.toContain('has no preconditionTimeout')
  })

  test('with several times is refused', () => {
    const times = [text('preconditionTimeout', '1 hour'), text('preconditionTimeout', '2 hours')]
    expect(() => planned(...times)).toThrow('"preconditionTimeout" several times')
  })

  test('is none of an activity, whose retries are the service’s', () => {
    const plan = planWith([text('retryDelay', 'soon'), ref('precondition', 'P')], [object('P', ...PRECONDITION)])
    expect(plan).toMatchObject({ precondition: undefined, notices: [] })
  })
})
