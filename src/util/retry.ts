import type { Deadline } from './deadline.ts'

/**
 * What to do after a failed try: give up, try again at once, or try again after a wait, which is longer where there are
 * too many calls already.
 */
export type RetryDecision = 'fail' | 'retry-immediately' | 'retry-with-backoff' | 'retry-throttled'

export interface RetryOptions {
  /** Everything, tries and waits, happens before it. */
  readonly deadline: Deadline
  /** 0 ≤ n < 1 */
  readonly random: () => number
  /** Milliseconds that the first try may take; each further one may take half as much again. */
  readonly attemptTimeoutMs: number
  /** Milliseconds that a last try must have: none is begun with less. Default 1 s. */
  readonly lastAttemptMs?: number | undefined
  /** What is thrown inside when a try takes too long. */
  readonly onAttemptTimeout: (ms: number) => Error
  /** Says what to do about the error of try number `tries` (1, 2, …). */
  readonly decide: (error: unknown, attempts: number) => RetryDecision | Promise<RetryDecision>
  /** Told before each wait. */
  readonly onWait: (error: unknown, attempts: number, waitMs: number) => void
}

/** Thrown when no try succeeded; `cause` is the error of the last one. */
export class RetriesSpentError extends Error {
  override readonly name = 'RetriesSpentError'
  readonly attempts: number
  /** Whether more tries would have been made if there had been time for them. */
  readonly timeSpent: boolean

  constructor(cause: unknown, attempts: number, timeSpent: boolean) {
    super(timeSpent ? `gave up after ${attempts} tries` : 'gave up', { cause })
    this.attempts = attempts
    this.timeSpent = timeSpent
  }
}

const FIRST_WAIT_MS = 500
const FIRST_WAIT_WHEN_CROWDED_MS = 2_000
const MAX_WAIT_MS = 20_000
const ATTEMPT_GROWTH = 1.5
/** A last try that has less than this is not worth making; one that was planned later is made while this much is left. */
const MIN_ATTEMPT_MS = 1_000

/**
 * The wait after try number `tries`: exponential, with half of it random, so that jobs that failed together come back
 * apart ("equal jitter"). A call that is throttled is one of too many (`isCrowded`): coming back soon would only be
 * throttled again, and use up the limit of the account for others.
 */
export function backOff(attempts: number, random: () => number, isCrowded = false): number {
  const first = isCrowded ? FIRST_WAIT_WHEN_CROWDED_MS : FIRST_WAIT_MS
  const longest = Math.min(MAX_WAIT_MS, first * 2 ** (attempts - 1))
  return Math.round((longest / 2) * (1 + random()))
}

/**
 * Tries until it succeeds, the deadline is over, or `decide` says stop. A wait that would end after the deadline is
 * made shorter, so that the last moment is used for a try and never for a sleep with nothing behind it.
 *
 * @throws RetriesSpentError
 */
export async function retry<T>(
  attempt: (attempts: number, signal: AbortSignal) => Promise<T>,
  {
    deadline,
    random,
    attemptTimeoutMs,
    lastAttemptMs = MIN_ATTEMPT_MS,
    onAttemptTimeout,
    decide,
    onWait,
  }: RetryOptions,
): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    let error: unknown
    try {
      // Longer from try to try: a slow server must be heard in the end.
      const limit = attemptTimeoutMs * ATTEMPT_GROWTH ** (attempts - 1)
      return await deadline.within(limit, (signal) => attempt(attempts, signal), onAttemptTimeout)
    } catch (thrown) {
      error = thrown
    }
    const decision = await decide(error, attempts)
    if (decision === 'fail') throw new RetriesSpentError(error, attempts, false)
    const spare = deadline.remaining() - lastAttemptMs
    if (decision === 'retry-immediately' && deadline.remaining() > 0) continue
    if (spare <= 0) throw new RetriesSpentError(error, attempts, true)
    const wait = Math.min(backOff(attempts, random, decision === 'retry-throttled'), spare)
    onWait(error, attempts, wait)
    await deadline.sleep(wait)
  }
}
