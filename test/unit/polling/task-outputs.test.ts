import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Task, TaskField } from '../../../src/aws/data-pipeline.ts'
import { fieldsOf, isPrecondition } from '../../../src/polling/task-fields.ts'
import {
  fittingOutputs,
  MAX_OUTPUT_CHARACTERS,
  sizeOfOutputs,
  sizeOfTask,
  taskOutputs,
} from '../../../src/polling/task-outputs.ts'
import { runs } from '../../properties/runs.ts'

function taskWith(fields: readonly TaskField[], attemptId = '@A_Attempt=1'): Task {
  return {
    taskId: `task of ${attemptId}`,
    pipelineId: 'df-1',
    attemptId,
    objects: { [attemptId]: { id: attemptId, name: attemptId, fields } },
    encrypted: [],
  }
}

const text = (key: string, stringValue: string): TaskField => ({ key, stringValue })
const ref = (key: string, refValue: string): TaskField => ({ key, refValue })

describe('the fields of a task', () => {
  test.each<[string, TaskField[], Record<string, unknown>]>([
    ['none', [], {}],
    ['texts', [text('command', 'make'), text('@sphere', 'ATTEMPT')], { command: 'make', '@sphere': 'ATTEMPT' }],
    ['an empty text', [text('comment', '')], { comment: '' }],
    [
      'a reference, told from a text',
      [ref('parent', 'Say'), text('type', 'Say')],
      { parent: { ref: 'Say' }, type: 'Say' },
    ],
    ['a text that looks like a reference', [text('x', '{"ref":"Say"}')], { x: '{"ref":"Say"}' }],
    ['a repeated key', [text('arg', 'a'), text('arg', 'b')], { arg: ['a', 'b'] }],
    ['one thrice, in its order', [text('arg', 'c'), text('arg', 'a'), text('arg', 'b')], { arg: ['c', 'a', 'b'] }],
    ['repeated with the same value', [text('arg', 'a'), text('arg', 'a')], { arg: ['a', 'a'] }],
    ['repeated as a text and a reference', [ref('in', 'A'), text('in', 'B')], { in: [{ ref: 'A' }, 'B'] }],
    ['repeated with others between', [text('a', '1'), text('b', '2'), text('a', '3')], { a: ['1', '3'], b: '2' }],
    ['one scriptArgument', [text('scriptArgument', 'a b')], { scriptArgument: ['a b'] }],
    ['several', [text('scriptArgument', 'b'), text('scriptArgument', 'a')], { scriptArgument: ['b', 'a'] }],
    ['names of JavaScript', [text('constructor', 'x'), text('toString', 'y')], { constructor: 'x', toString: 'y' }],
    ['numbers as keys', [text('1', 'x'), text('0', 'y')], { 0: 'y', 1: 'x' }],
  ])('%s', (_name, fields, expected) => {
    expect(fieldsOf(taskWith(fields))).toEqual(expected)
  })

  test('with the key __proto__', () => {
    const json = JSON.stringify(fieldsOf(taskWith([text('__proto__', 'x'), text('__proto__', 'y')])))
    expect(json).toBe('{"__proto__":["x","y"]}')
  })

  test('are those of the attempt, not of what it refers to', () => {
    const task: Task = {
      ...taskWith([text('type', 'ShellCommandActivity')]),
      objects: {
        Schedule: { id: 'Schedule', name: 'Daily', fields: [text('type', 'Schedule')] },
        '@A_Attempt=1': { id: '@A_Attempt=1', name: 'A', fields: [text('type', 'ShellCommandActivity')] },
      },
    }
    expect(fieldsOf(task)).toEqual({ type: 'ShellCommandActivity' })
  })

  test('are none when the service gave no objects', () => {
    expect(fieldsOf({ ...taskWith([]), objects: {} })).toEqual({})
  })

  test.each(['__proto__', 'constructor', 'toString'])('of the attempt %s', (attemptId) => {
    expect(fieldsOf(taskWith([text('command', 'make')], attemptId))).toEqual({ command: 'make' })
    // Where the attempt is not among the objects, the first one is as good a guess as any.
    expect(fieldsOf({ ...taskWith([text('command', 'make')]), attemptId })).toEqual({ command: 'make' })
  })
})

test.each<[string, boolean]>([
  ['ShellCommandPrecondition', true],
  ['Exists', true],
  ['S3KeyExists', true],
  ['S3PrefixNotEmpty', true],
  ['DynamoDBDataExists', true],
  ['DynamoDBTableExists', true],
  ['ShellCommandActivity', false],
  ['shellcommandprecondition', false],
  ['constructor', false],
  ['', false],
])('a task of the type %j is a precondition: %p', (type, expected) => {
  expect(isPrecondition(taskWith([ref('precondition', 'Ready'), text('type', type)]))).toBe(expected)
})

test('a task without a type, whose type is a reference, or whose attempt is not there, is no precondition', () => {
  const precondition = taskWith([text('type', 'Exists')])
  expect(isPrecondition({ ...precondition, attemptId: '@Other' })).toBe(false)
  expect(isPrecondition(taskWith([text('precondition', 'Exists')]))).toBe(false)
  expect(isPrecondition(taskWith([ref('type', 'Exists')]))).toBe(false)
})

