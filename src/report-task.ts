import { connectDataPipeline, type DataPipeline } from './aws/data-pipeline.ts'
import { type AwsSettings, DATA_PIPELINE_REGIONS } from './aws/settings.ts'
import { Deadline, systemClock } from './clock.ts'
import { secretsIn } from './environment-secrets.ts'
import { type ErrorFields, type ErrorFieldVersions, errorFieldVersions } from './error-fields.ts'
import { ConfigurationError, causesOf, messageOf } from './errors.ts'
import type { Log } from './github/log.ts'
import type { Runner } from './github/runner.ts'
import { type SummaryRow, summaryTable } from './github/summary.ts'
import { workflowRunOf } from './github/workflow-run.ts'
import { hintFor } from './hints.ts'
import type { ErrorInputs, ReportingInputs } from './inputs.ts'
import { proxyEnvironment } from './proxy-agents.ts'
import type { Invocation } from './run-action.ts'
import { ReportError, type ReportedStatus, requestOf, sendReport, tryLimitOf } from './send-report.ts'
import { readStackTraceFile } from './stack-trace-file.ts'
import type { TaskStatus } from './status.ts'

/** The end of a task, and how to report it. */
export interface TaskEnd {
  readonly taskId: string
  readonly status: TaskStatus
  readonly error: ErrorInputs
  readonly aws: AwsSettings
  readonly reporting: ReportingInputs
}

/**
 * The share of the first try that a request for credentials may take. Less than all: a request that several tries wait
 * for has to end for a new one to be made.
 */
const SHARE_OF_CREDENTIALS = 0.8

/** Reading the stack trace file may take this long, and a quarter of the budget: a drive may have gone. */
const LONGEST_READ_MS = 10_000

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
 * @throws Error with a message for the user when the report could not be made and fail-on-error is true
 */
export async function reportTask(end: TaskEnd, { runner, onStop }: Invocation): Promise<void> {
  const deadline = new Deadline(systemClock, end.reporting.timeoutSeconds * 1000)
  onStop((leftMs) => deadline.hurry(leftMs))
  const texts = await errorTexts(end, runner, deadline)
  const fitTexts = fitter(texts, runner)
  if (end.reporting.dryRun) {
    const [fields] = fitTexts([])
    const request = JSON.stringify(requestOf(end, fields), null, 2)
    runner.log.info(`Dry run, nothing was sent. SetTaskStatus would get:\n${request}`)
    await tell(end, fields, 'no, this was a dry run', undefined, runner)
    return
  }

  for (const problem of proxyEnvironment(runner.env).problems) runner.log.warning(problem)
  let dataPipeline: DataPipeline | undefined
  let fields: ErrorFields | undefined
  try {
    const tryLimitMs = tryLimitOf(end.reporting.timeoutSeconds * 1000)
    dataPipeline = await connectDataPipeline(end.aws, { ...runner, requestLimitMs: tryLimitMs * SHARE_OF_CREDENTIALS })
    const region = dataPipeline.region
    if (!isKnownRegion(region)) {
      runner.log.warning(
        `AWS Data Pipeline is documented for ${DATA_PIPELINE_REGIONS.join(', ')}, not for ${region}. Trying all the same.`,
      )
    }
    const { taskId, status } = end
    const versions = (secrets: readonly string[]): ErrorFieldVersions['versions'] => {
      const fitted = fitTexts(secrets)
      fields = fitted[0]
      return fitted
    }
    const dependencies = { dataPipeline, deadline, tryLimitMs, random: Math.random, log: runner.log }
    const reported = await sendReport({ taskId, status, versions }, dependencies)
    announce(end, reported, region, runner.log)
    await tell(end, reported.fields, reported.presumed ? 'yes, most likely' : 'yes', reported, runner)
  } catch (error) {
    const message = `Could not report ${end.status} for task ${shortTaskId(end.taskId)}: ${explainFailure(error, end.aws, dataPipeline?.region)}`
    await tell(end, fields ?? fitTexts([])[0], 'no', undefined, runner)
    if (end.reporting.failOnError) throw new Error(message, { cause: error })
    runner.log.warning(`${message} (fail-on-error is false, so the step goes on.)`)
  } finally {
    dataPipeline?.close()
  }
}

/** Error texts before they are fitted. */
interface RawTexts {
  readonly fields: ErrorFields
  /** Characters of a stack trace file that were not read. */
  readonly missing: number
}

