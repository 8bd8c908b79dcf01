import { explainFailure } from '../aws/explain-failure.ts'
import { maskOwnCredentials } from '../aws/open-client.ts'
import type { ErrorFields } from '../domain/error-fields.ts'
import type { TaskStatus } from '../domain/task-status.ts'
import type { Invocation } from '../github/invocation.ts'
import type { Log } from '../github/log.ts'
import { setOutputs, writeSummary } from '../github/outputs.ts'
import type { Runner } from '../github/runner.ts'
import type { SummaryRow } from '../github/summary.ts'
import { workflowRunOf } from '../github/workflow-run.ts'
import type { ReportRequest } from '../inputs/reporting.ts'
import { formatId } from '../masking/format.ts'
import { shortTaskId } from '../masking/short-task-id.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { type ErrorTexts, errorTexts } from './error-details.ts'
import { type Delivery, DeliveryError, type ReportRoute } from './report-route.ts'
import type { ErrorFieldVersions } from './sanitize-error-fields.ts'
import { requestOf } from './send-status.ts'

type SentReport = Extract<Delivery, { outcome: 'sent' }>

/** All calls to GitHub together may take this long, and at most a quarter of the budget. */
const MAX_EVIDENCE_MS = 10_000

/** The outputs of an action that reports, as action.yml declares them. */
export interface ReportOutputs {
  readonly status: TaskStatus
  readonly 'error-id': string
  readonly 'error-message': string
  readonly reported: 'true' | 'false'
  readonly 'request-id': string
}

/** What became of a report. */
export interface ReportResult {
  /** The error fields, as they were sent or would have been. */
  readonly fields: ErrorFields
  /** For the summary: whether the task was reported. */
  readonly reported: string
  readonly sent?: SentReport
  /** Why the task could not be reported. */
  readonly error?: Error
}

/**
 * Reports the end of a task: collects the error texts, calls SetTaskStatus until the service has the status, and writes the
 * result to the log, the outputs and the summary.
 *
 * @param by who decided it
 * @param makeRoute called first, and not in a dry run
 * @throws Error with a message for the user when the task could not be reported and fail-on-error is true
 */
export async function reportTask(
  request: ReportRequest,
  by: 'step' | 'post',
  invocation: Invocation,
  makeRoute: () => ReportRoute | Promise<ReportRoute>,
): Promise<void> {
  const { runner } = invocation
  const result = await sendTaskReport(request, by, invocation, makeRoute)
  writeResult(request, result, runner)

  const { error } = result
  if (error === undefined) return
  if (request.reporting.failOnError) throw error
  runner.log.warning(`${error.message} (fail-on-error is false: the step does not fail.)`)
}

/**
 * Reports the end of a task, and writes the result to the log only. Never fails: an error is in the result.
 */
export async function sendTaskReport(
  request: ReportRequest,
  by: 'step' | 'post',
  invocation: Pick<Invocation, 'runner' | 'bindToShutdown'>,
  makeRoute: () => ReportRoute | Promise<ReportRoute>,
): Promise<ReportResult> {
  const { runner, bindToShutdown } = invocation
  const { aws, reporting } = request
  const route = reporting.dryRun ? undefined : await makeRoute()
  const deadline = bindToShutdown(new Deadline(systemClock, reporting.timeoutSeconds * 1000, 'timeout-seconds'))
  const evidenceMs = Math.min(MAX_EVIDENCE_MS, deadline.remaining() / 4)
  const evidenceDeadline = bindToShutdown(new Deadline(systemClock, evidenceMs), 1 / 4)
  if (route === undefined) await maskOwnCredentials(aws, runner, deadline)
  const texts = await errorTexts(request, runner, deadline, evidenceDeadline)
  const sanitizeTexts = textSanitizer(texts, runner)

  if (route === undefined) return printRequest(request, sanitizeTexts()[0], runner)
  return deliver(request, by, { route, deadline, sanitizeTexts, runner })
}

/** The dry run. */
function printRequest({ taskId, status }: ReportRequest, fields: ErrorFields, { log }: Runner): ReportResult {
  const body = JSON.stringify(requestOf({ taskId, status: status.status }, fields), null, 2)
  log.info(`Dry run: this request of SetTaskStatus is not sent.\n${body}`)
  return { fields, reported: 'no, this was a dry run' }
}

type SanitizeTexts = () => ErrorFieldVersions['versions']

