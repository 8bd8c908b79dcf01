import { ConfigurationError } from '../util/errors.ts'
import { formatLines } from './format.ts'

/**
 * The message of anything that was thrown, as it can be shown: sanitized, without secrets, and truncated. Strings, objects
 * and undefined are thrown, too.
 *
 * @param limit characters; default about 2 KB, which leaves room for the text around it
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

/** The message, and the hint of a ConfigurationError after it. */
export function errorMessageWithHint(thrown: unknown, limit?: number): string {
  const hint = thrown instanceof ConfigurationError ? thrown.hint : undefined
  const message = errorMessage(thrown, limit)
  return hint === undefined ? message : `${message} ${hint}`
}
