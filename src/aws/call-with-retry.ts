import type { Log } from '../github/log.ts'
import type { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'
import { RetriesSpentError, type RetryDecision, retry } from '../util/retry.ts'
import type { Call, DataPipeline } from './data-pipeline.ts'
import type { CredentialSource } from './environment-credentials.ts'
import { AttemptTimeoutError, CredentialsError, classify, type Failure, rejectsCredentials } from './errors.ts'

const MIN_ATTEMPT_TIMEOUT_MS = 1_000
const MAX_ATTEMPT_TIMEOUT_MS = 15_000

/** The timeout of the first attempt: a quarter of the budget, within bounds. A server that hangs must leave time for others. */
export function attemptTimeoutFor(budgetMs: number): number {
  return Math.min(MAX_ATTEMPT_TIMEOUT_MS, Math.max(MIN_ATTEMPT_TIMEOUT_MS, budgetMs / 4))
}

// Missing credentials are seldom a transient error (the machine's metadata service was busy), so few attempts are enough.
const ATTEMPTS_FOR_CREDENTIALS = 3

// New roles, policies and sessions take some seconds to reach all servers of IAM.
const MAX_UNSETTLED_ATTEMPTS = 5
const MAX_UNSETTLED_MS = 30_000

/** What every call of a client is made with: `callerOf` makes it. */
export interface Caller {
  readonly dataPipeline: DataPipeline
  /** Milliseconds for the first attempt, including its credentials. Each further one has half as much again. */
  readonly attemptTimeoutMs: number
  /** 0 ≤ n < 1 */
  readonly random: () => number
  readonly log: Log
}

/** A caller, and what one call is made with. */
export interface CallOptions extends Caller {
  /** All attempts and waits end before it. */
  readonly deadline: Deadline
  /** Milliseconds that the deadline reserves for the last attempt, for a call that the service holds. Default 1 s. */
  readonly lastAttemptMs?: number
  /** Whether to retry a refusal that may be temporary. False when there are other credentials. Default true. */
  readonly retriesRefusals?: boolean
}

/** @param budgetMs milliseconds for all attempts of a call */
export function callerOf(dataPipeline: DataPipeline, budgetMs: number, log: Log): Caller {
  return { dataPipeline, attemptTimeoutMs: attemptTimeoutFor(budgetMs), random: Math.random, log }
}

/** The result of a call that succeeded. */
export interface CallResult<T> {
  readonly response: T
  readonly attempts: number
}

interface CallErrorOptions {
  readonly attempts: number
  readonly outcomeUnknown: boolean
  readonly origin?: string | undefined
  readonly source?: CredentialSource | undefined
  readonly cause: unknown
}

/** A call that failed. The cause is the error of its last attempt. */
export class CallError extends Error {
  override readonly name = 'CallError'
  readonly failure: Failure
  readonly attempts: number
  readonly timeSpent: boolean
  /** The step had to end before the budget was spent. */
  readonly isCutShort: boolean
  /** An attempt got no response and may have succeeded. */
  readonly outcomeUnknown: boolean
  /** Where the call went; undefined when that is the address of AWS for the region. */
  readonly origin: string | undefined
  /** Where the credentials come from; undefined when only the step knows. */
  readonly source: CredentialSource | undefined

  /** @param spent the deadline, when there was no time for another attempt */
  constructor(
    failure: Failure,
    { attempts, outcomeUnknown, origin, source, cause }: CallErrorOptions,
    spent?: SpentTime,
  ) {
    const times =
      spent && `gave up after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}${inTime(spent)}. Last error: `
    super(`${times ?? ''}${failure.message}`, { cause })
    this.failure = failure
    this.attempts = attempts
    this.timeSpent = spent !== undefined
    this.isCutShort = spent?.isShortened === true
    this.outcomeUnknown = outcomeUnknown
    this.origin = origin
    this.source = source
  }

  /** The same failure, when there was no time to use other credentials. */
  static spent({ failure, attempts, outcomeUnknown, origin, source }: CallError, deadline: SpentTime): CallError {
    return new CallError(failure, { attempts, outcomeUnknown, origin, source, cause: undefined }, deadline)
  }

  /** Anything that a call threw, or that was thrown before it, as a CallError. */
  static from(thrown: unknown): CallError {
    if (thrown instanceof CallError) return thrown
    return new CallError(classify(thrown), { attempts: 1, outcomeUnknown: false, cause: thrown })
  }
}

/** A budget that is spent, for messages. */
type SpentTime = Pick<Deadline, 'budgetMs' | 'input' | 'isShortened'>

function inTime({ budgetMs, input, isShortened }: SpentTime): string {
  if (isShortened) return ', as the step has to end'
  return ` in ${formatSeconds(budgetMs)}${input === undefined ? '' : ` (${input})`}`
}

/**
 * Calls until an attempt succeeds, fails for good, or the deadline is over. Retries transient errors with backoff, corrects a
 * wrong clock, and renews rejected credentials once.
 *
 * @param decideFirst decides about a failure, given whether the request was sent; undefined leaves it to the rules here
 * @throws CallError
 */
export async function callWithRetry<T>(
  call: (call: Call) => Promise<T>,
  { dataPipeline, deadline, attemptTimeoutMs, lastAttemptMs, retriesRefusals = true, random, log }: CallOptions,
  decideFirst: (failure: Failure, sent: boolean) => RetryDecision | undefined = () => undefined,
): Promise<CallResult<T>> {
  let attempts = 0
  // Whether the request of this attempt was sent.
  let sent = false
  let outcomeUnknown = false
  let renewed = false
  let clockCorrected = false
  let firstUnsettled: { readonly attempts: number; readonly atMs: number } | undefined

  const decide = async (error: unknown): Promise<RetryDecision> => {
    const failure = classify(error)
    outcomeUnknown ||= failure.outcomeUnknown && sent
    const decision = decideFirst(failure, sent)
    if (decision !== undefined) return decision
    if (failure.unsettled) firstUnsettled ??= { attempts, atMs: deadline.elapsed() }
    if (rejectsCredentials(failure)) {
      const renewal = await renewOnce()
      return renewal === 'fail' && failure.unsettled && dataPipeline.hasNewSession() ? awaitSettling() : renewal
    }
    if (failure.unsettled) return awaitSettling()
    switch (failure.kind) {
      case 'clock-corrected': {
        if (clockCorrected) return 'retry-with-backoff'
        clockCorrected = true
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

  const awaitSettling = (): RetryDecision => {
    if (!retriesRefusals) return 'fail'
    const { attempts: first, atMs } = firstUnsettled ?? { attempts, atMs: deadline.elapsed() }
    const isOver = attempts - first + 1 >= MAX_UNSETTLED_ATTEMPTS || deadline.elapsed() - atMs >= MAX_UNSETTLED_MS
    return isOver ? 'fail' : 'retry-with-backoff'
  }

  const renewOnce = async (): Promise<RetryDecision> => {
    // If the service rejects the renewed credentials too, there are no others.
    if (renewed) return 'fail'
    try {
      renewed = await deadline.within(attemptTimeoutMs, () => dataPipeline.renewCredentials(), renewalTimeout)
      return renewed ? 'retry-immediately' : 'fail'
    } catch (error) {
      // The rejected credentials stay in use, so the next attempt comes back here.
      log.info(`Could not renew the credentials: ${classify(error).message}`)
      return decide(error)
    }
  }

  try {
    const response = await retry(
      (number, signal) => {
        attempts = number
        sent = false
        const onSend = (): void => {
          sent = true
        }
        return call({ signal, onSend })
      },
      {
        deadline,
        random,
        attemptTimeoutMs,
        lastAttemptMs,
        onAttemptTimeout: (ms) => new AttemptTimeoutError(`no response within ${formatSeconds(ms)}`),
        decide,
        onWait: (error, number, waitMs) =>
          log.info(
            `Attempt ${number} failed: ${classify(error).message}. Trying again in ${formatSeconds(waitMs)} ` +
              `(${formatSeconds(Math.max(0, deadline.remaining() - (lastAttemptMs ?? 0)))} left).`,
          ),
      },
    )
    return { response, attempts }
  } catch (error) {
    const spent = error instanceof RetriesSpentError ? error : undefined
    const cause = spent?.cause ?? error
    const { input, isShortened } = deadline
    throw new CallError(
      classify(cause),
      { attempts, outcomeUnknown, origin: dataPipeline.unusualOrigin, source: dataPipeline.source, cause },
      spent?.timeSpent ? { budgetMs: deadline.budgetMs - (lastAttemptMs ?? 0), input, isShortened } : undefined,
    )
  }
}

function renewalTimeout(ms: number): CredentialsError {
  const cause = new AttemptTimeoutError(`no response within ${formatSeconds(ms)}`)
  return new CredentialsError('No AWS credentials', { cause })
}
