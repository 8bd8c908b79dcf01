import type { DataPipeline, StatusReport } from './aws/data-pipeline.ts'
import { classify, type Failure, TryTimeoutError } from './aws/failure.ts'
import type { Deadline } from './clock.ts'
import type { ErrorFields } from './error-fields.ts'
import type { Log } from './github/log.ts'
import { type Decision, RetriesSpentError, retry } from './retry.ts'
import type { TaskStatus } from './status.ts'

const SHORTEST_TRY_LIMIT_MS = 1_000
const LONGEST_TRY_LIMIT_MS = 15_000

/** The milliseconds that a try may take: a quarter of the budget, within bounds; a silent server must leave room for others. */
export function tryLimitOf(budgetMs: number): number {
  return Math.min(LONGEST_TRY_LIMIT_MS, Math.max(SHORTEST_TRY_LIMIT_MS, budgetMs / 4))
}

// A missing credential is seldom a passing fault (the machine's metadata service was busy), so few tries are enough.
const TRIES_FOR_CREDENTIALS = 3

/** What to report. */
export interface Report {
  readonly taskId: string
  readonly status: TaskStatus
  /**
   * The error fields to send, without these secrets; the further versions are for a service that finds the request
   * invalid.
   */
  readonly versions: (secrets: readonly string[]) => readonly [ErrorFields, ...ErrorFields[]]
}

export interface ReportDependencies {
  readonly dataPipeline: DataPipeline
  readonly deadline: Deadline
  /** Milliseconds that a single try may take, getting credentials included. */
  readonly tryLimitMs: number
  readonly random: () => number
  readonly log: Log
}

/** A report that the service has. */
export interface ReportedStatus {
  readonly requestId: string | undefined
  readonly tries: number
  /** The error fields that the service took: all, shortened ones, or none. */
  readonly fields: ErrorFields
  /** The answer was lost, and the task is gone since: the report most likely landed. */
  readonly presumed: boolean
}

/** The report could not be made. */
export class ReportError extends Error {
  override readonly name = 'ReportError'
  readonly failure: Failure
  readonly timeSpent: boolean
  /** An earlier try may have landed, as its answer was lost. */
  readonly answerLost: boolean

  constructor(failure: Failure, options: { tries: number; timeSpent: boolean; answerLost: boolean; cause: unknown }) {
    const times = options.timeSpent
      ? `no success in ${options.tries} ${options.tries === 1 ? 'try' : 'tries'} within the time allowed; the last one: `
      : ''
    super(times + failure.message, { cause: options.cause })
    this.failure = failure
    this.timeSpent = options.timeSpent
    this.answerLost = options.answerLost
  }
}

/**
 * Reports a status with SetTaskStatus until the service has it or the deadline is over.
 *
 * The status matters, the texts decorate it: when the service refuses a request as invalid, it is sent again with
 * shorter texts and then without any.
 *
 * @throws ReportError
 */
export async function sendReport(
  report: Report,
  { dataPipeline, deadline, tryLimitMs, random, log }: ReportDependencies,
): Promise<ReportedStatus> {
  // Fitted anew for each try, when its credentials are known: they must not be in the texts.
  let versions: readonly ErrorFields[] = []
  let version = 0
  const fieldsNow = (): ErrorFields => versions[version] ?? {}
  let answerLost = false
  // Whether the request of this try went out.
  let sent = false
  let renewed = false
  let clockCorrected = false

  const decide = async (error: unknown, tries: number): Promise<Decision> => {
    const failure = classify(error)
    answerLost ||= failure.answerLost && sent
    switch (failure.kind) {
      case 'invalid-request': {
        if (failure.gettingCredentials || version + 1 >= versions.length) return 'stop'
        version += 1
        log.warning(
          `Data Pipeline refused the request (${failure.message}); sending the status again with ` +
            `${Object.keys(fieldsNow()).length > 0 ? 'shorter error texts' : 'no error texts'}.`,
        )
        return 'again-now'
      }
      case 'clock-corrected':
        if (clockCorrected) return 'again-later'
        clockCorrected = true
        log.info("This machine's clock is off; signing again with the time of the service.")
        return 'again-now'
      case 'credentials-expired': {
        if (failure.gettingCredentials) return 'again-later'
        if (renewed) return 'stop'
        renewed = true
        return (await renewCredentials(dataPipeline)) ? 'again-now' : 'stop'
      }
      case 'no-credentials':
        return tries < TRIES_FOR_CREDENTIALS ? 'again-later' : 'stop'
      default:
        return failure.transient ? 'again-later' : 'stop'
    }
  }

  let tries = 0
  try {
    const answer = await retry(
      async (number, signal) => {
        tries = number
        sent = false
        versions = report.versions(await dataPipeline.secrets())
        const onSend = (): void => {
          sent = true
        }
        return dataPipeline.setTaskStatus(requestOf(report, fieldsNow()), { signal, onSend })
      },
      {
        deadline,
        random,
        tryLimitMs,
        onTryTimeout: (ms) => new TryTimeoutError(`no answer within ${seconds(ms)}`),
        decide,
        onWait: (error, number, waitMs) =>
          log.info(
            `Try ${number} failed: ${classify(error).message}. Trying again in ${seconds(waitMs)} ` +
              `(${seconds(deadline.remaining())} left).`,
          ),
      },
    )
    return { requestId: answer.requestId, tries, fields: fieldsNow(), presumed: false }
  } catch (error) {
    const spent = error instanceof RetriesSpentError ? error : undefined
    const cause = spent?.cause ?? error
    const failure = classify(cause)
    if (failure.kind === 'task-not-found' && answerLost) {
      return { requestId: failure.requestId, tries, fields: fieldsNow(), presumed: true }
    }
    throw new ReportError(failure, { tries, timeSpent: spent?.timeSpent ?? false, answerLost, cause })
  }
}

/** The request for a report; what it has no value for is left out. */
export function requestOf({ taskId, status }: Pick<Report, 'taskId' | 'status'>, fields: ErrorFields): StatusReport {
  return { taskId, taskStatus: status, ...fields }
}

async function renewCredentials(dataPipeline: DataPipeline): Promise<boolean> {
  try {
    return await dataPipeline.renewCredentials()
  } catch {
    // The next try meets the same failure, and is judged by it.
    return true
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
}
