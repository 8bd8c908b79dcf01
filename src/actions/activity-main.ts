import { filesIn } from '../activity/files.ts'
import { type PreparedHeartbeat, prepareHeartbeat } from '../activity/heartbeat-start.ts'
import { sanitizeErrorInputs } from '../activity/sanitize-error-inputs.ts'
import { ActivityRecord, saveInvalidInputs } from '../activity/saved-state.ts'
import { CallError, callWithRetry } from '../aws/call-with-retry.ts'
import type { DataPipeline } from '../aws/data-pipeline.ts'
import { environmentCredentials } from '../aws/environment-credentials.ts'
import { isTaskGone } from '../aws/errors.ts'
import { explainFailure } from '../aws/explain-failure.ts'
import { openDataPipeline } from '../aws/open-client.ts'
import type { Invocation } from '../github/invocation.ts'
import { setOutputs } from '../github/outputs.ts'
import type { Runner } from '../github/runner.ts'
import {
  type ActivityReportInputs,
  type HeartbeatInputs,
  readActivityReportInputs,
  readHeartbeatInputs,
} from '../inputs/activity.ts'
import { inputAdjustments } from '../inputs/aws.ts'
import { secretsIn } from '../masking/environment-secrets.ts'
import { errorMessage, errorMessageWithHint } from '../masking/error-message.ts'
import { shortTaskId } from '../masking/short-task-id.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'

type ActivityInputs = ActivityReportInputs & HeartbeatInputs

/** The main step of activity: acknowledges the task, and starts the process that holds it. */
export async function activityMain(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const reportInputs = readReportInputs(runner)
  // Before anything else: the post step reports the end of the job, however far this step gets.
  const { record, adjustments } = saveInputs(reportInputs, runner)
  for (const adjustment of [...adjustments, ...inputAdjustments(runner.input)]) runner.log.warning(adjustment)
  const inputs = { ...reportInputs, ...readHeartbeatInputs(runner.input) }

  if (inputs.reporting.dryRun) {
    setStartOutputs(runner, '')
    record.notHeld()
    runner.log.info(`Dry run: task ${shortTaskId(inputs.taskId)} is not acknowledged, and no heartbeats are sent.`)
    return
  }
  await startHolding(inputs, record, invocation)
}

/** Acknowledges the task and starts the heartbeats. What goes wrong is saved for the post step, and fails this one. */
async function startHolding(inputs: ActivityInputs, record: ActivityRecord, invocation: Invocation): Promise<void> {
  const { runner, bindToShutdown } = invocation
  const { taskId, aws, reporting } = inputs
  const budgetMs = reporting.timeoutSeconds * 1000
  const deadline = bindToShutdown(new Deadline(systemClock, budgetMs, 'timeout-seconds'))
  let dataPipeline: DataPipeline | undefined
  let heartbeat: PreparedHeartbeat | undefined
  try {
    heartbeat = await prepareHeartbeat(inputs, invocation)
    record.heartbeatStarted(heartbeat.saved)
    setStartOutputs(runner, filesIn(heartbeat.saved.folder).log.path)
    const open = await openDataPipeline(aws, budgetMs, runner)
    dataPipeline = open.dataPipeline
    await acknowledge(taskId, record, { ...open, deadline }, runner)
    await warnOfExpiry(dataPipeline, inputs, runner)
    const { region, unusualOrigin } = dataPipeline
    record.running(await heartbeat.start(), region)
    const at = unusualOrigin === undefined ? '' : ` at ${unusualOrigin}`
    const interval = formatSeconds(inputs.heartbeatSeconds * 1000)
    runner.log.info(`Holding task ${shortTaskId(taskId)} in ${region}${at}, with a heartbeat every ${interval}.`)
  } catch (error) {
    if (heartbeat === undefined) setStartOutputs(runner, '')
    heartbeat?.cancel()
    const isGone = error instanceof CallError && isTaskGone(error.failure)
    if (isGone) record.taskLost('gone')
    const context = { aws, region: dataPipeline?.region, env: runner.env, operation: 'ReportTaskProgress' } as const
    const message = `Could not hold task ${shortTaskId(taskId)}: ${await explainFailure(error, context)}`
    const isLost = isGone || error instanceof TaskCanceledError
    if (isLost || reporting.failOnError) throw new Error(message, { cause: error })
    record.notHeld()
    runner.log.warning(`${message} (fail-on-error is false: the job goes on, and the task is not held.)`)
  } finally {
    dataPipeline?.close()
  }
}

function readReportInputs(runner: Runner): ActivityReportInputs {
  try {
    return readActivityReportInputs(runner.input)
  } catch (error) {
    try {
      saveInvalidInputs(runner)
    } catch (cause) {
      // The user has to know what is wrong with the inputs. The post step finds it as well.
      runner.log.debug(errorMessage(cause))
    }
    throw error
  }
}

function saveInputs(inputs: ActivityReportInputs, runner: Runner) {
  const { error, adjustments } = sanitizeErrorInputs(inputs.error, secretsIn(runner.env))
  try {
    return { record: new ActivityRecord(runner, { ...inputs, error }), adjustments }
  } catch (cause) {
    throw new Error(`Could not hold task ${shortTaskId(inputs.taskId)}: ${errorMessageWithHint(cause)}`, { cause })
  }
}

function setStartOutputs(runner: Runner, heartbeatLog: string): void {
  setOutputs({ canceled: 'false', 'heartbeat-log': heartbeatLog }, runner)
}

/** The service has canceled the task. */
class TaskCanceledError extends Error {
  override readonly name = 'TaskCanceledError'
}

/** @throws TaskCanceledError, or CallError when the task could not be acknowledged */
async function acknowledge(
  taskId: string,
  record: ActivityRecord,
  dependencies: Parameters<typeof callWithRetry>[1],
  runner: Runner,
): Promise<void> {
  const { dataPipeline } = dependencies
  const { response } = await callWithRetry((call) => dataPipeline.reportTaskProgress(taskId, call), dependencies)
  if (!response.canceled) return
  record.taskLost('canceled')
  setOutputs({ canceled: 'true' }, runner)
  throw new TaskCanceledError('AWS Data Pipeline canceled the task. Stopping the job.')
}

/** Warns of credentials that end the heartbeats in the middle of a long job. */
async function warnOfExpiry(dataPipeline: DataPipeline, { aws }: ActivityInputs, { env, log }: Runner): Promise<void> {
  // A role is assumed again, and the SDK reads profiles and the machine's role again.
  const areFixed = aws.role === undefined && environmentCredentials(env)?.sessionToken !== undefined
  if (!areFixed) return
  const expiration = await dataPipeline.expiration()
  const when =
    expiration === undefined
      ? 'at an unknown time (after an hour, by default of aws-actions/configure-aws-credentials)'
      : `at ${new Date(expiration).toISOString()}`
  log.warning(
    `The AWS credentials in the environment expire ${when} and can't be renewed. If the job takes longer, heartbeats and ` +
      'report will fail. Use the input role-to-assume.',
  )
}
