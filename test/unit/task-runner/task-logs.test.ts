import { expect, test } from '@jest/globals'
import type { Task, TaskField } from '../../../src/aws/data-pipeline.ts'
import { pathOf } from '../../../src/task-runner/task-logs.ts'

const ref = (key: string, refValue: string): TaskField => ({ key, refValue })
const PARENTS = [ref('@componentParent', 'Load'), ref('@instanceParent', '@Load_1')]

test.each<[string, Partial<Task>, TaskField[], string]>([
  ['with all parts', {}, PARENTS, 'df-1/Load/@Load_1/@Load_1_Attempt=1'],
  ['in their order, whatever that of the fields', {}, PARENTS.toReversed(), 'df-1/Load/@Load_1/@Load_1_Attempt=1'],
  ['without what it does not tell', {}, [ref('parent', 'Load')], 'df-1/@Load_1_Attempt=1'],
  ['without a pipeline', { pipelineId: '' }, PARENTS, 'Load/@Load_1/@Load_1_Attempt=1'],
  [
    'without a parent that is a text, or not a single one',
    {},
    [{ key: '@componentParent', stringValue: 'Load' }, ref('@instanceParent', 'a'), ref('@instanceParent', 'b')],
    'df-1/@Load_1_Attempt=1',
  ],
  ['that leaves its folder nowhere', { pipelineId: '..' }, [ref('@componentParent', '.')], '@Load_1_Attempt=1'],
  [
    'whose ids have other characters',
    { pipelineId: '../..' },
    [ref('@componentParent', 'a\\b\0\n'), ref('@instanceParent', 'ä b')],
    '.._../a_b__/ä b/@Load_1_Attempt=1',
  ],
])('the path of a task %s', (_name, given, fields, expected) => {
  const attemptId = '@Load_1_Attempt=1'
  const objects = { [attemptId]: { id: attemptId, name: attemptId, fields } }
  expect(pathOf({ taskId: 't', pipelineId: 'df-1', attemptId, objects, encrypted: [], ...given })).toBe(expected)
})
