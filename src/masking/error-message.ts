import { formatLines } from './format.ts'

/**
 * The text of anything that was thrown, as it can be shown: clean, without secrets, and cut. People throw strings,
 * objects and undefined, too.
 *
 * @param limit characters; default about 2 KB, so that what others say leaves room for what is said of it
 */
export function errorMessage(thrown: unknown, limit?: number): string {
  return formatLines(wholeMessage(thrown), limit)
}

function wholeMessage(thrown: unknown): string {
  if (thrown instanceof Error) {
    // An AggregateError (Node's "happy eyeballs" connecting to several addresses) has no message of its own.
    if (thrown.message === '' && thrown instanceof AggregateError) return thrown.errors.map(wholeMessage).join('; ')
    return thrown.message || thrown.name
  }
  if (typeof thrown === 'string') return thrown
  try {
    return JSON.stringify(thrown) ?? String(thrown)
  } catch {
    return String(thrown)
  }
}
