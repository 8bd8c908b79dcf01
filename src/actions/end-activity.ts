import { existsSync } from 'node:fs'
import { askToStop, endOfLog, stopHeartbeat } from '../activity/heartbeat-process.ts'
import { type HeartbeatState, readState } from '../activity/heartbeat-state.ts'
import { filesIn } from '../activity/paths.ts'
import { isRunning, type ProcessIdentity } from '../activity/processes.ts'
import { type SavedActivity, savedActivity } from '../activity/saved-activity.ts'
import { systemClock } from '../clock.ts'
import type { Log } from '../github/log.ts'
import { readActivityReportInputs, readEvidenceInputs, readJobStatus } from '../inputs.ts'
import { reportTask } from '../report/report-task.ts'
import type { Invocation } from '../run-action.ts'
import { deriveStatus } from '../status.ts'
import { shortTaskId } from '../task-id.ts'

/** The post step of activity: ends the heartbeats, and reports how the job ended. */
export async function endActivity(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const activity = savedActivity(runner)
  if (activity === undefined) return reportUnsaved(invocation)
  if (activity === 'wrong-inputs') {
    runner.log.info('The main step found the inputs wrong that a report needs, so nothing can be reported.')
    return
  }
  const heartbeat = await endHeartbeat(activity, runner.log)
  const reason = reasonNotToReport(activity, heartbeat)
  if (reason !== undefined) {
    runner.log.info(`Nothing is reported for task ${shortTaskId(activity.taskId)}: ${reason}.`)
    return
  }
  // The runner evaluates the defaults of inputs again for this step, so this is how the job stands now.
  const outcome = readJobStatus(runner.input)
  // A main step that failed has ended the job before it was seen whether the precondition holds.
  const isAnswer = activity.precondition && activity.goesOn === true
  await reportTask(
    {
      ...activity,
      status: { status: deriveStatus(outcome, isAnswer), cause: { kind: 'job', outcome } },
      evidence: readEvidenceInputs(runner.input),
    },
    invocation,
  )
}

/**
 * Reports that the main step could not save what this one needs, as on a full disk: it failed, so nobody held the task,
 * and whatever the job did since, the task has not been worked on as it should. The inputs of this step have to do, though
 * they may be wrong where composite actions are nested (actions/runner#3514).
 */
async function reportUnsaved(invocation: Invocation): Promise<void> {
  const { input, log } = invocation.runner
  const inputs = readActivityReportInputs(input)
  log.warning('The main step left nothing for this one, so it failed at its very beginning, and nobody held the task.')
  if (!inputs.report) return
  const job = readJobStatus(input)
  const outcome = job === 'success' ? 'failure' : job
  const status = { status: 'FAILED', cause: { kind: 'job', outcome } } as const
  await reportTask({ ...inputs, status, evidence: readEvidenceInputs(input) }, invocation)
}

function reasonNotToReport(
  { lost, folder, report }: SavedActivity,
  heartbeat: HeartbeatState | undefined,
): string | undefined {
  if (lost === 'canceled' || heartbeat?.canceled) return 'the service has cancelled it'
  if (lost === 'gone') return 'it was gone before the job began'
  if (existsSync(filesIn(folder).reported)) return 'its end was reported by another step'
  return report ? undefined : 'the input report is false'
}

async function endHeartbeat(
  { folder, heartbeat: saved, lost, reporting }: SavedActivity,
  log: Log,
): Promise<HeartbeatState | undefined> {
  // A main step that was killed right after it started the process could not save it.
  const heartbeat = saved ?? identifyWriter(filesIn(folder).state)
  if (heartbeat === undefined) {
    // It may have been started by a main step that was killed then, and get ready yet.
    askToStop(folder)
    if (lost === undefined && !reporting.dryRun) {
      log.warning('The heartbeats were not started, so nobody held the task during this job.')
    }
    return undefined
  }
  const state = await stopHeartbeat(folder, heartbeat, systemClock)
  if (state === undefined) {
    log.warning('The heartbeats have ended; what they did is not known, as their files were deleted.')
    return undefined
  }
  const seconds = (state.longestGapMs / 1000).toFixed(state.longestGapMs < 10_000 ? 1 : 0)
  log.group(
    `Heartbeats: ${state.beats} sent, ${state.failures} failed, the longest gap ${seconds} s`,
    endOfLog(filesIn(folder)),
  )
  if (state.ended === undefined) {
    log.warning(
      isRunning(heartbeat)
        ? 'The heartbeat process did not end when it was asked to.'
        : 'How the heartbeats ended is not known: their process was killed, or its last state could not be written.',
    )
  }
  if (state.ended === 'terminated')
    log.warning('The heartbeats ended before the job did, as something sent their process a signal.')
  // A beat may come between the report of another step and its word to the heartbeats.
  if (state.ended === 'task-gone' && !existsSync(filesIn(folder).reported))
    log.warning(`The heartbeats ended early: ${state.message ?? 'the task is gone'}.`)
  if (state.ended === 'lifetime-over')
    log.warning('The heartbeats ended after max-lifetime-minutes, before the job did.')
  return state
}

function identifyWriter(stateFile: string): ProcessIdentity | undefined {
  const state = readState(stateFile)
  return state && { pid: state.pid, startedAt: state.startedAt }
}