/** Gives a function that makes the error fields, within the limits of the API and without the secrets known by then. */
function textSanitizer(texts: ErrorTexts, runner: Runner): SanitizeTexts {
  const warned = new Set<string>()
  return () => {
    const { versions, adjustments } = texts([...runner.secrets])
    for (const adjustment of adjustments) {
      if (!warned.has(adjustment)) runner.log.warning(adjustment)
      warned.add(adjustment)
    }
    return versions
  }
}

interface Delivering {
  readonly route: ReportRoute
  readonly deadline: Deadline
  readonly sanitizeTexts: SanitizeTexts
  readonly runner: Runner
}

async function deliver(
  request: ReportRequest,
  by: 'step' | 'post',
  { route, deadline, sanitizeTexts, runner }: Delivering,
): Promise<ReportResult> {
  const { taskId, aws, reporting } = request
  const { status } = request.status
  let hasTexts = false
  const versions = (): ErrorFieldVersions['versions'] => {
    hasTexts = true
    return sanitizeTexts()
  }
  /** The fields of a report that was not sent. This step may not have used its credentials, which the texts may have. */
  const unsentFields = async (): Promise<ErrorFields> => {
    if (Object.keys(sanitizeTexts()[0]).length > 0) await maskOwnCredentials(aws, runner, deadline)
    return sanitizeTexts()[0]
  }
  try {
    const budgetMs = reporting.timeoutSeconds * 1000
    const delivery = await route.deliver({ taskId, by, status, versions, aws, budgetMs, deadline })
    if (delivery.outcome === 'sent') {
      logReport(request, delivery, runner.log)
      return { fields: delivery.fields, reported: delivery.presumed ? 'yes, most likely' : 'yes', sent: delivery }
    }
    const isSuperseded = delivery.outcome === 'superseded'
    const reason = isSuperseded ? NOT_SENT.superseded : NOT_SENT[delivery.reason]
    runner.log[isSuperseded ? 'warning' : 'info'](`Nothing is reported for task ${shortTaskId(taskId)}: ${reason}.`)
    return { fields: hasTexts ? await unsentFields() : {}, reported: `no: ${reason}` }
  } catch (error) {
    const [cause, region] = error instanceof DeliveryError ? [error.cause, error.region] : [error, undefined]
    const why = await explainFailure(cause, { aws, region, env: runner.env })
    const message = `Could not report ${status} for task ${shortTaskId(taskId)}: ${why}`
    return { fields: await unsentFields(), reported: 'no', error: new Error(message, { cause }) }
  }
}

/** Why nothing was sent, as the end of a sentence. */
const NOT_SENT = {
  reported: 'it was reported by another step',
  canceled: 'AWS Data Pipeline canceled it',
  superseded: 'a later step reports it',
} as const

function logReport({ taskId }: ReportRequest, { status, region, origin, ...sent }: SentReport, log: Log): void {
  const task = shortTaskId(taskId)
  if (sent.presumed) {
    log.warning(
      `A report of ${status} for task ${task} got no response, and now AWS Data Pipeline does not find the task. Most likely ` +
        'the report succeeded and the task has ended. Check the status of the task attempt.',
    )
    return
  }
  const to = origin ?? 'AWS Data Pipeline'
  const attempt = sent.attempts === 1 ? '' : ` in attempt ${sent.attempts}`
  const requestId = formatId(sent.requestId ?? 'not given')
  log.info(`Reported ${status} for task ${task} to ${to} in ${region}${attempt} (request id ${requestId}).`)
}

/** Writes outputs and summary. */
function writeResult(request: ReportRequest, result: ReportResult, runner: Runner): void {
  const { fields, sent } = result
  const outputs: ReportOutputs = {
    status: sent?.status ?? request.status.status,
    'error-id': fields.errorId ?? '',
    'error-message': fields.errorMessage ?? '',
    reported: sent === undefined ? 'false' : 'true',
    'request-id': sent?.requestId ?? '',
  }
  setOutputs({ ...outputs }, runner)
  if (!request.reporting.summary) return
  const { link } = workflowRunOf(runner.env)
  const rows: SummaryRow[] = [
    ['Task', shortTaskId(request.taskId)],
    ['Status', outputs.status],
    ['Reported', result.reported],
  ]
  if (fields.errorId) rows.push(['Error id', fields.errorId])
  if (fields.errorMessage) rows.push(['Error message', fields.errorMessage])
  if (link) rows.push(['Run', { text: link, link }])
  writeSummary('AWS Data Pipeline task', rows, runner)
}
