import { formatValue } from './format.ts'

/** Longer ids are truncated. */
const MAX_SHOWN_CHARACTERS = 40

/**
 * A task id for people: its start, its end and its length, on one line, with secrets masked. An input task-id may be any text.
 */
export function shortTaskId(taskId: string): string {
  const characters = [...formatValue(taskId, Number.POSITIVE_INFINITY)]
  if (characters.length <= MAX_SHOWN_CHARACTERS) return characters.join('')
  return `${characters.slice(0, 12).join('')}…${characters.slice(-6).join('')} (${[...taskId].length} characters)`
}
