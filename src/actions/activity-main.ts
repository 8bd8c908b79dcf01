import { filesIn } from '../activity/files.ts'
import { findHolder } from '../activity/find-heartbeat.ts'
import { sanitizeErrorInputs } from '../activity/fit-error-inputs.ts'
import type { Holder } from '../activity/heartbeat-client.ts'
import { launchHeartbeat } from '../activity/heartbeat-launcher.ts'
import type { ProcessIdentity } from '../activity/process-identity.ts'
import { endpointsOf, type SavedHeartbeat, saveActivity } from '../activity/saved-state.ts'
import { CallError, callWithRetry } from '../aws/call-with-retry.ts'
import type { DataPipeline } from '../aws/client.ts'
import { environmentCredentials } from '../aws/environment-credentials.ts'
import { isTaskGone } from '../aws/errors.ts'
import { explainFailure } from '../aws/explain-error.ts'
import { openDataPipeline } from '../aws/open-client.ts'
import type { Invocation } from '../github/invocation.ts'
import { setOutputs } from '../github/outputs.ts'
import type { Runner } from '../github/runner.ts'
import { workflowRunOf } from '../github/workflow-run.ts'
import {
  type ActivityReportInputs,
  type HeartbeatInputs,
  readActivityReportInputs,
  readHeartbeatInputs,
} from '../inputs/activity.ts'
import { inputAdjustments } from '../inputs/aws.ts'
import { secretsIn } from '../masking/environment-secrets.ts'
import { errorMessage } from '../masking/error-message.ts'
import { shortTaskId } from '../masking/short-task-id.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { ConfigurationError } from '../util/errors.ts'
import { explain } from './run-action.ts'

type ActivityInputs = ActivityReportInputs & HeartbeatInputs

/** The main step of activity: acknowledges the task, and starts the process that holds it. */
export async function activityMain({ runner, bindToShutdown }: Invocation): Promise<void> {
  const reportInputs = readReportInputs(runner)
  const { taskId } = reportInputs
  const couldNotHold = `Could not hold task ${shortTaskId(taskId)}`
  const { error, adjustments } = sanitizeErrorInputs(reportInputs.error, secretsIn(runner.env))
  let base: ActivityReportInputs & { heartbeat?: SavedHeartbeat } = { ...reportInputs, error }
  // Before anything else: the post step reports the end, however far this one gets.
  try {
    saveActivity(runner, { ...base, outcome: 'failed' })
  } catch (cause) {
    throw new Error(`${couldNotHold}: ${explain(cause)}`, { cause })
  }
  for (const adjustment of [...adjustments, ...inputAdjustments(runner.input)]) runner.log.warning(adjustment)
  const inputs = { ...reportInputs, ...readHeartbeatInputs(runner.input) }
  const setStartOutputs = (log: string): void => setOutputs({ canceled: 'false', 'heartbeat-log': log }, runner)
  if (inputs.reporting.dryRun) {
    setStartOutputs('')
    saveActivity(runner, { ...base, outcome: 'not-held' })
    runner.log.info(`Dry run: task ${shortTaskId(taskId)} is not acknowledged, and no heartbeats are sent.`)
    return
  }

  const budgetMs = inputs.reporting.timeoutSeconds * 1000
  const deadline = bindToShutdown(new Deadline(systemClock, budgetMs, 'timeout-seconds'))
  let dataPipeline: DataPipeline | undefined
  let heartbeat: HeartbeatToBe | undefined
  try {
    // Before it is known whether there is a task to hold: Node takes as long to start as the acknowledgement takes.
    heartbeat = await prepareHeartbeat(inputs, { runner, bindToShutdown })
    const { folder } = heartbeat
    base = { ...base, heartbeat: { ...heartbeat.process, folder } }
    saveActivity(runner, { ...base, outcome: 'failed' })
    setStartOutputs(filesIn(folder).log.path)
    const open = await openDataPipeline(inputs.aws, budgetMs, runner)
    dataPipeline = open.dataPipeline
    const pipeline = open.dataPipeline
    const { response } = await callWithRetry((call) => pipeline.reportTaskProgress(taskId, call), {
      ...open,
      deadline,
      random: Math.random,
      log: runner.log,
    })
    if (response.canceled) {
      saveActivity(runner, { ...base, outcome: 'lost', reason: 'canceled' })
      setOutputs({ canceled: 'true' }, runner)
      throw new LostTaskError('the service has cancelled it. Nobody will count the work of this job, so it ends here.')
    }
    await warnOfExpiry(pipeline, inputs, runner)
    const { region } = pipeline
    saveActivity(runner, {
      ...base,
      heartbeat: { ...(await heartbeat.start()), folder },
      outcome: 'held',
      region,
      endpoints: endpointsOf(runner.env),
    })
    const at = pipeline.unusualOrigin === undefined ? '' : ` at ${pipeline.unusualOrigin}`
    runner.log.info(
      `Holding task ${shortTaskId(taskId)} in ${region}${at}, with a beat every ${inputs.heartbeatSeconds} s.`,
    )
  } catch (error) {
    if (heartbeat === undefined) setStartOutputs('')
    heartbeat?.cancel()
    const isGone = error instanceof CallError && isTaskGone(error.failure)
    if (isGone) saveActivity(runner, { ...base, outcome: 'lost', reason: 'gone' })
    const context = {
      aws: inputs.aws,
      region: dataPipeline?.region,
      env: runner.env,
      operation: 'ReportTaskProgress',
    } as const
    const message = `${couldNotHold}: ${explainFailure(error, context)}`
    if (isGone || error instanceof LostTaskError || inputs.reporting.failOnError)
      throw new Error(message, { cause: error })
    saveActivity(runner, { ...base, outcome: 'not-held' })
    runner.log.warning(`${message} (fail-on-error is false, so the job goes on, and nobody holds the task.)`)
  } finally {
    dataPipeline?.close()
  }
}

