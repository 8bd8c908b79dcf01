/**
 * A mistake that the user can correct in the workflow or the account: an invalid input, no region, no credentials. `hint` is one
 * sentence that says how.
 */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly hint: string | undefined

  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.hint = options.hint
  }
}

/** An error and its causes, outermost first. Stops at a cycle. */
export function causesOf(thrown: unknown): unknown[] {
  const chain: unknown[] = []
  let next: unknown = thrown
  while (next !== undefined && next !== null && !chain.includes(next)) {
    chain.push(next)
    next = (next as { cause?: unknown }).cause
  }
  return chain
}
