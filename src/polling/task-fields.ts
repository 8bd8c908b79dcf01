import type { Task, TaskField, TaskObject } from '../aws/data-pipeline.ts'

type SingleValue = string | { readonly ref: string }

/** A value of a field: a text, a reference to another object (by its id), or several of them. */
export type FieldValue = SingleValue | readonly SingleValue[]

/** Keys that an object may have several times, in order. Their value is always an array. */
const LIST_KEYS: ReadonlySet<string> = new Set(['scriptArgument'])

/** The preconditions of the Developer Guide ("Preconditions"), including those that the service checks itself. */
const PRECONDITION_TYPES: ReadonlySet<string> = new Set([
  'DynamoDBDataExists',
  'DynamoDBTableExists',
  'Exists',
  'S3KeyExists',
  'S3PrefixNotEmpty',
  'ShellCommandPrecondition',
])

/**
 * The fields of a task's attempt as one object. A repeated key has an array, as `scriptArgument` always has. A reference is
 * `{ref}`.
 */
export function fieldsOf(task: Task): Record<string, FieldValue> {
  const values = new Map<string, SingleValue[]>()
  for (const field of attemptFields(task)) {
    const before = values.get(field.key)
    if (before === undefined) values.set(field.key, [toValue(field)])
    else before.push(toValue(field))
  }
  const entries = [...values].map(([key, all]): [string, FieldValue] => {
    const [first] = all
    return [key, all.length > 1 || first === undefined || LIST_KEYS.has(key) ? all : first]
  })
  return Object.fromEntries(entries)
}

/**
 * Whether a task is a precondition, by the type of its attempt. Other objects of the task don't count, as an activity may refer to
 * its preconditions.
 */
export function isPrecondition(task: Task): boolean {
  const fields = attemptOf(task)?.fields ?? []
  return fields.some(
    (field) => field.key === 'type' && 'stringValue' in field && PRECONDITION_TYPES.has(field.stringValue),
  )
}

function attemptFields(task: Task): readonly TaskField[] {
  const attempt = attemptOf(task) ?? Object.values(task.objects)[0]
  return attempt?.fields ?? []
}

function attemptOf({ objects, attemptId }: Task): TaskObject | undefined {
  return Object.hasOwn(objects, attemptId) ? objects[attemptId] : undefined
}

function toValue(field: TaskField): SingleValue {
  return 'refValue' in field ? { ref: field.refValue } : field.stringValue
}
