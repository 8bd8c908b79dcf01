import type { Task } from '../aws/data-pipeline.ts'
import { fieldsOf } from './task-fields.ts'

/** The outputs of poll-for-task, as its action.yml declares them. */
export interface TaskOutputs {
  readonly found: 'true' | 'false'
  readonly count: string
  readonly 'task-id': string
  readonly 'pipeline-id': string
  readonly 'attempt-id': string
  readonly fields: string
  readonly objects: string
  readonly tasks: string
}

/**
 * GitHub's limit is 1 MB for the outputs of a job, "approximated based on UTF-16 encoding": half a million characters.
 * The rest is left to other outputs of the job.
 */
export const MOST_OUTPUT_CHARACTERS = 450_000

/**
 * The outputs for the tasks that were taken: the first one in outputs of its own, and all of them as the array that
 * `strategy.matrix` takes.
 */
export function taskOutputs(tasks: readonly Task[]): TaskOutputs {
  const [first] = tasks
  return {
    found: first === undefined ? 'false' : 'true',
    count: String(tasks.length),
    'task-id': first?.taskId ?? '',
    'pipeline-id': first?.pipelineId ?? '',
    'attempt-id': first?.attemptId ?? '',
    fields: first === undefined ? '{}' : JSON.stringify(fieldsOf(first)),
    objects: first === undefined ? '{}' : JSON.stringify(first.objects),
    tasks: JSON.stringify(tasks.map(matrixEntry)),
  }
}

function matrixEntry(task: Task): Record<string, unknown> {
  return {
    'task-id': task.taskId,
    'pipeline-id': task.pipelineId,
    'attempt-id': task.attemptId,
    fields: fieldsOf(task),
  }
}

/** How many characters the outputs have together. */
export function sizeOfOutputs(tasks: readonly Task[]): number {
  return sizeOf(taskOutputs(tasks))
}

/** How many characters a task adds to the array of tasks. */
export function sizeOfEntry(task: Task): number {
  return JSON.stringify(matrixEntry(task)).length + 1
}

/**
 * The outputs, without the parts that a single huge task has too much of: its id is what matters, and it is held
 * already.
 */
export function fittingOutputs(tasks: readonly Task[]): { outputs: TaskOutputs; leftOut: readonly string[] } {
  const outputs = taskOutputs(tasks)
  if (sizeOf(outputs) <= MOST_OUTPUT_CHARACTERS) return { outputs, leftOut: [] }
  const withoutObjects = { ...outputs, objects: '{}' }
  if (sizeOf(withoutObjects) <= MOST_OUTPUT_CHARACTERS) return { outputs: withoutObjects, leftOut: ['objects'] }
  const entries = tasks.map((task) => ({ ...matrixEntry(task), fields: {} }))
  return {
    outputs: { ...withoutObjects, fields: '{}', tasks: JSON.stringify(entries) },
    leftOut: ['objects', 'fields', 'the fields in tasks'],
  }
}

function sizeOf(outputs: TaskOutputs): number {
  return Object.values(outputs).reduce((sum, value) => sum + value.length, 0)
}
