import type { DataPipeline } from '../aws/data-pipeline.ts'
import type { AwsSettings } from '../aws/settings.ts'
import { Deadline, systemClock } from '../clock.ts'
import { secretsIn } from '../environment-secrets.ts'
import { explainFailure } from '../explain-failure.ts'
import type { Log } from '../github/log.ts'
import type { Runner } from '../github/runner.ts'
import type { SummaryRow } from '../github/summary.ts'
import { tellOutputs, tellSummary } from '../github/tell.ts'
import { workflowRunOf } from '../github/workflow-run.ts'
import { openDataPipeline } from '../open-data-pipeline.ts'
import type { Invocation } from '../run-action.ts'
import type { TaskStatus } from '../status.ts'
import { shortTaskId } from '../task-id.ts'
import { type ErrorFields, type ErrorFieldVersions, errorFieldVersions } from './error-fields.ts'
import { type ErrorTexts, type ErrorTextsRequest, errorTexts } from './error-texts.ts'
import { type ReportedStatus, requestOf, sendReport } from './send-report.ts'

/** The end of a task, and how to report it. */
export interface TaskEnd extends ErrorTextsRequest {
  readonly taskId: string
  readonly aws: AwsSettings
}

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
 * @returns whether the service has the status now
 * @throws Error with a message for the user when the report could not be made and fail-on-error is true
 */
export async function reportTask(end: TaskEnd, { runner, stoppable }: Invocation): Promise<boolean> {
  const deadline = stoppable(new Deadline(systemClock, end.reporting.timeoutSeconds * 1000))
  const evidenceMs = Math.min(LONGEST_EVIDENCE_MS, deadline.remaining() / 4)
  const evidenceDeadline = stoppable(new Deadline(systemClock, evidenceMs), 1 / 4)
  const { status } = end.status
  const texts = await errorTexts(end, runner, deadline, evidenceDeadline)
  const fitTexts = fitter(texts, runner)
  if (end.reporting.dryRun) {
    const [fields] = fitTexts([])
    const request = JSON.stringify(requestOf({ taskId: end.taskId, status }, fields), null, 2)
    runner.log.info(`Dry run, nothing was sent. SetTaskStatus would get:\n${request}`)
    await tell(end, fields, 'no, this was a dry run', undefined, runner)
    return false
  }

  let dataPipeline: DataPipeline | undefined
  let fields: ErrorFields | undefined
  try {
    const open = await openDataPipeline(end.aws, end.reporting.timeoutSeconds * 1000, runner)
    dataPipeline = open.dataPipeline
    const { taskId } = end
    const versions = (secrets: readonly string[]): ErrorFieldVersions['versions'] => {
      const fitted = fitTexts(secrets)
      fields = fitted[0]
      return fitted
    }
    const dependencies = { ...open, deadline, random: Math.random, log: runner.log }
    const reported = await sendReport({ taskId, status, versions }, dependencies)
    announce(end, reported, dataPipeline.region, runner.log)
    await tell(end, reported.fields, reported.presumed ? 'yes, most likely' : 'yes', reported, runner)
    return true
  } catch (error) {
    const why = explainFailure(error, { aws: end.aws, region: dataPipeline?.region, env: runner.env })
    const message = `Could not report ${status} for task ${shortTaskId(end.taskId)}: ${why}`
    await tell(end, fields ?? fitTexts([])[0], 'no', undefined, runner)
    if (end.reporting.failOnError) throw new Error(message, { cause: error })
    runner.log.warning(`${message} (fail-on-error is false, so the step goes on.)`)
    return false
  } finally {
    dataPipeline?.close()
  }
}

/** The error fields within the limits of the API; each thing that had to be changed for it is one warning. */
function fitter(texts: ErrorTexts, runner: Runner): (secrets: readonly string[]) => ErrorFieldVersions['versions'] {
  const told = new Set<string>()
  return (secrets) => {
    runner.hide(secrets)
    const { versions, repairs } = errorFieldVersions(texts.fields, [...secretsIn(runner.env), ...secrets], {
      errorStackTrace: texts.missing,
    })
    for (const repair of repairs) if (!told.has(repair)) runner.log.warning(repair)
    for (const repair of repairs) told.add(repair)
    return versions
  }
}

function announce(end: TaskEnd, reported: ReportedStatus, region: string, log: Log): void {
  const task = shortTaskId(end.taskId)
  if (reported.presumed) {
    log.warning(
      `The answer to a report of ${end.status.status} for task ${task} was lost, and now Data Pipeline does not find the task: ` +
        'most likely the report landed, and the task has ended. Look at the attempt to be sure.',
    )
    return
  }
  const tries = reported.tries === 1 ? '' : ` at try ${reported.tries}`
  log.info(
    `Reported ${end.status.status} for task ${task} to AWS Data Pipeline in ${region}${tries} (request id ${reported.requestId ?? 'not given'}).`,
  )
}

/** Outputs and summary. They only tell of the report, so a file that can't be written is a warning. */
async function tell(
  end: TaskEnd,
  fields: ErrorFields,
  reportedAs: string,
  reported: ReportedStatus | undefined,
  runner: Runner,
): Promise<void> {
  const outputs: ReportOutputs = {
    status: end.status.status,
    'error-id': fields.errorId ?? '',
    'error-message': fields.errorMessage ?? '',
    reported: reported === undefined ? 'false' : 'true',
    'request-id': reported?.requestId ?? '',
  }
  tellOutputs({ ...outputs }, runner)
  if (end.reporting.summary) {
    await tellSummary('AWS Data Pipeline task', summaryRows(end, fields, reportedAs, runner), runner)
  }
}

function summaryRows(end: TaskEnd, fields: ErrorFields, reportedAs: string, runner: Runner): SummaryRow[] {
  const { link } = workflowRunOf(runner.env)
  const rows: SummaryRow[] = [
    ['Task', shortTaskId(end.taskId)],
    ['Status', end.status.status],
    ['Reported', reportedAs],
  ]
  if (fields.errorId) rows.push(['Error id', fields.errorId])
  if (fields.errorMessage) rows.push(['Error message', fields.errorMessage])
  if (link) rows.push(['Run', { text: link, link }])
  return rows
}
