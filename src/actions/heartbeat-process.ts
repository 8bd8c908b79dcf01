import { text } from 'node:stream/consumers'
import { Arbiter } from '../activity/arbiter.ts'
import { cancelRun } from '../activity/cancel-run.ts'
import { renewBetweenBeats } from '../activity/credential-renewal.ts'
import { decisionSender } from '../activity/decision-sender.ts'
import { filesIn } from '../activity/files.ts'
import { reportMarker } from '../activity/find-heartbeat.ts'
import { heartbeatAddress } from '../activity/heartbeat-address.ts'
import { keepBeating, remember } from '../activity/heartbeat-loop.ts'
import { HeartbeatServer } from '../activity/heartbeat-server.ts'
import type { HeartbeatSettings } from '../activity/heartbeat-settings.ts'
import { type EndReason, type HeartbeatState, writeState } from '../activity/heartbeat-state.ts'
import { runnerWatch, waitForEndOfJob } from '../activity/job-watch.ts'
import { HEARTBEAT_TITLE } from '../activity/kill-heartbeat.ts'
import { loadLateCode } from '../activity/load-late-code.ts'
import { LossGuard } from '../activity/loss-guard.ts'
import { isolateProcess, leaveWorkspace, saveMemory } from '../activity/prepare-process.ts'
import { identify } from '../activity/process-identity.ts'
import { classify } from '../aws/classify.ts'
import { connectDataPipeline } from '../aws/client.ts'
import type { DataPipeline } from '../aws/data-pipeline.ts'
import type { Invocation } from '../github/invocation.ts'
import type { Runner } from '../github/runner.ts'
import { errorMessage } from '../masking/error-message.ts'
import { lossReport } from '../report/loss-report.ts'
import { systemClock, wakeableSleep } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'

const BEAT_TIMEOUT_MS = 15_000
/** A process that gives no credentials, or a metadata service that hangs, must not stop the heartbeats. */
const RENEWAL_TIMEOUT_MS = 30_000
const REQUEST_TIMEOUT_MS = 10_000
/** Together with the time until the loss is noticed, the process ends within 2 minutes after its runner. */
const LOSS_REPORT_BUDGET_MS = 100_000

/**
 * The heartbeat process: holds a task for as long as its job runs, and makes the report of its end. It gets its settings
 * on standard input. No settings mean that the task was not acknowledged, and that there is nothing to hold.
 */
export async function runHeartbeatProcess({ runner }: Invocation): Promise<void> {
  isolateProcess(HEARTBEAT_TITLE)
  const code = loadLateCode()
  const input = await text(process.stdin)
  if (input === '') return
  await code
  const settings = JSON.parse(input) as HeartbeatSettings
  Object.assign(process.env, settings.secrets)
  runner.hide([...Object.values(settings.secrets), settings.github?.token ?? '', settings.jobToken ?? ''])
  process.title = `${HEARTBEAT_TITLE} ${heartbeatAddress(settings.taskId, process.env).id}`
  leaveWorkspace(process.env)
  const dataPipeline = await connectDataPipeline(settings.aws, { ...runner, requestLimitMs: REQUEST_TIMEOUT_MS })
  try {
    await expectCredentials(settings, dataPipeline)
    await holdTask(settings, dataPipeline, runner)
  } finally {
    dataPipeline.close()
  }
}

/**
 * Checks that this process has the credentials that the step had. It does not find a credential process that is named
 * relative to the workspace. A role needs requests only.
 *
 * @throws Error when another attempt would not help
 */
async function expectCredentials({ aws }: HeartbeatSettings, dataPipeline: DataPipeline): Promise<void> {
  if (aws.role !== undefined) return
  try {
    await new Deadline(systemClock, REQUEST_TIMEOUT_MS).within(
      REQUEST_TIMEOUT_MS,
      () => dataPipeline.credentials(),
      (ms) => new Error(`no credentials within ${formatSeconds(ms)}`),
    )
  } catch (error) {
    if (classify(error).kind === 'no-credentials') throw error
  }
}

