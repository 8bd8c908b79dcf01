import { classify } from '../aws/classify.ts'
import { AttemptTimeoutError } from '../aws/errors.ts'
import type { Clock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'

export interface RenewalDependencies {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly log: (text: string) => void
}

/**
 * Renews credentials between two heartbeats. A credential process may hang, and must not stop them.
 *
 * @returns whether the credentials differ now; false when the renewal fails or takes too long
 */
export async function renewBetweenBeats(
  renewCredentials: () => Promise<boolean>,
  { clock, timeoutMs, log }: RenewalDependencies,
): Promise<boolean> {
  try {
    return await new Deadline(clock, timeoutMs).within(
      timeoutMs,
      renewCredentials,
      (ms) => new AttemptTimeoutError(`no response within ${formatSeconds(ms)}`),
    )
  } catch (error) {
    log(`Could not renew the credentials: ${classify(error).message}`)
    return false
  }
}
