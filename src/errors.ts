import { shownLines } from './known-secrets.ts'

/**
 * A mistake that the user can mend in the workflow or in the account's set-up: a wrong input, no region, no credentials.
 * `hint` is one sentence that says how.
 */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly hint: string | undefined

  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.hint = options.hint
  }
}

/**
 * The text of anything that was thrown, as it can be shown: clean, without secrets, and cut. People throw strings,
 * objects and undefined, too.
 *
 * @param limit characters; default about 2 KB, so that what others say leaves room for what is said of it
 */
export function messageOf(thrown: unknown, limit?: number): string {
  return shownLines(wholeMessageOf(thrown), limit)
}

function wholeMessageOf(thrown: unknown): string {
  if (thrown instanceof Error) {
    // An AggregateError (Node's "happy eyeballs" connecting to several addresses) has no message of its own.
    if (thrown.message === '' && thrown instanceof AggregateError) return thrown.errors.map(wholeMessageOf).join('; ')
    return thrown.message || thrown.name
  }
  if (typeof thrown === 'string') return thrown
  try {
    return JSON.stringify(thrown) ?? String(thrown)
  } catch {
    return String(thrown)
  }
}

/** An error and its causes, outermost first; stops at a cycle. */
export function causesOf(thrown: unknown): unknown[] {
  const chain: unknown[] = []
  let next: unknown = thrown
  while (next !== undefined && next !== null && !chain.includes(next)) {
    chain.push(next)
    next = (next as { cause?: unknown }).cause
  }
  return chain
}