function readReportInputs(runner: Runner): ActivityReportInputs {
  try {
    return readActivityReportInputs(runner.input)
  } catch (error) {
    try {
      saveActivity(runner, { outcome: 'invalid-inputs' })
    } catch (cause) {
      // What is wrong with the inputs is what the user has to hear; the post step finds it as well.
      runner.log.debug(errorMessage(cause))
    }
    throw error
  }
}

/** The task is not ours to work on. */
class LostTaskError extends Error {
  override readonly name = 'LostTaskError'
}

/** Says beforehand what would end the heartbeats in the middle of a long job. */
async function warnOfExpiry(dataPipeline: DataPipeline, { aws }: ActivityInputs, { env, log }: Runner): Promise<void> {
  // A role is assumed anew, and profiles and the machine's role are read anew by the SDK.
  const areFixed = aws.role === undefined && environmentCredentials(env)?.sessionToken !== undefined
  if (!areFixed) return
  const expiration = await dataPipeline.expiration()
  const when =
    expiration === undefined
      ? 'at a time that the environment does not tell (an hour after aws-actions/configure-aws-credentials, if nothing else was asked for)'
      : `at ${new Date(expiration).toISOString()}`
  log.warning(
    `The AWS credentials in the environment expire ${when}, and can not be renewed here. In a longer job the heartbeats and the ` +
      'report would fail: use the input role-to-assume.',
  )
}

/** The process that is going to hold the task: a new one, or that of an earlier activity of this job. */
interface HeartbeatToBe {
  readonly folder: string
  readonly process: ProcessIdentity
  start(): Promise<ProcessIdentity>
  cancel(): void
}

async function prepareHeartbeat(
  inputs: ActivityInputs,
  { runner, bindToShutdown }: Pick<Invocation, 'runner' | 'bindToShutdown'>,
): Promise<HeartbeatToBe> {
  const holder = await findHolder(inputs.taskId, runner, systemClock)
  if (holder !== undefined) {
    // Before it is saved that this activity has a part in it: its post step is going to leave.
    await holder.join(inputs.report).catch(rethrowNotStarted)
    return joining(holder, runner)
  }
  try {
    const launched = launchHeartbeat(inputs.taskId, runner.env, systemClock)
    return {
      folder: launched.folder,
      process: launched.process,
      start: () => launched.start(heartbeatSettings(inputs, runner), bindToShutdown).catch(rethrowNotStarted),
      cancel: () => launched.cancel(),
    }
  } catch (cause) {
    return rethrowNotStarted(cause)
  }
}

function joining(holder: Holder, { log }: Runner): HeartbeatToBe {
  const { folder, pid, startedAt } = holder.state
  const process = { pid, startedAt }
  return {
    folder,
    process,
    async start() {
      holder.close()
      const { ended } = holder.state
      if (ended !== undefined) rethrowNotStarted(new Error(`That of an earlier step sends no more beats (${ended}).`))
      log.info('An earlier step of this job holds the task already. Its settings of the heartbeats count.')
      return process
    },
    cancel: () => holder.close(),
  }
}

function heartbeatSettings(inputs: ActivityInputs, runner: Runner) {
  const { repository, id: runId, apiUrl } = workflowRunOf(runner.env)
  const token = inputs.evidence.githubToken
  return {
    taskId: inputs.taskId,
    aws: inputs.aws,
    intervalMs: inputs.heartbeatSeconds * 1000,
    lifetimeMs: inputs.maxLifetimeMinutes * 60_000,
    onCancel: inputs.onCancel,
    report: inputs.report,
    github: token && repository && runId ? { token, repository, runId, apiUrl } : undefined,
    jobToken: inputs.jobToken,
  }
}

function rethrowNotStarted(cause: unknown): never {
  throw new ConfigurationError(errorMessage(cause), {
    hint: 'Without heartbeats the task goes to another runner.',
    cause,
  })
}
