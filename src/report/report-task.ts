import { explainError } from '../aws/explain-error.ts'
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
import { type ErrorFieldVersions, errorFieldVersions } from './sanitize-error-fields.ts'
import { requestOf } from './send-status.ts'

type SentReport = Extract<Delivery, { outcome: 'sent' }>

/** All calls to GitHub together may take this long, and a quarter of the budget at the most. */
const MAX_EVIDENCE_MS = 10_000

/** The outputs of an action that reports, as action.yml declares them. */
export interface ReportOutputs {
  readonly status: TaskStatus
  readonly 'error-id': string
  readonly 'error-message': string
  readonly reported: 'true' | 'false'
  readonly 'request-id': string
}

/**
 * Reports the end of a task: fits the error texts, calls SetTaskStatus until the service has the status, and tells the
 * user in the log, the outputs and the summary.
 *
 * @param by who decided it
 * @param makeRoute called at once, and not for a dry run
 * @throws Error with a message for the user when the report could not be made and fail-on-error is true
 */
export async function reportTask(
  request: ReportRequest,
  by: 'step' | 'post',
  { runner, bindToShutdown }: Invocation,
  makeRoute: () => ReportRoute,
): Promise<void> {
  const route = request.reporting.dryRun ? undefined : makeRoute()
  const deadline = bindToShutdown(new Deadline(systemClock, request.reporting.timeoutSeconds * 1000, 'timeout-seconds'))
  const evidenceMs = Math.min(MAX_EVIDENCE_MS, deadline.remaining() / 4)
  const evidenceDeadline = bindToShutdown(new Deadline(systemClock, evidenceMs), 1 / 4)
  const { status } = request.status
  if (route === undefined) await maskOwnCredentials(request.aws, runner, deadline)
  const texts = await errorTexts(request, runner, deadline, evidenceDeadline)
  const sanitizeTexts = sanitizer(texts, runner)
  if (route === undefined) {
    const [fields] = sanitizeTexts()
    const body = JSON.stringify(requestOf({ taskId: request.taskId, status }, fields), null, 2)
    runner.log.info(`Dry run, nothing was sent. SetTaskStatus would get:\n${body}`)
    await setResults(request, fields, 'no, this was a dry run', undefined, runner)
    return
  }

  let fields: ErrorFields | undefined
  // They were not sent, and this step may not have got to its credentials.
  const unsentFields = async (): Promise<ErrorFields> => {
    if (Object.keys(texts.fields).length > 0) await maskOwnCredentials(request.aws, runner, deadline)
    return sanitizeTexts()[0]
  }
  try {
    const { taskId, aws } = request
    const versions = (): ErrorFieldVersions['versions'] => {
      const fitted = sanitizeTexts()
      fields = fitted[0]
      return fitted
    }
    const budgetMs = request.reporting.timeoutSeconds * 1000
    const delivery = await route.deliver({ taskId, by, status, versions, aws, budgetMs, deadline })
    if (delivery.outcome !== 'sent') {
      const reason = NOT_SENT[delivery.outcome === 'superseded' ? 'superseded' : delivery.reason]
      const message = `Nothing is reported for task ${shortTaskId(taskId)}: ${reason}.`
      if (delivery.outcome === 'superseded') runner.log.warning(message)
      else runner.log.info(message)
      await setResults(request, fields === undefined ? {} : await unsentFields(), `no: ${reason}`, undefined, runner)
      return
    }
    announce(request, delivery, runner.log)
    await setResults(request, delivery.fields, delivery.presumed ? 'yes, most likely' : 'yes', delivery, runner)
  } catch (error) {
    const [cause, region] = error instanceof DeliveryError ? [error.cause, error.region] : [error, undefined]
    const why = explainError(cause, { aws: request.aws, region, env: runner.env })
    const message = `Could not report ${status} for task ${shortTaskId(request.taskId)}: ${why}`
    await setResults(request, await unsentFields(), 'no', undefined, runner)
    if (request.reporting.failOnError) throw new Error(message, { cause })
    runner.log.warning(`${message} (fail-on-error is false: the step does not fail.)`)
  }
}

/** Why nothing was sent, as the end of a sentence. */
const NOT_SENT = {
  reported: 'its end was reported by another step',
  canceled: 'the service has cancelled it',
  superseded: 'a later step has taken it over',
} as const

/** The error fields within the limits of the API; each thing that had to be changed for it is one warning. */
function sanitizer(texts: ErrorTexts, runner: Runner): () => ErrorFieldVersions['versions'] {
  const told = new Set<string>()
  return () => {
    const { versions, adjustments } = errorFieldVersions(texts.fields, [...runner.secrets], {
      errorStackTrace: texts.missing,
    })
    for (const repair of adjustments) if (!told.has(repair)) runner.log.warning(repair)
    for (const repair of adjustments) told.add(repair)
    return versions
  }
}

function announce(request: ReportRequest, reported: SentReport, log: Log): void {
  const task = shortTaskId(request.taskId)
  const { status, region, origin } = reported
  const to = origin === undefined ? 'AWS Data Pipeline' : origin
  if (reported.presumed) {
    log.warning(
      `The answer to a report of ${status} for task ${task} was lost, and now Data Pipeline does not find the task: ` +
        'most likely the report landed, and the task has ended. Look at the attempt to be sure.',
    )
    return
  }
  const attempts = reported.attempts === 1 ? '' : ` at try ${reported.attempts}`
  log.info(
    `Reported ${status} for task ${task} to ${to} in ${region}${attempts} (request id ${formatId(reported.requestId ?? 'not given')}).`,
  )
}

/** Outputs and summary. They only tell of the report, so a file that can't be written is a warning. */
async function setResults(
  request: ReportRequest,
  fields: ErrorFields,
  reportedAs: string,
  reported: SentReport | undefined,
  runner: Runner,
): Promise<void> {
  const outputs: ReportOutputs = {
    status: reported?.status ?? request.status.status,
    'error-id': fields.errorId ?? '',
    'error-message': fields.errorMessage ?? '',
    reported: reported === undefined ? 'false' : 'true',
    'request-id': reported?.requestId ?? '',
  }
  setOutputs({ ...outputs }, runner)
  if (request.reporting.summary) {
    await writeSummary(
      'AWS Data Pipeline task',
      summaryRows(request, outputs.status, fields, reportedAs, runner),
      runner,
    )
  }
}

function summaryRows(
  request: ReportRequest,
  status: TaskStatus,
  fields: ErrorFields,
  reportedAs: string,
  runner: Runner,
): SummaryRow[] {
  const { link } = workflowRunOf(runner.env)
  const rows: SummaryRow[] = [
    ['Task', shortTaskId(request.taskId)],
    ['Status', status],
    ['Reported', reportedAs],
  ]
  if (fields.errorId) rows.push(['Error id', fields.errorId])
  if (fields.errorMessage) rows.push(['Error message', fields.errorMessage])
  if (link) rows.push(['Run', { text: link, link }])
  return rows
}
