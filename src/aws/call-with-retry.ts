import type { Log } from '../github/log.ts'
import type { Deadline } from '../util/deadline.ts'
import { RetriesSpentError, type RetryDecision, retry } from '../util/retry.ts'
import type { Call, DataPipeline } from './client.ts'
import type { CredentialSource } from './environment-credentials.ts'
import { AttemptTimeoutError, CredentialsError, classify, type Failure, rejectsCredentials } from './errors.ts'

const MIN_ATTEMPT_LIMIT_MS = 1_000
const MAX_ATTEMPT_LIMIT_MS = 15_000

/** The milliseconds that a try may take: a quarter of the budget, within bounds; a silent server must leave room for others. */
export function attemptTimeoutFor(budgetMs: number): number {
  return Math.min(MAX_ATTEMPT_LIMIT_MS, Math.max(MIN_ATTEMPT_LIMIT_MS, budgetMs / 4))
}

// A missing credential is seldom a passing fault (the machine's metadata service was busy), so few tries are enough.
const ATTEMPTS_FOR_CREDENTIALS = 3

// IAM tells its servers of roles, policies and sessions one after the other, which takes some seconds.
const MAX_UNSETTLED_ATTEMPTS = 5
const MAX_UNSETTLED_MS = 30_000

export interface CallDependencies {
  readonly dataPipeline: DataPipeline
  /** All tries and waits happen before it. */
  readonly deadline: Deadline
  /** Milliseconds that the first try may take, getting credentials included; each further one has half as much again. */
  readonly attemptTimeoutMs: number
  /** Milliseconds that the deadline has for the last try alone: for a call that the service holds. Default next to none. */
  readonly lastAttemptMs?: number
  /** Whether a refusal that may pass is worth more tries; where there are other credentials, it is not. Default true. */
  readonly retriesRefusals?: boolean
  readonly random: () => number
  readonly log: Log
}

/** What a call that succeeded in the end gave. */
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

/** A call that did not succeed. The cause is the error of the last try. */
export class CallError extends Error {
  override readonly name = 'CallError'
  readonly failure: Failure
  readonly attempts: number
  readonly timeSpent: boolean
  /** The time was over sooner than it should have been: the step had to end. */
  readonly isCutShort: boolean
  /** A try may have taken effect all the same, as its answer was lost. */
  readonly outcomeUnknown: boolean
  /** Where the call went, when that is not the address of AWS for the region. */
  readonly origin: string | undefined
  /** What the credentials come from; undefined where only this step can tell. */
  readonly source: CredentialSource | undefined

  /** @param spent the deadline, where there was no more time for another try */
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

  /** The same failure, where there was no more time to do something about it. */
  static spent({ failure, attempts, outcomeUnknown, origin, source }: CallError, deadline: SpentTime): CallError {
    return new CallError(failure, { attempts, outcomeUnknown, origin, source, cause: undefined }, deadline)
  }

  /** What was thrown by a call, or before one could be made. */
  static from(thrown: unknown): CallError {
    if (thrown instanceof CallError) return thrown
    return new CallError(classify(thrown), { attempts: 1, outcomeUnknown: false, cause: thrown })
  }
}

/** What is said of a budget that is spent. */
type SpentTime = Pick<Deadline, 'budgetMs' | 'input' | 'isShortened'>

function inTime({ budgetMs, input, isShortened }: SpentTime): string {
  if (isShortened) return ', as the step has to end'
  return ` in ${Math.round(budgetMs / 1000)} s${input === undefined ? '' : ` (${input})`}`
}

/**
 * Makes a call until it succeeds, fails for good, or the deadline is over. Passing faults are tried again with growing
 * waits, a wrong clock is corrected, rejected credentials are renewed once where that is possible.
 *
 * @param decideFirst what the caller has to say about a failure, and whether the request had gone out; undefined leaves
 *   it to the rules here
 * @throws CallError
 */
export async function callWithRetry<T>(
  call: (call: Call) => Promise<T>,
  { dataPipeline, deadline, attemptTimeoutMs, lastAttemptMs, retriesRefusals = true, random, log }: CallDependencies,
  decideFirst: (failure: Failure, sent: boolean) => RetryDecision | undefined = () => undefined,
): Promise<CallResult<T>> {
  let attempts = 0
  // Whether the request of this try went out.
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
        log.info("This machine's clock is off; signing again with the time of the service.")
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
    // A service that rejects the renewed credentials too is not asked again.
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
        onAttemptTimeout: (ms) => new AttemptTimeoutError(`no answer within ${seconds(ms)}`),
        decide,
        onWait: (error, number, waitMs) =>
          log.info(
            `Try ${number} failed: ${classify(error).message}. Trying again in ${seconds(waitMs)} ` +
              `(${seconds(Math.max(0, deadline.remaining() - (lastAttemptMs ?? 0)))} left).`,
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
  const cause = new AttemptTimeoutError(`no response within ${seconds(ms)}`)
  return new CredentialsError('No AWS credentials', { cause })
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
}
