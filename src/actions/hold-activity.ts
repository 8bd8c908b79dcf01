import { tmpdir } from 'node:os'
import { fitErrorInputs } from '../activity/fit-error-inputs.ts'
import { type LaunchedHeartbeat, launchHeartbeat } from '../activity/heartbeat-process.ts'
import { filesIn, newActivityFolder } from '../activity/paths.ts'
import { identify, type ProcessIdentity } from '../activity/processes.ts'
import { saveActivity } from '../activity/saved-activity.ts'
import type { DataPipeline } from '../aws/data-pipeline.ts'
import { isTaskGone } from '../aws/failure.ts'
import { CallError, callReliably } from '../aws/reliable-call.ts'
import { Deadline, systemClock } from '../clock.ts'
import { secretsIn } from '../environment-secrets.ts'
import { ConfigurationError, messageOf } from '../errors.ts'
import { explainFailure } from '../explain-failure.ts'
import type { Runner } from '../github/runner.ts'
import { tellOutputs } from '../github/tell.ts'
import { workflowRunOf } from '../github/workflow-run.ts'
import {
  type ActivityReportInputs,
  type HeartbeatInputs,
  readActivityReportInputs,
  readHeartbeatInputs,
} from '../inputs.ts'
import { openDataPipeline } from '../open-data-pipeline.ts'
import type { Invocation } from '../run-action.ts'
import { shortTaskId } from '../task-id.ts'

type ActivityInputs = ActivityReportInputs & HeartbeatInputs

/** The main step of activity: acknowledges the task, and starts the process that holds it. */
export async function holdActivity({ runner, stoppable }: Invocation): Promise<void> {
  const reportInputs = readReportInputs(runner)
  const folder = newActivityFolder(runner.env['RUNNER_TEMP'] || tmpdir(), reportInputs.taskId)
  const couldNotHold = `Could not hold task ${shortTaskId(reportInputs.taskId)}`
  // Before anything else: the post step reports the end, however far this one gets.
  const { error, adjustments } = fitErrorInputs(reportInputs.error, secretsIn(runner.env))
  const saved = { ...reportInputs, error, folder }
  try {
    saveActivity(runner, saved)
    for (const adjustment of adjustments) runner.log.warning(adjustment)
  } catch (cause) {
    throw new Error(`${couldNotHold}: ${messageOf(cause)}`, { cause })
  }
  const inputs = { ...reportInputs, ...readHeartbeatInputs(runner.input) }
  tellOutputs({ canceled: 'false', 'heartbeat-log': filesIn(folder).log }, runner)
  if (inputs.reporting.dryRun) {
    saveActivity(runner, { ...saved, goesOn: true })
    runner.log.info(`Dry run: task ${shortTaskId(inputs.taskId)} is not acknowledged, and no heartbeats are sent.`)
    return
  }

  const budgetMs = inputs.reporting.timeoutSeconds * 1000
  const deadline = stoppable(new Deadline(systemClock, budgetMs))
  let dataPipeline: DataPipeline | undefined
  let heartbeat: LaunchedHeartbeat | undefined
  try {
    // Before it is known whether there is a task to hold: Node takes as long to start as the acknowledgement takes.
    heartbeat = launch(folder, runner)
    const open = await openDataPipeline(inputs.aws, budgetMs, runner)
    dataPipeline = open.dataPipeline
    const pipeline = open.dataPipeline
    const { answer } = await callReliably(
      async (call) => {
        runner.hide(await pipeline.secrets())
        return pipeline.reportTaskProgress(inputs.taskId, call)
      },
      { ...open, deadline, random: Math.random, log: runner.log },
    )
    if (answer.canceled) {
      saveActivity(runner, { ...saved, lost: 'canceled' })
      tellOutputs({ canceled: 'true' }, runner)
      throw new LostTaskError('the service has cancelled it. Nobody will count the work of this job, so it ends here.')
    }
    await warnOfExpiry(pipeline, inputs, runner)
    saveActivity(runner, { ...saved, goesOn: true, heartbeat: await hold(heartbeat, inputs, { runner, stoppable }) })
    runner.log.info(
      `Holding task ${shortTaskId(inputs.taskId)} in ${pipeline.region}, with a beat every ${inputs.heartbeatSeconds} s.`,
    )
  } catch (error) {
    heartbeat?.abandon()
    const isGone = error instanceof CallError && isTaskGone(error.failure)
    if (isGone) saveActivity(runner, { ...saved, lost: 'gone' })
    const context = {
      aws: inputs.aws,
      region: dataPipeline?.region,
      env: runner.env,
      operation: 'ReportTaskProgress',
    } as const
    const message = `${couldNotHold}: ${explainFailure(error, context)}`
    if (isGone || error instanceof LostTaskError || inputs.reporting.failOnError)
      throw new Error(message, { cause: error })
    saveActivity(runner, { ...saved, goesOn: true })
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
      saveActivity(runner, 'wrong-inputs')
    } catch (cause) {
      // What is wrong with the inputs is what the user has to hear; the post step finds it as well.
      runner.log.debug(messageOf(cause))
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
  const areFixed = aws.role === undefined && !env['AWS_PROFILE'] && env['AWS_ACCESS_KEY_ID'] && env['AWS_SESSION_TOKEN']
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

function launch(folder: string, runner: Runner): LaunchedHeartbeat {
  try {
    return launchHeartbeat(folder, runner.env, systemClock)
  } catch (cause) {
    throw notStarted(cause)
  }
}

async function hold(
  heartbeat: LaunchedHeartbeat,
  inputs: ActivityInputs,
  { runner, stoppable }: Pick<Invocation, 'runner' | 'stoppable'>,
): Promise<ProcessIdentity> {
  const { repository, id: runId, apiUrl } = workflowRunOf(runner.env)
  const token = inputs.evidence.githubToken
  try {
    return await heartbeat.hold(
      {
        taskId: inputs.taskId,
        aws: inputs.aws,
        intervalMs: inputs.heartbeatSeconds * 1000,
        lifetimeMs: inputs.maxLifetimeMinutes * 60_000,
        onCancel: inputs.onCancel,
        // In a container the parent is outside (0) or an init (1), which says nothing of the job.
        runner: process.ppid > 1 ? identify(process.ppid) : undefined,
        github: token && repository && runId ? { token, repository, runId, apiUrl } : undefined,
      },
      stoppable,
    )
  } catch (cause) {
    throw notStarted(cause)
  }
}

function notStarted(cause: unknown): ConfigurationError {
  return new ConfigurationError(messageOf(cause), {
    hint: 'Without heartbeats the task goes to another runner.',
    cause,
  })
}
