import { formatValue } from './format.ts'

/** Longer ones are shown by their ends. */
const MAX_SHOWN_CHARACTERS = 40

/**
 * A task id as people see it: its beginning and end, and how long it is. On one clean line, and without secrets: what was
 * passed for a task id may be anything.
 */
export function shortTaskId(taskId: string): string {
  const characters = [...formatValue(taskId, Number.POSITIVE_INFINITY)]
  if (characters.length <= MAX_SHOWN_CHARACTERS) return characters.join('')
  return `${characters.slice(0, 12).join('')}…${characters.slice(-6).join('')} (${[...taskId].length} characters)`
}
