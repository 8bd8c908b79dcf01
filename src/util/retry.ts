import type { Deadline } from './deadline.ts'

/**
 * What to do after a failed attempt: give up, retry at once, retry with backoff, or retry with the longer backoff for throttled
 * calls.
 */
export type RetryDecision = 'fail' | 'retry-immediately' | 'retry-with-backoff' | 'retry-throttled'

export interface RetryOptions {
  /** All attempts and waits end before it. */
  readonly deadline: Deadline
  /** 0 ≤ n < 1 */
  readonly random: () => number
  /** Milliseconds for the first attempt. Each further one has half as much again. */
  readonly attemptTimeoutMs: number
  /** Milliseconds that the last attempt must have. No attempt starts with less. Default 1 s. */
  readonly lastAttemptMs?: number | undefined
  /** Makes the error of an attempt that takes too long. */
  readonly onAttemptTimeout: (ms: number) => Error
  /** Decides about the error of attempt number `attempts` (1, 2, …). */
  readonly decide: (error: unknown, attempts: number) => RetryDecision | Promise<RetryDecision>
  /** Called before each wait. */
  readonly onWait: (error: unknown, attempts: number, waitMs: number) => void
}

/** Thrown when no attempt succeeded. `cause` is the error of the last one. */
export class RetriesSpentError extends Error {
  override readonly name = 'RetriesSpentError'
  readonly attempts: number
  /** Whether there would have been more attempts with more time. */
  readonly timeSpent: boolean

  constructor(cause: unknown, attempts: number, timeSpent: boolean) {
    super(timeSpent ? `gave up after ${attempts} attempts` : 'gave up', { cause })
    this.attempts = attempts
    this.timeSpent = timeSpent
  }
}

const FIRST_WAIT_MS = 500
const FIRST_WAIT_WHEN_THROTTLED_MS = 2_000
const MAX_WAIT_MS = 20_000
const ATTEMPT_GROWTH = 1.5
/** The last attempt has at least this long, and is made while this much is left. */
const MIN_ATTEMPT_MS = 1_000

/**
 * The wait after attempt number `attempts`: exponential, and half of it random, so that jobs that failed together don't retry
 * together ("equal jitter"). Throttled calls wait longer: a soon retry would be throttled again, and use up the limit of the
 * account.
 */
export function backOff(attempts: number, random: () => number, isThrottled = false): number {
  const first = isThrottled ? FIRST_WAIT_WHEN_THROTTLED_MS : FIRST_WAIT_MS
  const longest = Math.min(MAX_WAIT_MS, first * 2 ** (attempts - 1))
  return Math.round((longest / 2) * (1 + random()))
}

/**
 * Retries until an attempt succeeds, the deadline is over, or `decide` fails it. A wait is shortened if it would end too late for a
 * last attempt.
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
      // Longer for each attempt, so that a slow server can respond in the end.
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
