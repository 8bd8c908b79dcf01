import type { Caller } from '../aws/call-with-retry.ts'
import type { DataPipeline } from '../aws/data-pipeline.ts'
import { needsOtherCredentials } from '../aws/errors.ts'
import { openDataPipeline } from '../aws/open-client.ts'
import type { AwsSettings } from '../aws/settings.ts'
import type { TaskStatus } from '../domain/task-status.ts'
import type { Runner } from '../github/runner.ts'
import type { Deadline } from '../util/deadline.ts'
import { type Decision, prevailing, versionsWithout } from './decision.ts'
import type { ReportMarker } from './report-marker.ts'
import type { ErrorFieldVersions } from './sanitize-error-fields.ts'
import { type ReportedStatus, SupersededError, sendReport } from './send-status.ts'

/** A report that is ready to go. */
export interface RoutedReport {
  readonly taskId: string
  readonly by: Decision['by']
  readonly status: TaskStatus
  /** The error fields without the secrets known by now, one version after the other. */
  readonly versions: () => ErrorFieldVersions['versions']
  readonly aws: AwsSettings
  /** Milliseconds of `timeout-seconds`. */
  readonly budgetMs: number
  readonly deadline: Deadline
  /** An attempt at the same report had no response. */
  readonly mayHaveLanded?: boolean
}

/** What became of a report. */
export type Delivery =
  | ({ readonly outcome: 'sent'; readonly status: TaskStatus; readonly region: string } & ReportedStatus)
  /** The service has a report of another step, or has canceled the task. */
  | { readonly outcome: 'not-needed'; readonly reason: 'reported' | 'canceled' }
  /** A later step reports the task. */
  | { readonly outcome: 'superseded' }

/** How a report gets to the service. Made when a step begins, so that of two steps the later one counts. */
export interface ReportRoute {
  /** @throws DeliveryError when the report could not be made */
  deliver(report: RoutedReport): Promise<Delivery>
}

/** Thrown when a task could not be reported. The cause is the error of the call. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError'
  /** Undefined when none was found. */
  readonly region: string | undefined

  constructor(cause: unknown, region: string | undefined) {
    super('the report could not be made', { cause })
    this.region = region
  }
}

/**
 * The step calls the service itself, as there is no heartbeat process. It takes the task over from earlier steps, and sends
 * nothing more when a later step has taken it over.
 */
export class DirectRoute implements ReportRoute {
  readonly #runner: Runner
  readonly #marker: ReportMarker
  readonly #before: ReturnType<ReportMarker['read']>

  constructor(by: Decision['by'], marker: ReportMarker, runner: Runner) {
    this.#runner = runner
    this.#marker = marker
    this.#before = marker.read()
    // A post step has nothing to report when the service has a report.
    if (by === 'post' && this.#before?.sent) return
    this.#mark(by, this.#before?.decision)
  }

  async deliver(report: RoutedReport): Promise<Delivery> {
    if (report.by === 'post' && this.#before?.sent) return { outcome: 'not-needed', reason: 'reported' }
    let dataPipeline: DataPipeline | undefined
    try {
      const open = await openDataPipeline(report.aws, report.budgetMs, this.#runner)
      dataPipeline = open.dataPipeline
      return await this.#send(report, open)
    } catch (error) {
      if (error instanceof SupersededError) return { outcome: 'superseded' }
      // What the service rejects for good is withdrawn, so that the next step may report.
      if ((await isFinal(error)) && this.#marker.isMine()) this.#mark(report.by, undefined)
      throw new DeliveryError(error, dataPipeline?.region)
    } finally {
      dataPipeline?.close()
    }
  }

  async #send(
    { taskId, by, status, versions, deadline, mayHaveLanded = false }: RoutedReport,
    caller: Caller,
  ): Promise<Delivery> {
    const own: Decision = { by, status, versions: versions() }
    const decision = by === 'post' ? prevailing(this.#before?.decision, own) : own
    if (!this.#marker.isMine()) return { outcome: 'superseded' }
    // Without texts, until the secrets that they must not have are known.
    this.#mark(by, { ...decision, versions: [{}] })
    const sanitizeVersions = (): Decision['versions'] => {
      const fitted = decision === own ? versions() : versionsWithout(decision, [...this.#runner.secrets])
      const hasTexts = fitted.length > 1 || Object.keys(fitted[0]).length > 0
      if (hasTexts && this.#marker.isMine()) this.#mark(by, { ...decision, versions: fitted })
      return fitted
    }
    const { region } = caller.dataPipeline
    const options = { ...caller, deadline }
    const sent = await sendReport({ taskId, status: decision.status, versions: sanitizeVersions }, options, {
      isStillWanted: () => this.#marker.isMine(),
      mayHaveLanded,
    })
    if (this.#marker.isMine())
      this.#marker.write({ sent: true, by: decision.by, decision: undefined, status: decision.status })
    return { outcome: 'sent', status: decision.status, region, ...sent }
  }

  /** Makes this step the one that reports. Keeps that the service already has a report. */
  #mark(by: Decision['by'], decision: Decision | undefined): void {
    const isSent = this.#before?.sent === true
    const status = isSent ? this.#before?.status : undefined
    this.#marker.write({ sent: isSent, by: isSent ? (this.#before?.by ?? by) : by, decision, status })
  }
}

/** Whether the service rejects the report for good. */
async function isFinal(error: unknown): Promise<boolean> {
  try {
    const { callErrorFrom } = await import('../aws/classify.ts')
    const { timeSpent, failure } = callErrorFrom(error)
    return !timeSpent && !needsOtherCredentials(failure)
  } catch {
    // The folder of the action may be damaged.
    return false
  }
}
