import { asRecord, asText } from '../util/json.ts'
import type { Task, TaskField, TaskObject } from './data-pipeline.ts'

/**
 * The task in the response of PollForTask; undefined when there is none. A member of another type than documented counts as
 * missing: it must not stop a task that is going to be acknowledged.
 *
 * @param body as the HTTP handler has read it
 */
export function taskIn(body: unknown): Task | undefined {
  const { taskId, pipelineId, attemptId, objects } = asRecord(asRecord(parseJson(body))['taskObject'])
  if (typeof taskId !== 'string' || taskId === '') return undefined
  const encrypted: TaskField[] = []
  const entries = Object.entries(asRecord(objects)).map(([id, object]): [string, TaskObject] => {
    const { id: own, name, fields } = asRecord(object)
    const all = Array.isArray(fields) ? fields.map(toField) : []
    for (const field of all) if (isEncrypted(field)) encrypted.push(field)
    return [id, { id: asText(own) ?? id, name: asText(name) ?? id, fields: all.filter((field) => !isEncrypted(field)) }]
  })
  return {
    taskId,
    pipelineId: asText(pipelineId) ?? '',
    attemptId: asText(attemptId) ?? '',
    objects: Object.fromEntries(entries),
    encrypted,
  }
}

/** The JSON of a response body; undefined when there is none, as in an error, which the SDK reads. */
function parseJson(body: unknown): unknown {
  if (!(body instanceof Uint8Array)) return undefined
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}

function isEncrypted({ key }: TaskField): boolean {
  return key.startsWith('*')
}

function toField(field: unknown): TaskField {
  const { key, stringValue, refValue } = asRecord(field)
  const reference = asText(refValue)
  if (reference !== undefined) return { key: asText(key) ?? '', refValue: reference }
  return { key: asText(key) ?? '', stringValue: asText(stringValue) ?? '' }
}
