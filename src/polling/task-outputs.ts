import type { Task } from '../aws/data-pipeline.ts'
import { fieldsOf, isPrecondition } from './task-fields.ts'

/** The outputs of poll-for-task, as its action.yml declares them. */
export interface TaskOutputs {
  readonly found: 'true' | 'false'
  readonly count: string
  readonly 'task-id': string
  readonly 'pipeline-id': string
  readonly 'attempt-id': string
  readonly precondition: 'true' | 'false'
  readonly fields: string
  readonly objects: string
  readonly tasks: string
  readonly 'task-ids': string
}

/**
 * GitHub's limit is 1 MB for the outputs of a job, "approximated based on UTF-16 encoding": half a million characters.
 * The rest is left to other outputs of the job.
 */
export const MAX_OUTPUT_CHARACTERS = 450_000

/** Masks secrets in the texts of a value. */
export type MakeSafe = <T>(value: T) => T

/**
 * The outputs for the tasks that were taken: the first one in outputs of its own, and all of them as the arrays that
 * `strategy.matrix` takes. `task-ids` has only ids: GitHub drops a job output that contains a secret of the repository, as
 * a field may, and later jobs still have to know the tasks.
 */
export function taskOutputs(tasks: readonly Task[], safe: MakeSafe = asItIs): TaskOutputs {
  const [first] = tasks
  return {
    found: first === undefined ? 'false' : 'true',
    count: String(tasks.length),
    ...outputsOfFirst(first, safe),
    tasks: JSON.stringify(tasks.map((task) => ({ ...matrixEntry(task, safe), objects: safe(referredObjects(task)) }))),
    'task-ids': JSON.stringify(tasks.map(({ taskId }) => safe(taskId))),
  }
}

function asItIs<T>(value: T): T {
  return value
}

function outputsOfFirst(task: Task | undefined, safe: MakeSafe = asItIs) {
  return {
    'task-id': safe(task?.taskId ?? ''),
    'pipeline-id': safe(task?.pipelineId ?? ''),
    'attempt-id': safe(task?.attemptId ?? ''),
    precondition: task !== undefined && isPrecondition(task) ? 'true' : 'false',
    fields: task === undefined ? '{}' : JSON.stringify(safe(fieldsOf(task))),
    objects: task === undefined ? '{}' : JSON.stringify(safe(task.objects)),
  } as const
}

function matrixEntry(task: Task, safe: MakeSafe = asItIs): Record<string, unknown> {
  return {
    'task-id': safe(task.taskId),
    'pipeline-id': safe(task.pipelineId),
    'attempt-id': safe(task.attemptId),
    // Empty counts as false. A repository may have a secret `false`, for which GitHub would drop `tasks`.
    precondition: isPrecondition(task) ? 'true' : '',
    fields: safe(fieldsOf(task)),
  }
}

/**
 * The objects that the fields of a task refer to, such as the data nodes of its input and output. Not those of its runtime fields,
 * whose names begin with `@`.
 */
function referredObjects({ objects, attemptId }: Task): Task['objects'] {
  const fields = Object.hasOwn(objects, attemptId) ? (objects[attemptId]?.fields ?? []) : []
  const ids = fields.flatMap((field) => ('refValue' in field && !field.key.startsWith('@') ? [field.refValue] : []))
  const isReferred = new Set(ids)
  return Object.fromEntries(Object.entries(objects).filter(([id]) => isReferred.has(id) && id !== attemptId))
}

/**
 * The characters that a task adds to the outputs, without the objects of its entry in `tasks`: to the arrays of all tasks, and to
 * the outputs of the first task.
 */
export interface TaskSize {
  readonly inArrays: number
  readonly asFirst: number
}

/** Measures a task. Takes as long as making its outputs. */
export function sizeOfTask(task: Task): TaskSize {
  return {
    inArrays: JSON.stringify(matrixEntry(task)).length + JSON.stringify(task.taskId).length,
    asFirst: charactersOf(outputsOfFirst(task)),
  }
}

/** The characters of the outputs for tasks of these sizes, without the objects of the entries in `tasks`. */
export function sizeOfOutputs(sizes: readonly TaskSize[]): number {
  const [first] = sizes
  if (first === undefined) return charactersOf(taskOutputs([]))
  const brackets = 2 * (sizes.length + 1)
  const arrays = sizes.reduce((sum, { inArrays }) => sum + inArrays, brackets)
  return 'true'.length + String(sizes.length).length + first.asFirst + arrays
}

/** What is omitted first: a task can be run without it, unless it is staged. */
export const OBJECTS_OF_ENTRIES = 'the objects in tasks'

/**
 * The outputs, without the parts that are too large. Except for the objects of the entries, only a single task can be too large:
 * it is acknowledged before it is measured.
 */
export function fittingOutputs(
  tasks: readonly Task[],
  safe: MakeSafe = asItIs,
): { outputs: TaskOutputs; omitted: readonly string[] } {
  const entries = tasks.map((task) => matrixEntry(task, safe))
  const withoutFields = entries.map((each) => ({ ...each, fields: {} }))
  const smaller: readonly (readonly [part: string, without: Partial<TaskOutputs>])[] = [
    [OBJECTS_OF_ENTRIES, { tasks: JSON.stringify(entries) }],
    ['objects', { objects: '{}' }],
    ['fields', { fields: '{}' }],
    ['the fields in tasks', { tasks: JSON.stringify(withoutFields) }],
  ]
  let outputs = taskOutputs(tasks, safe)
  const omitted: string[] = []
  for (const [part, without] of smaller) {
    if (charactersOf(outputs) <= MAX_OUTPUT_CHARACTERS) break
    outputs = { ...outputs, ...without }
    omitted.push(part)
  }
  return { outputs, omitted }
}

function charactersOf(outputs: Partial<TaskOutputs>): number {
  return Object.values(outputs).reduce((sum, value) => sum + value.length, 0)
}
