import { AttemptTimeoutError, classify } from '../aws/errors.ts'
import type { Clock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'

export interface RenewalDependencies {
  readonly clock: Clock
  /** Milliseconds that a renewal may take. */
  readonly limitMs: number
  readonly log: (text: string) => void
}

/**
 * Renews credentials between two beats. A renewal that fails, or takes too long, counts as one that changed nothing: a
 * credential process has no limit of its own, and must not stop the beats.
 *
 * @returns whether the credentials differ now
 */
export async function renewBetweenBeats(
  renewCredentials: () => Promise<boolean>,
  { clock, limitMs, log }: RenewalDependencies,
): Promise<boolean> {
  try {
    return await new Deadline(clock, limitMs).within(
      limitMs,
      renewCredentials,
      (ms) => new AttemptTimeoutError(`no response within ${Math.round(ms / 1000)} s`),
    )
  } catch (error) {
    log(`Could not renew the credentials: ${classify(error).message}`)
    return false
  }
}
