import { filesIn } from '../activity/files.ts'
import { findHolder, reportMarker, routeFor } from '../activity/find-heartbeat.ts'
import type { Holder } from '../activity/heartbeat-client.ts'
import { endOfLog } from '../activity/heartbeat-launcher.ts'
import { type HeartbeatState, readState } from '../activity/heartbeat-state.ts'
import { isRunning, kill } from '../activity/process-identity.ts'
import { restoreEndpoints, type SavedActivity, savedActivity } from '../activity/saved-state.ts'
import { resolveStatus } from '../domain/resolve-status.ts'
import type { Invocation } from '../github/invocation.ts'
import type { Log } from '../github/log.ts'
import type { Runner } from '../github/runner.ts'
import { readActivityReportInputs } from '../inputs/activity.ts'
import { readEvidenceInputs, readJobStatus } from '../inputs/reporting.ts'
import { errorMessage } from '../masking/error-message.ts'
import { shortTaskId } from '../masking/short-task-id.ts'
import { reportTask } from '../report/report-task.ts'
import { systemClock } from '../util/clock.ts'

type Activity = Exclude<SavedActivity, { outcome: 'invalid-inputs' }>

/** How long the heartbeat process may take to end when its work is done; the rest is for a machine that is busy. */
const END_WITHIN_MS = 10_000
const LOOK_EVERY_MS = 2

/** The post step of activity: ends the heartbeats, and reports how the job ended. */
export async function activityPost(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const activity = savedActivity(runner)
  if (activity === undefined) return reportUnsaved(invocation)
  if (activity.outcome === 'invalid-inputs') {
    runner.log.info('The main step found the inputs wrong that a report needs, so nothing can be reported.')
    return
  }
  const { heartbeat } = activity
  const holder = heartbeat === undefined ? undefined : await findHolder(activity.taskId, runner, systemClock, heartbeat)
  try {
    const state = holder?.state ?? stateOnDisk(activity, runner.log)
    showHeartbeats(activity, holder, state, runner.log)
    const reason = reasonNotToReport(activity, state, runner)
    if (reason === undefined) await reportEnd(activity, holder, invocation)
    else runner.log.info(`Nothing is reported for task ${shortTaskId(activity.taskId)}: ${reason}.`)
  } finally {
    if (holder !== undefined) await seeOut(activity, holder, runner.log)
  }
}

async function reportEnd(activity: Activity, holder: Holder | undefined, invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const { taskId, heartbeat } = activity
  const isHeld = activity.outcome === 'held'
  // It goes where the task was held, whatever later steps have set.
  if (isHeld) restoreEndpoints(activity.endpoints, process.env)
  const aws = isHeld ? { ...activity.aws, region: activity.region } : activity.aws
  // The runner evaluates the defaults of inputs again for this step, so this is how the job stands now.
  const job = readJobStatus(runner.input)
  const mainStep = activity.outcome === 'failed' ? 'failed' : undefined
  await reportTask(
    {
      ...activity,
      aws,
      status: resolveStatus({ job, precondition: activity.precondition, ...(mainStep && { mainStep }) }),
      evidence: readEvidenceInputs(runner.input),
    },
    'post',
    invocation,
    () => routeFor(taskId, 'post', holder, runner, heartbeat),
  )
}

/**
 * Reports that the main step could not save what this one needs, as on a full disk: it failed, so nobody held the task,
 * and whatever the job did since, the task has not been worked on as it should. The inputs of this step have to do, though
 * they may be wrong where composite actions are nested (actions/runner#3514).
 */
async function reportUnsaved(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const { input, log } = runner
  const inputs = readActivityReportInputs(input)
  log.warning('The main step left nothing for this one, so it failed at its very beginning, and nobody held the task.')
  if (!inputs.report) return
  const status = resolveStatus({ job: readJobStatus(input), precondition: inputs.precondition, mainStep: 'unsaved' })
  await reportTask({ ...inputs, status, evidence: readEvidenceInputs(input) }, 'post', invocation, () =>
    routeFor(inputs.taskId, 'post', undefined, runner),
  )
}

function reasonNotToReport(activity: Activity, state: HeartbeatState | undefined, runner: Runner): string | undefined {
  if (activity.outcome === 'lost') {
    return activity.reason === 'canceled' ? 'the service has cancelled it' : 'it was gone before the job began'
  }
  if (state?.reported?.by === 'loss') return 'it was reported as failed, as the runner was lost'
  const isReported = state?.reported !== undefined || reportMarker(activity.taskId, runner).read()?.sent === true
  if (isReported) return 'its end was reported by another step'
  if (state?.canceled) return 'the service has cancelled it'
  return activity.report ? undefined : 'the input report is false'
}

/** What a heartbeat process that is gone has left; undefined when nothing can be read. */
function stateOnDisk({ heartbeat }: Activity, log: Log): HeartbeatState | undefined {
  if (heartbeat === undefined) return undefined
  try {
    return readState(filesIn(heartbeat.folder).state)
  } catch (error) {
    log.warning(`The state of the heartbeats can't be read: ${errorMessage(error)}.`)
    return undefined
  }
}

function showHeartbeats(
  activity: Activity,
  holder: Holder | undefined,
  state: HeartbeatState | undefined,
  log: Log,
): void {
  const { heartbeat, outcome, reporting } = activity
  // A main step that was killed could not save that it came so far.
  const wasHeld = heartbeat !== undefined && (outcome === 'held' || holder !== undefined)
  if (!wasHeld) {
    if (outcome !== 'lost' && !reporting.dryRun)
      log.warning('The heartbeats were not started, so nobody held the task during this job.')
    return
  }
  if (state !== undefined) {
    const seconds = (state.longestGapMs / 1000).toFixed(state.longestGapMs < 10_000 ? 1 : 0)
    log.group(
      `Heartbeats: ${state.beats} sent, ${state.failures} failed, the longest gap ${seconds} s`,
      endOfLog(filesIn(heartbeat.folder)),
    )
  }
  if (state?.ended === 'lifetime-over')
    log.warning('The heartbeats ended after max-lifetime-minutes, before the job did.')
  else if (state?.ended === 'task-gone' && state.reported === undefined)
    log.warning(`The heartbeats ended early: ${state.message ?? 'the task is gone'}.`)
  else if (holder === undefined && state?.reported === undefined && state?.canceled !== true)
    log.warning(
      'The heartbeat process ended early, and the task was not held from then on. The service may have given it to another runner.',
    )
}

/** Waits until the heartbeat process is gone; one that does not end is killed, where it can be told from others. */
async function seeOut({ heartbeat }: Activity, holder: Holder, log: Log): Promise<void> {
  // A report has said that already.
  await holder.leave().catch((error: unknown) => log.debug(errorMessage(error)))
  const { holders, isBusy } = holder.state
  holder.close()
  // It goes on for another activity, or with a report that this step can't wait for.
  if (heartbeat === undefined || holders > 0 || isBusy) return
  const until = systemClock.now() + END_WITHIN_MS
  while (isRunning(heartbeat)) {
    if (systemClock.now() >= until) {
      log.warning('The heartbeat process did not end when its work was done.')
      kill(heartbeat)
      return
    }
    await systemClock.sleep(LOOK_EVERY_MS)
  }
}
