import { filesIn } from '../activity/files.ts'
import { findHeartbeat, reportMarker, routeFor } from '../activity/find-heartbeat.ts'
import type { HeartbeatClient } from '../activity/heartbeat-client.ts'
import { endOfLog } from '../activity/heartbeat-launcher.ts'
import { type HeartbeatState, readState } from '../activity/heartbeat-state.ts'
import { isRunning, kill } from '../activity/process-identity.ts'
import { type KnownActivity, restoreEndpoints, savedActivity } from '../activity/saved-state.ts'
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
import { formatSeconds } from '../util/format.ts'

/** Milliseconds in which the heartbeat process ends when its work is done. Most of it is for a slow machine. */
const EXIT_WITHIN_MS = 10_000
const CHECK_EVERY_MS = 2

/** The post step of activity: ends the heartbeats, and reports how the job ended. */
export async function activityPost(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const activity = savedActivity(runner)
  if (activity === undefined) return reportUnsaved(invocation)
  if (activity.outcome === 'invalid-inputs') {
    runner.log.info('Nothing can be reported: the main step found invalid inputs.')
    return
  }
  const { taskId, heartbeat } = activity
  const client = heartbeat === undefined ? undefined : await findHeartbeat(taskId, runner, systemClock, heartbeat)
  try {
    const state = client?.state ?? stateOnDisk(activity, runner.log)
    showHeartbeats(activity, client, state, runner.log)
    const reason = reasonNotToReport(activity, state, runner)
    if (reason === undefined) await reportEnd(activity, client, invocation)
    else runner.log.info(`Nothing is reported for task ${shortTaskId(taskId)}: ${reason}.`)
  } finally {
    if (client !== undefined) await waitForExit(activity, client, runner.log)
  }
}

async function reportEnd(
  activity: KnownActivity,
  client: HeartbeatClient | undefined,
  invocation: Invocation,
): Promise<void> {
  const { runner } = invocation
  const { taskId, heartbeat, outcome, precondition } = activity
  const wasHeld = outcome === 'running'
  // The report goes to where the task was held, whatever later steps have set.
  if (wasHeld) restoreEndpoints(activity.endpoints, process.env)
  const aws = wasHeld ? { ...activity.aws, region: activity.region } : activity.aws
  // The runner evaluates the default of this input again for this step, so it is the job status of this moment.
  const job = readJobStatus(runner.input)
  const status = resolveStatus({ job, precondition, ...(outcome === 'failed' && { mainStep: 'failed' }) })
  await reportTask({ ...activity, aws, status, evidence: readEvidenceInputs(runner.input) }, 'post', invocation, () =>
    routeFor(taskId, 'post', client, runner, heartbeat),
  )
}

/**
 * Reports that the main step could not save its state, as on a full disk. The task was not held, so it is FAILED whatever
 * the job did. The inputs come from this step: where composite actions are nested, they may be wrong (actions/runner#3514).
 */
async function reportUnsaved(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const { input, log } = runner
  const inputs = readActivityReportInputs(input)
  log.warning('The main step saved no state: it failed at its start, and the task was not held.')
  if (!inputs.report) return
  const status = resolveStatus({ job: readJobStatus(input), precondition: inputs.precondition, mainStep: 'unsaved' })
  await reportTask({ ...inputs, status, evidence: readEvidenceInputs(input) }, 'post', invocation, () =>
    routeFor(inputs.taskId, 'post', undefined, runner),
  )
}

/** Why the end of the job is not reported, as the end of a sentence; undefined when it is. */
function reasonNotToReport(
  activity: KnownActivity,
  state: HeartbeatState | undefined,
  runner: Runner,
): string | undefined {
  if (activity.outcome === 'lost') {
    return activity.reason === 'canceled' ? CANCELED : 'AWS Data Pipeline no longer had the task when the job began'
  }
  if (state?.reported?.by === 'loss') return 'it was reported as FAILED because the runner was lost'
  const isReported = state?.reported !== undefined || reportMarker(activity.taskId, runner).read()?.sent === true
  if (isReported) return 'it was reported by another step'
  if (state?.canceled) return CANCELED
  return activity.report ? undefined : 'the input report is false'
}

const CANCELED = 'AWS Data Pipeline canceled it'

/** The state that a heartbeat process has written before it ended; undefined when it can't be read. */
function stateOnDisk({ heartbeat }: KnownActivity, log: Log): HeartbeatState | undefined {
  if (heartbeat === undefined) return undefined
  try {
    return readState(filesIn(heartbeat.folder).state)
  } catch (error) {
    log.warning(`Could not read the state of the heartbeats: ${errorMessage(error)}.`)
    return undefined
  }
}

function showHeartbeats(
  { heartbeat, outcome, reporting }: KnownActivity,
  client: HeartbeatClient | undefined,
  state: HeartbeatState | undefined,
  log: Log,
): void {
  // A main step that was killed could not save that it started the heartbeats.
  const wasHeld = heartbeat !== undefined && (outcome === 'running' || client !== undefined)
  if (!wasHeld) {
    if (outcome !== 'lost' && !reporting.dryRun)
      log.warning('The heartbeats were not started. The task was not held during this job.')
    return
  }
  if (state !== undefined) {
    log.group(
      `Heartbeats: ${state.beats} sent, ${state.failures} failed, longest gap ${formatSeconds(state.longestGapMs)}`,
      endOfLog(filesIn(heartbeat.folder)),
    )
  }
  if (state?.ended === 'lifetime-over') log.warning('The heartbeats ended after max-lifetime-minutes, before the job.')
  else if (state?.ended === 'task-gone' && state.reported === undefined)
    log.warning(`The heartbeats ended early: ${state.message ?? 'AWS Data Pipeline no longer has the task'}.`)
  else if (client === undefined && state?.reported === undefined && state?.canceled !== true)
    log.warning(
      'The heartbeat process ended early. The task was not held after that, and may have gone to another runner.',
    )
}

/** Waits until the heartbeat process has ended. Kills one that does not end, where it can be told from other processes. */
async function waitForExit({ heartbeat }: KnownActivity, client: HeartbeatClient, log: Log): Promise<void> {
  // After a report the process knows it already.
  await client.leave().catch((error: unknown) => log.debug(errorMessage(error)))
  const { activities, isBusy } = client.state
  client.close()
  // The process goes on for another activity, or with a report that this step can't wait for.
  if (heartbeat === undefined || activities > 0 || isBusy) return
  const until = systemClock.now() + EXIT_WITHIN_MS
  while (isRunning(heartbeat)) {
    if (systemClock.now() >= until) {
      log.warning('The heartbeat process did not end when its work was done.')
      kill(heartbeat)
      return
    }
    await systemClock.sleep(CHECK_EVERY_MS)
  }
}