/** Sends heartbeats, serves the steps of the job, and makes the report, until there is nothing left to do. */
async function holdTask(settings: HeartbeatSettings, dataPipeline: DataPipeline, runner: Runner): Promise<void> {
  const { taskId, folder, lifetimeMs } = settings
  const files = filesIn(folder)
  const { startedAt } = identify(process.pid)
  const log = (line: string): void => runner.log.info(`${new Date().toISOString()} ${line}`)
  const marker = reportMarker(taskId, runner)
  const guard = new LossGuard(Date.now)
  const ended = new AbortController()
  const { sleep, wake } = wakeableSleep(systemClock)
  // The main step has just acknowledged the task.
  const begunAt = systemClock.now()
  let arrivedAt = begunAt
  let state: HeartbeatState | undefined
  const save = (next: HeartbeatState): void => {
    const message = next.message && runner.redact(next.message)
    state = { ...next, startedAt, message, reported: arbiter.reported }
    writeState(files.state, state)
  }
  const arbiter = new Arbiter({
    clock: systemClock,
    region: dataPipeline.region,
    send: decisionSender({ taskId, dataPipeline, runner, log }),
    isCanceled: () => state?.canceled === true,
    reportedElsewhere() {
      const marked = marker.read()
      return marked?.sent ? { by: marked.by, status: marked.status ?? 'FAILED' } : undefined
    },
    onReported({ by, status }) {
      log(`Reported ${status}.`)
      // For a step that goes on after its end, when this process is gone.
      marker.write({ sent: true, by, status, decision: undefined })
      wake()
    },
  })
  const server = new HeartbeatServer(heartbeatAddress(taskId, process.env), settings.report, {
    arbiter,
    state() {
      const now = state as HeartbeatState
      const sinceLast = now.ended === undefined ? Math.floor(systemClock.now() - arrivedAt) : 0
      return { ...now, longestGapMs: Math.max(now.longestGapMs, sinceLast), reported: arbiter.reported, folder }
    },
    onChange: wake,
    redact: runner.redact,
  })
  let isJobOver = false
  await server.listen()
  void waitForEndOfJob(settings, ended.signal, log).then((result) => {
    isJobOver = result
    wake()
  })
  const reasons = {
    clock: systemClock,
    areActivitiesOver: () => server.isDone,
    isBusy: () => arbiter.isBusy,
    isJobOver: () => isJobOver,
    lookAtRunner: runnerWatch(settings, guard),
    sleep,
    wake,
  }
  try {
    log(`Holding the task in ${dataPipeline.region}, with a heartbeat every ${formatSeconds(settings.intervalMs)}.`)
    saveMemory()
    const beatsEnd = await keepBeating(
      { pid: process.pid, intervalMs: settings.intervalMs, beatTimeoutMs: BEAT_TIMEOUT_MS, lifetimeMs },
      {
        ...reasons,
        random: Math.random,
        async beat(signal) {
          const sentAt = Date.now()
          const response = await dataPipeline.reportTaskProgress(taskId, { signal })
          guard.noteArrival(sentAt)
          arrivedAt = systemClock.now()
          return response
        },
        renewCredentials: () =>
          renewBetweenBeats(() => dataPipeline.renewCredentials(), {
            clock: systemClock,
            timeoutMs: RENEWAL_TIMEOUT_MS,
            log,
          }),
        onCanceled: () => cancelRun(settings, log),
        isReported: () => arbiter.reported !== undefined,
        save,
        log,
      },
    )
    log(`The heartbeats end: ${beatsEnd}.`)
    const lifetimeLeftMs = lifetimeMs - (systemClock.now() - begunAt)
    const end = isRemembered(beatsEnd) && !server.isDone ? await remember(lifetimeLeftMs, reasons) : beatsEnd
    if (end !== beatsEnd) log(`Ending: ${end}.`)
    const isOurs = !isRemembered(beatsEnd) && state?.canceled !== true && guard.mayReportLoss()
    const mayReport = end === 'runner-lost' && isOurs && server.wantsReport
    if (end !== 'activities-over' && end !== 'lifetime-over') {
      const result = await arbiter.decideLoss(mayReport ? lossReport(process.env) : undefined, LOSS_REPORT_BUDGET_MS)
      if (result?.outcome === 'failed') log(`Could not report the task: ${result.failure.message}`)
    }
  } finally {
    ended.abort()
    if (state !== undefined) trySave(() => save(state as HeartbeatState), log)
    await server.close()
  }
}

/** Whether no more heartbeats are sent, and later steps have to know why. */
function isRemembered(end: EndReason): boolean {
  return end === 'reported' || end === 'canceled' || end === 'task-gone'
}

function trySave(save: () => void, log: (line: string) => void): void {
  try {
    save()
  } catch (error) {
    log(`Could not save the state: ${errorMessage(error)}`)
  }
}
