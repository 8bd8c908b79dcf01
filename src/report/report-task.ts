import type { AwsSettings } from '../aws/settings.ts'
import { Deadline, systemClock } from '../clock.ts'
import { explainFailure } from '../explain-failure.ts'
import type { Log } from '../github/log.ts'
import type { Runner } from '../github/runner.ts'
import type { SummaryRow } from '../github/summary.ts'
import { tellOutputs, tellSummary } from '../github/tell.ts'
import { workflowRunOf } from '../github/workflow-run.ts'
import { shownId } from '../known-secrets.ts'
import { hideOwnCredentials } from '../open-data-pipeline.ts'
import type { Invocation } from '../run-action.ts'
import type { TaskStatus } from '../status.ts'
import { shortTaskId } from '../task-id.ts'
import { type ErrorFields, type ErrorFieldVersions, errorFieldVersions } from './error-fields.ts'
import { type ErrorTexts, type ErrorTextsRequest, errorTexts } from './error-texts.ts'
import { type Delivery, DeliveryError, type ReportRoute } from './report-route.ts'
import { requestOf } from './send-report.ts'

/** The end of a task, and how to report it. */
export interface TaskEnd extends ErrorTextsRequest {
  readonly taskId: string
  /** Who decided it. */
  readonly by: 'step' | 'post'
  readonly aws: AwsSettings
}

type SentReport = Extract<Delivery, { outcome: 'sent' }>

/** All calls to GitHub together may take this long, and a quarter of the budget at the most. */
const LONGEST_EVIDENCE_MS = 10_000

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
 * @param makeRoute called at once, and not for a dry run
 * @throws Error with a message for the user when the report could not be made and fail-on-error is true
 */
export async function reportTask(
  end: TaskEnd,
  { runner, stoppable }: Invocation,
  makeRoute: () => ReportRoute,
): Promise<void> {
  const route = end.reporting.dryRun ? undefined : makeRoute()
  const deadline = stoppable(new Deadline(systemClock, end.reporting.timeoutSeconds * 1000, 'timeout-seconds'))
  const evidenceMs = Math.min(LONGEST_EVIDENCE_MS, deadline.remaining() / 4)
  const evidenceDeadline = stoppable(new Deadline(systemClock, evidenceMs), 1 / 4)
  const { status } = end.status
  if (route === undefined) await hideOwnCredentials(end.aws, runner, deadline)
  const texts = await errorTexts(end, runner, deadline, evidenceDeadline)
  const fitTexts = fitter(texts, runner)
  if (route === undefined) {
    const [fields] = fitTexts()
    const request = JSON.stringify(requestOf({ taskId: end.taskId, status }, fields), null, 2)
    runner.log.info(`Dry run, nothing was sent. SetTaskStatus would get:\n${request}`)
    await tell(end, fields, 'no, this was a dry run', undefined, runner)
    return
  }

  let fields: ErrorFields | undefined
  // They were not sent, and this step may not have got to its credentials.
  const unsentFields = async (): Promise<ErrorFields> => {
    if (Object.keys(texts.fields).length > 0) await hideOwnCredentials(end.aws, runner, deadline)
    return fitTexts()[0]
  }
  try {
    const { taskId, by, aws } = end
    const versions = (): ErrorFieldVersions['versions'] => {
      const fitted = fitTexts()
      fields = fitted[0]
      return fitted
    }
    const budgetMs = end.reporting.timeoutSeconds * 1000
    const delivery = await route.deliver({ taskId, by, status, versions, aws, budgetMs, deadline })
    if (delivery.outcome !== 'sent') {
      const reason = NOT_SENT[delivery.outcome === 'superseded' ? 'superseded' : delivery.reason]
      const message = `Nothing is reported for task ${shortTaskId(taskId)}: ${reason}.`
      if (delivery.outcome === 'superseded') runner.log.warning(message)
      else runner.log.info(message)
      await tell(end, fields === undefined ? {} : await unsentFields(), `no: ${reason}`, undefined, runner)
      return
    }
    announce(end, delivery, runner.log)
    await tell(end, delivery.fields, delivery.presumed ? 'yes, most likely' : 'yes', delivery, runner)
  } catch (error) {
    const [cause, region] = error instanceof DeliveryError ? [error.cause, error.region] : [error, undefined]
    const why = explainFailure(cause, { aws: end.aws, region, env: runner.env })
    const message = `Could not report ${status} for task ${shortTaskId(end.taskId)}: ${why}`
    await tell(end, await unsentFields(), 'no', undefined, runner)
    if (end.reporting.failOnError) throw new Error(message, { cause })
    runner.log.warning(`${message} (fail-on-error is false, so the step goes on.)`)
  }
}

/** Why nothing was sent, as the end of a sentence. */
const NOT_SENT = {
  reported: 'its end was reported by another step',
  canceled: 'the service has cancelled it',
  superseded: 'a later step has taken it over',
} as const

/** The error fields within the limits of the API; each thing that had to be changed for it is one warning. */
function fitter(texts: ErrorTexts, runner: Runner): () => ErrorFieldVersions['versions'] {
  const told = new Set<string>()
  return () => {
    const { versions, repairs } = errorFieldVersions(texts.fields, [...runner.secrets], {
      errorStackTrace: texts.missing,
    })
    for (const repair of repairs) if (!told.has(repair)) runner.log.warning(repair)
    for (const repair of repairs) told.add(repair)
    return versions
  }
}

function announce(end: TaskEnd, reported: SentReport, log: Log): void {
  const task = shortTaskId(end.taskId)
  const { status, region, origin } = reported
  const to = origin === undefined ? 'AWS Data Pipeline' : origin
  if (reported.presumed) {
    log.warning(
      `The answer to a report of ${status} for task ${task} was lost, and now Data Pipeline does not find the task: ` +
        'most likely the report landed, and the task has ended. Look at the attempt to be sure.',
    )
    return
  }
  const tries = reported.tries === 1 ? '' : ` at try ${reported.tries}`
  log.info(
    `Reported ${status} for task ${task} to ${to} in ${region}${tries} (request id ${shownId(reported.requestId ?? 'not given')}).`,
  )
}

/** Outputs and summary. They only tell of the report, so a file that can't be written is a warning. */
async function tell(
  end: TaskEnd,
  fields: ErrorFields,
  reportedAs: string,
  reported: SentReport | undefined,
  runner: Runner,
): Promise<void> {
  const outputs: ReportOutputs = {
    status: reported?.status ?? end.status.status,
    'error-id': fields.errorId ?? '',
    'error-message': fields.errorMessage ?? '',
    reported: reported === undefined ? 'false' : 'true',
    'request-id': reported?.requestId ?? '',
  }
  tellOutputs({ ...outputs }, runner)
  if (end.reporting.summary) {
    await tellSummary('AWS Data Pipeline task', summaryRows(end, outputs.status, fields, reportedAs, runner), runner)
  }
}

function summaryRows(
  end: TaskEnd,
  status: TaskStatus,
  fields: ErrorFields,
  reportedAs: string,
  runner: Runner,
): SummaryRow[] {
  const { link } = workflowRunOf(runner.env)
  const rows: SummaryRow[] = [
    ['Task', shortTaskId(end.taskId)],
    ['Status', status],
    ['Reported', reportedAs],
  ]
  if (fields.errorId) rows.push(['Error id', fields.errorId])
  if (fields.errorMessage) rows.push(['Error message', fields.errorMessage])
  if (link) rows.push(['Run', { text: link, link }])
  return rows
}
