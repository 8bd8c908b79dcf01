import { mayPass } from '../github/api-error.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'

/** GitHub's API shows what happened a little after the runner does. */
const RETRY_AFTER_MS = 1_000
/** After this many responses, GitHub's API shows nearly everything. */
const USUAL_RESPONSES = 3
/** A server that fails may recover within a second. */
const MAX_FAILURES = 3

/** What is fetched. */
export interface Query<T> {
  readonly fetch: () => Promise<T>
  /** Whether a response has what is waited for. */
  readonly isComplete: (response: T) => boolean
  /**
   * Whether it is certain to come, and the last query: then it is repeated until the deadline. Otherwise it is repeated a few
   * times, as long as there is time for another query.
   */
  readonly isCertain?: boolean
}

/** The time for all queries. */
export interface QueryTime {
  readonly deadline: Deadline
  readonly signal: AbortSignal
}

/**
 * Fetches from GitHub's API, and again a second later while the response is not complete or the server fails. A slow server,
 * or one that hangs after its first response, leaves time for the other queries.
 *
 * @param onProblem called with the last error when an earlier response is returned
 * @returns the last response, complete or not
 * @throws the last error when there was no response
 */
export async function fetchUntilComplete<T>(
  { fetch, isComplete, isCertain = false }: Query<T>,
  { deadline, signal }: QueryTime,
  onProblem: (message: string) => void,
): Promise<T> {
  let last: { response: T } | undefined
  let responses = 0
  let failures = 0
  let tookMs = 0

  async function waitForRetry(): Promise<boolean> {
    // The next query takes as long as this one, and there is a log to download as well.
    const forOthers = last === undefined || isCertain ? 0 : 2 * tookMs
    const needed = RETRY_AFTER_MS + Math.max(RETRY_AFTER_MS, tookMs + forOthers)
    if (signal.aborted || deadline.remaining() < needed) return false
    await deadline.sleep(RETRY_AFTER_MS)
    // A slow machine sleeps longer.
    return !signal.aborted && deadline.remaining() >= RETRY_AFTER_MS / 2
  }

  async function attempt(): Promise<T> {
    const before = deadline.remaining()
    try {
      if (last === undefined || isCertain) return await fetch()
      return await deadline.within(
        deadline.remaining() / 2,
        fetch,
        (ms) => new Error(`GitHub's API did not respond again within ${formatSeconds(ms)}`),
      )
    } finally {
      tookMs = before - deadline.remaining()
    }
  }

  for (;;) {
    try {
      last = { response: await attempt() }
      responses += 1
      if (isComplete(last.response) || (responses > USUAL_RESPONSES && !isCertain)) return last.response
    } catch (error) {
      failures += 1
      const isFinal = signal.aborted || !mayPass(error) || failures === MAX_FAILURES || !(await waitForRetry())
      if (!isFinal) continue
      if (last === undefined) throw error
      onProblem(errorMessage(error))
      return last.response
    }
    if (!(await waitForRetry())) return last.response
  }
}
