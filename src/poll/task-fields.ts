import type { Task, TaskField } from '../aws/data-pipeline.ts'

/** A value of a field: a text, a reference to another object (by its id), or several of them. */
export type FieldValue = string | { readonly ref: string } | readonly (string | { readonly ref: string })[]

/**
 * The fields of a task's attempt as one JSON object: a repeated key has an array, and references are told from texts
 * by their form.
 */
export function fieldsOf(task: Task): Record<string, FieldValue> {
  const attempt = task.objects[task.attemptId] ?? Object.values(task.objects)[0]
  const fields = new Map<string, FieldValue>()
  for (const field of attempt?.fields ?? []) {
    const value = toValue(field)
    const before = fields.get(field.key)
    fields.set(field.key, before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value])
  }
  return Object.fromEntries(fields)
}

function toValue(field: TaskField): string | { ref: string } {
  return 'refValue' in field ? { ref: field.refValue } : field.stringValue
}
