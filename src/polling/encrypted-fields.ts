import type { Task } from '../aws/data-pipeline.ts'
import { MIN_SECRET } from '../text/secret-forms.ts'
import { taskOutputs } from './task-outputs.ts'

/**
 * The texts to mask of the encrypted fields of a task: each line of their values, as the runner masks lines. Omits lines of fewer
 * than 6 characters, and those that are a part of the ids of the task or of names in its outputs: GitHub would drop these outputs,
 * and no job would go on with the task.
 */
export function valuesToMask(task: Task): string[] {
  const lines = task.encrypted.flatMap((field) => ('stringValue' in field ? field.stringValue.split(/[\r\n]/) : []))
  const values = new Set(lines.map((line) => line.trim()).filter((line) => line.length >= MIN_SECRET))
  if (values.size === 0) return []
  const needed = namesIn(task)
  return [...values].filter((value) => !needed.includes(value))
}

/** Members of the fields in the output `objects`. */
const FIELD_MEMBERS = ['stringValue', 'refValue']

/** The ids of a task and of its objects, and the names of their fields and of the outputs. */
function namesIn(task: Task): string {
  const fields = Object.values(task.objects).flatMap((object) => object.fields)
  const names = new Set(fields.flatMap((field) => ('refValue' in field ? [field.key, field.refValue] : [field.key])))
  const ids = [task.taskId, task.pipelineId, task.attemptId, ...Object.keys(task.objects)]
  return [...ids, ...Object.keys(taskOutputs([])), ...FIELD_MEMBERS, ...names].join('\n')
}
