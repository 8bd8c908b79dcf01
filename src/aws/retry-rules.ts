import { formatSeconds } from '../util/format.ts'
import type { RetryDecision } from '../util/retry.ts'
import type { CallOptions } from './call-with-retry.ts'
import { classify } from './classify.ts'
import { AttemptTimeoutError, CredentialsError, type Failure, rejectsCredentials } from './errors.ts'

// Missing credentials are seldom a transient error (the machine's metadata service was busy), so few attempts are enough.
const ATTEMPTS_FOR_CREDENTIALS = 3

// New roles, policies and sessions take some seconds to reach all servers of IAM.
const MAX_UNSETTLED_ATTEMPTS = 5
const MAX_UNSETTLED_MS = 30_000

/** Decides about a failure, given whether the request was sent; undefined leaves it to the rules. */
export type DecideFirst = (failure: Failure, sent: boolean) => RetryDecision | undefined

/** What follows from the failures of one call. */
export class RetryRules {
  readonly classify = classify
  /** An attempt got no response and may have succeeded. */
  outcomeUnknown = false
  lastFailure: Failure | undefined
  readonly #options: CallOptions
  readonly #decideFirst: DecideFirst
  #renewed = false
  #clockCorrected = false
  #firstUnsettled: { readonly attempts: number; readonly atMs: number } | undefined

  constructor(options: CallOptions, decideFirst: DecideFirst) {
    this.#options = options
    this.#decideFirst = decideFirst
  }

  /** @param sent whether the request of this attempt was sent */
  async decide(error: unknown, attempts: number, sent: boolean): Promise<RetryDecision> {
    const { dataPipeline, deadline, log } = this.#options
    const failure = classify(error)
    this.lastFailure = failure
    this.outcomeUnknown ||= failure.outcomeUnknown && sent
    const decision = this.#decideFirst(failure, sent)
    if (decision !== undefined) return decision
    if (failure.unsettled) this.#firstUnsettled ??= { attempts, atMs: deadline.elapsed() }
    if (rejectsCredentials(failure)) {
      const renewal = await this.#renewOnce(attempts, sent)
      const mayBeUnknown = renewal === 'fail' && failure.unsettled && dataPipeline.hasNewSession()
      return mayBeUnknown ? this.#awaitSettling(attempts) : renewal
    }
    if (failure.unsettled) return this.#awaitSettling(attempts)
    switch (failure.kind) {
      case 'clock-corrected': {
        if (this.#clockCorrected) return 'retry-with-backoff'
        this.#clockCorrected = true
        log.info("This machine's clock is wrong. Signing again with the time of the service.")
        return 'retry-immediately'
      }
      case 'no-credentials':
        return attempts < ATTEMPTS_FOR_CREDENTIALS ? 'retry-with-backoff' : 'fail'
      case 'throttled':
        return 'retry-throttled'
      default:
        return failure.transient ? 'retry-with-backoff' : 'fail'
    }
  }

  #awaitSettling(attempts: number): RetryDecision {
    const { deadline, retriesRefusals = true } = this.#options
    if (!retriesRefusals) return 'fail'
    const { attempts: first, atMs } = this.#firstUnsettled ?? { attempts, atMs: deadline.elapsed() }
    const isOver = attempts - first + 1 >= MAX_UNSETTLED_ATTEMPTS || deadline.elapsed() - atMs >= MAX_UNSETTLED_MS
    return isOver ? 'fail' : 'retry-with-backoff'
  }

  async #renewOnce(attempts: number, sent: boolean): Promise<RetryDecision> {
    const { dataPipeline, deadline, attemptTimeoutMs, log } = this.#options
    // If the service rejects the renewed credentials too, there are no others.
    if (this.#renewed) return 'fail'
    try {
      this.#renewed = await deadline.within(attemptTimeoutMs, () => dataPipeline.renewCredentials(), renewalTimeout)
      return this.#renewed ? 'retry-immediately' : 'fail'
    } catch (error) {
      // The rejected credentials stay in use, so the next attempt comes back here.
      log.info(`Could not renew the credentials: ${classify(error).message}`)
      return this.decide(error, attempts, sent)
    }
  }
}

function renewalTimeout(ms: number): CredentialsError {
  const cause = new AttemptTimeoutError(`no response within ${formatSeconds(ms)}`)
  return new CredentialsError('No AWS credentials', { cause })
}