describe('the outputs', () => {
  test('say that there is none', () => {
    expect(taskOutputs([])).toEqual({
      found: 'false',
      count: '0',
      'task-id': '',
      'pipeline-id': '',
      'attempt-id': '',
      precondition: 'false',
      fields: '{}',
      objects: '{}',
      tasks: '[]',
      'task-ids': '[]',
    })
  })

  test('have the first task by itself, and all of them in an array', () => {
    const type = text('type', 'ShellCommandPrecondition')
    const tasks = [taskWith([ref('parent', 'P')], '@A'), taskWith([text('x', 'y'), type], '@B')]
    const outputs = taskOutputs(tasks)
    expect(outputs).toMatchObject({
      found: 'true',
      count: '2',
      'task-id': 'task of @A',
      'attempt-id': '@A',
      precondition: 'false',
      'task-ids': '["task of @A","task of @B"]',
    })
    expect(taskOutputs(tasks.slice(1)).precondition).toBe('true')
    expect(JSON.parse(outputs.objects)).toEqual(tasks[0]?.objects)
    expect(JSON.parse(outputs.tasks)).toEqual([
      {
        'task-id': 'task of @A',
        'pipeline-id': 'df-1',
        'attempt-id': '@A',
        precondition: '',
        fields: { parent: { ref: 'P' } },
        objects: {},
      },
      {
        'task-id': 'task of @B',
        'pipeline-id': 'df-1',
        'attempt-id': '@B',
        precondition: 'true',
        fields: { x: 'y', type: 'ShellCommandPrecondition' },
        objects: {},
      },
    ])
  })

  test('have in the array the objects that a task refers to by its own fields', () => {
    const task = taskWith([
      ref('input', 'In'),
      ref('output', 'Out'),
      ref('@componentParent', 'A'),
      ref('me', '@A_Attempt=1'),
    ])
    const node = (id: string) => ({ id, name: id, fields: [text('directoryPath', `s3://bucket/${id}`)] })
    const objects = { ...task.objects, In: node('In'), Out: node('Out'), A: node('A'), Other: node('Other') }
    const [entry] = JSON.parse(taskOutputs([{ ...task, objects }]).tasks) as { objects: unknown }[]
    expect(entry?.objects).toEqual({ In: node('In'), Out: node('Out') })
  })
})

const anyText = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '\n', 'ä', '€', '\u{1f600}', '\u0001', '<', '$', '{'),
})
// Node 24 reads some keys wrong that have escapes in them, once it has read others (nodejs/node#63785).
const anyKey = fc.string({ unit: fc.constantFrom('a', 'b', 'ä', '€', '\u{1f600}', '<', '$', '{') })
const anyField: fc.Arbitrary<TaskField> = fc.oneof(
  fc.record({ key: anyKey, stringValue: anyText }),
  fc.record({ key: anyKey, refValue: anyText }),
)
const anyTask: fc.Arbitrary<Task> = fc
  .tuple(fc.array(anyField, { maxLength: 8 }), anyText)
  .map(([fields, name]) => taskWith(fields, `@${name}`))

test('any tasks: the matrix can be read by fromJSON, with every value of every field in it', () => {
  fc.assert(
    fc.property(fc.array(anyTask, { maxLength: 20 }), (tasks) => {
      const matrix = JSON.parse(taskOutputs(tasks).tasks) as { fields: Record<string, unknown> }[]
      expect(matrix).toHaveLength(tasks.length)
      for (const [index, task] of tasks.entries()) {
        const given = Object.values(task.objects)[0]?.fields ?? []
        const got = Object.values(matrix[index]?.fields ?? {}).flat()
        expect(got).toHaveLength(given.length)
        expect(Object.keys(matrix[index]?.fields ?? {}).sort()).toEqual(
          [...new Set(given.map(({ key }) => key))].sort(),
        )
      }
    }),
    { numRuns: runs(100) },
  )
})

/** A task that refers to a node with this text. */
function taskWithNode(value: string): Task {
  const task = taskWith([ref('input', 'In')])
  return { ...task, objects: { ...task.objects, In: { id: 'In', name: 'In', fields: [text('filePath', value)] } } }
}

test('any tasks: the size is that of all outputs together without the objects of entries, at two bytes a character below 1 MB at the limit', () => {
  expect(MAX_OUTPUT_CHARACTERS * 2).toBeLessThan(1_000_000)
  fc.assert(
    fc.property(fc.array(anyTask, { maxLength: 20 }), (tasks) => {
      const { tasks: entries, ...others } = taskOutputs(tasks)
      const withoutObjects = (JSON.parse(entries) as object[]).map((entry) => ({ ...entry, objects: undefined }))
      const all = [...Object.values(others), JSON.stringify(withoutObjects)].join('')
      expect(sizeOfOutputs(tasks.map(sizeOfTask))).toBe(all.length)
    }),
    { numRuns: runs(100) },
  )
})

test.each<[string, Task, readonly string[]]>([
  ['a task that fits', taskWith([text('command', 'make')]), []],
  ['one whose nodes fit once', taskWithNode('x'.repeat(300_000)), ['the objects in tasks']],
  ['one whose fields fit once', taskWith([text('command', 'x'.repeat(200_000))]), ['the objects in tasks', 'objects']],
  [
    'a huge one',
    taskWith([text('command', 'x'.repeat(500_000))]),
    ['the objects in tasks', 'objects', 'fields', 'the fields in tasks'],
  ],
])('%s: the outputs fit without %j', (_name, task, expected) => {
  const { outputs, omitted } = fittingOutputs([task])
  expect(omitted).toEqual(expected)
  expect(Object.values(outputs).join('').length).toBeLessThanOrEqual(MAX_OUTPUT_CHARACTERS)
  expect(outputs).toMatchObject({ found: 'true', 'task-id': task.taskId, 'task-ids': JSON.stringify([task.taskId]) })
  expect(JSON.parse(outputs.tasks)).toMatchObject([{ 'task-id': task.taskId }])
})
