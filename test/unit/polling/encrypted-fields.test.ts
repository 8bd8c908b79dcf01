import { describe, expect, test } from '@jest/globals'
import type { Task, TaskField } from '../../../src/aws/data-pipeline.ts'
import { valuesToMask } from '../../../src/polling/encrypted-fields.ts'

function taskWith(encrypted: readonly TaskField[]): Task {
  const fields = [
    { key: 'command', stringValue: 'load --user reader' },
    { key: 'input', refValue: 'Orders' },
  ]
  return {
    taskId: 'AQIDBA+/=',
    pipelineId: 'df-0937003356',
    attemptId: '@Load_Attempt=1',
    objects: { '@Load_Attempt=1': { id: '@Load_Attempt=1', name: 'Load', fields } },
    encrypted,
  }
}

const secret = (stringValue: string): TaskField => ({ key: '*secret', stringValue })

describe('of the encrypted fields of a task', () => {
  test.each<[string, TaskField[], string[]]>([
    ['none', [], []],
    ['a value', [secret('open sesame')], ['open sesame']],
    ['each value once', [secret('sesame-1'), secret('sesame-2'), secret('sesame-1')], ['sesame-1', 'sesame-2']],
    // The runner masks each line of a text, and so it would mask every bracket in the log.
    ['each line of a value', [secret('{\r\n  "key": "abc"\n}\n')], ['"key": "abc"']],
    ['no short value, which stands everywhere', [secret('12345'), secret('123456'), secret('   12  ')], ['123456']],
    ['no reference, which is only an id', [{ key: '*output', refValue: 'Database' }], []],
    ['no part of the task id', [secret('AQIDBA')], []],
    ['no part of the pipeline id', [secret('df-0937003356')], []],
    ['no part of the attempt id', [secret('Attempt')], []],
    ['no name of an output', [secret('task-id'), secret('precondition')], []],
    ['no key of a field', [secret('command')], []],
    ['no member of an object', [secret('stringValue'), secret('refValue')], []],
    ['no id that a field refers to', [secret('Orders')], []],
    ['what only two keys have together', [secret('commandinput')], ['commandinput']],
    ['a value of another field', [secret('reader')], ['reader']],
    ['what only contains an id', [secret('task-id=1')], ['task-id=1']],
  ])('%s is masked', (_name, encrypted, expected) => {
    expect(valuesToMask(taskWith(encrypted))).toEqual(expected)
  })
})