async function errorTexts({ status, error }: TaskEnd, runner: Runner, deadline: Deadline): Promise<RawTexts> {
  const { errorId, errorMessage, errorStackTrace, errorStackTraceFile } = error
  if (status === 'FINISHED') {
    const given = Object.values(error).some((text) => text !== undefined)
    if (given) runner.log.info('The error inputs are left out, as the status is FINISHED.')
    return { fields: {}, missing: 0 }
  }
  const fields = { ...(errorId && { errorId }), ...(errorMessage && { errorMessage }) }
  if (errorStackTrace) {
    if (errorStackTraceFile) runner.log.info('error-stack-trace is given, so error-stack-trace-file is not read.')
    return { fields: { ...fields, errorStackTrace }, missing: 0 }
  }
  if (!errorStackTraceFile) return { fields, missing: 0 }
  try {
    const { text, missing } = await deadline.within(
      Math.min(LONGEST_READ_MS, deadline.remaining() / 4),
      () => readStackTraceFile(errorStackTraceFile, runner.env['GITHUB_WORKSPACE'] || process.cwd()),
      (ms) =>
        new Error(
          `error-stack-trace-file: ${JSON.stringify(errorStackTraceFile)} could not be read within ${Math.round(ms / 1000)} s`,
        ),
    )
    return { fields: { ...fields, errorStackTrace: text }, missing }
  } catch (cause) {
    runner.log.warning(`${messageOf(cause)}. The status is reported without a stack trace.`)
    return { fields, missing: 0 }
  }
}

/** The error fields within the limits of the API; each thing that had to be changed for it is one warning. */
function fitter(texts: RawTexts, runner: Runner): (secrets: readonly string[]) => ErrorFieldVersions['versions'] {
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
      `The answer to a report of ${end.status} for task ${task} was lost, and now Data Pipeline does not find the task: ` +
        'most likely the report landed, and the task has ended. Look at the attempt to be sure.',
    )
    return
  }
  const tries = reported.tries === 1 ? '' : ` at try ${reported.tries}`
  log.info(
    `Reported ${end.status} for task ${task} to AWS Data Pipeline in ${region}${tries} (request id ${reported.requestId ?? 'not given'}).`,
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
    status: end.status,
    'error-id': fields.errorId ?? '',
    'error-message': fields.errorMessage ?? '',
    reported: reported === undefined ? 'false' : 'true',
    'request-id': reported?.requestId ?? '',
  }
  try {
    for (const [name, value] of Object.entries(outputs)) runner.output(name, value)
  } catch (error) {
    runner.log.warning(`The outputs could not be set: ${messageOf(error)}`)
  }
  // Older GitHub Enterprise Servers have no summaries.
  if (!end.reporting.summary || !runner.env['GITHUB_STEP_SUMMARY']) return
  try {
    await runner.summarize(summaryTable('AWS Data Pipeline task', summaryRows(end, fields, reportedAs, runner)))
  } catch (error) {
    runner.log.warning(`The summary could not be written: ${messageOf(error)}`)
  }
}

function summaryRows(end: TaskEnd, fields: ErrorFields, reportedAs: string, runner: Runner): SummaryRow[] {
  const { link } = workflowRunOf(runner.env)
  const rows: SummaryRow[] = [
    ['Task', shortTaskId(end.taskId)],
    ['Status', end.status],
    ['Reported', reportedAs],
  ]
  if (fields.errorId) rows.push(['Error id', fields.errorId])
  if (fields.errorMessage) rows.push(['Error message', fields.errorMessage])
  if (link) rows.push(['Run', { text: link, link }])
  return rows
}

function explainFailure(error: unknown, aws: AwsSettings, region: string | undefined): string {
  if (!(error instanceof ReportError)) {
    return error instanceof ConfigurationError && error.hint ? `${error.message} ${error.hint}` : messageOf(error)
  }
  const { failure, timeSpent, answerLost } = error
  const sentence = /[.!?]$/.test(error.message) ? error.message : `${error.message}.`
  const requestId = failure.requestId ? ` Request id: ${failure.requestId}.` : ''
  const lost = answerLost ? ' The answer to one try was lost, so that one may have landed all the same.' : ''
  const configuration = causesOf(error).find((cause) => cause instanceof ConfigurationError)
  const hint =
    configuration?.hint !== undefined
      ? configuration.hint
      : hintFor({
          ...failure,
          usesRole: aws.role !== undefined,
          region,
          regionIsKnown: region !== undefined && isKnownRegion(region),
          timeSpent,
        })
  return `${sentence}${requestId}${lost} ${hint}`
}

function isKnownRegion(region: string): boolean {
  return (DATA_PIPELINE_REGIONS as readonly string[]).includes(region)
}

/** A task id as people see it: its beginning and end, and how long it is. */
export function shortTaskId(taskId: string): string {
  const characters = [...taskId]
  if (characters.length <= 40) return taskId
  return `${characters.slice(0, 12).join('')}…${characters.slice(-6).join('')} (${characters.length} characters)`
}
