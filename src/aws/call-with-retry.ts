import type { Log } from '../github/log.ts'
import { errorMessage } from '../masking/error-message.ts'
import { formatValue } from '../masking/format.ts'
import type { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'
import { RetriesSpentError, retry } from '../util/retry.ts'
import type { Call, DataPipeline } from './data-pipeline.ts'
import type { CredentialSource } from './environment-credentials.ts'
import { AttemptTimeoutError, type Failure } from './errors.ts'
import type { DecideFirst, RetryRules } from './retry-rules.ts'

const MIN_ATTEMPT_TIMEOUT_MS = 1_000
const MAX_ATTEMPT_TIMEOUT_MS = 15_000

/** The timeout of the first attempt: a quarter of the budget, within bounds. A server that hangs must leave time for others. */
export function attemptTimeoutFor(budgetMs: number): number {
  return Math.min(MAX_ATTEMPT_TIMEOUT_MS, Math.max(MIN_ATTEMPT_TIMEOUT_MS, budgetMs / 4))
}

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
 * @param decideFirst decides about a failure, given whether the request was sent; undefined leaves it to the rules
 * @throws CallError
 */
export async function callWithRetry<T>(
  call: (call: Call) => Promise<T>,
  options: CallOptions,
  decideFirst: DecideFirst = () => undefined,
): Promise<CallResult<T>> {
  const { dataPipeline, deadline, attemptTimeoutMs, lastAttemptMs, random, log } = options
  let attempts = 0
  // Whether the request of this attempt was sent.
  let sent = false
  let rules: RetryRules | undefined
  const rulesOf = async (): Promise<RetryRules | undefined> => {
    try {
      // A chunk of its own, as few calls fail.
      const { RetryRules } = await import('./retry-rules.ts')
      rules ??= new RetryRules(options, decideFirst)
    } catch (error) {
      // The folder of the action may be damaged. Whatever happened, another attempt may help.
      log.info(`Can't tell why a call failed: ${errorMessage(error)}`)
    }
    return rules
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
        decide: async (error) => (await rulesOf())?.decide(error, attempts, sent) ?? 'retry-with-backoff',
        onWait: (error, number, waitMs) =>
          log.info(
            `Attempt ${number} failed: ${(rules?.lastFailure ?? unclassified(error)).message}. Trying again in ${formatSeconds(waitMs)} ` +
              `(${formatSeconds(Math.max(0, deadline.remaining() - (lastAttemptMs ?? 0)))} left).`,
          ),
      },
    )
    return { response, attempts }
  } catch (error) {
    const spent = error instanceof RetriesSpentError ? error : undefined
    const cause = spent?.cause ?? error
    const known = await rulesOf()
    const outcomeUnknown = known?.outcomeUnknown ?? sent
    const { unusualOrigin: origin, source } = dataPipeline
    const { input, isShortened } = deadline
    throw new CallError(
      known?.classify(cause) ?? unclassified(cause),
      { attempts, outcomeUnknown, origin, source, cause },
      spent?.timeSpent ? { budgetMs: deadline.budgetMs - (lastAttemptMs ?? 0), input, isShortened } : undefined,
    )
  }
}

/** What is known of a failure without its chunk. */
function unclassified(error: unknown): Failure {
  const message = formatValue(errorMessage(error))
  const none = { unsettled: false, gettingCredentials: false, requestId: undefined }
  return { ...none, kind: 'unknown', transient: true, outcomeUnknown: true, message }
}
