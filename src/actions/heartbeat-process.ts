import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, parse, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { createSecureContext } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Arbiter } from '../activity/arbiter.ts'
import { renewBetweenBeats } from '../activity/credential-renewal.ts'
import { decisionSender } from '../activity/decision-sender.ts'
import { filesIn } from '../activity/files.ts'
import { HEARTBEAT_TITLE, reportMarker } from '../activity/find-heartbeat.ts'
import { holderAddress } from '../activity/heartbeat-address.ts'
import { keepBeating, remember } from '../activity/heartbeat-loop.ts'
import { HolderServer } from '../activity/heartbeat-server.ts'
import type { HeartbeatSettings } from '../activity/heartbeat-settings.ts'
import { type EndReason, type HeartbeatState, writeState } from '../activity/heartbeat-state.ts'
import { LossGuard } from '../activity/loss-guard.ts'
import { identify, isRunning } from '../activity/process-identity.ts'
import { findWorkerByTools, isReliable, watchedRunner, watchRunner } from '../activity/runner-watch.ts'
import { connectDataPipeline, type DataPipeline } from '../aws/client.ts'
import { classify } from '../aws/errors.ts'
import { connectGitHub, GitHubApiError } from '../github/api.ts'
import type { Invocation } from '../github/invocation.ts'
import { askForToken, endOfTokenLife, tokenWatch } from '../github/job-token.ts'
import type { Runner } from '../github/runner.ts'
import { errorMessage } from '../masking/error-message.ts'
import { lossReport } from '../report/loss-report.ts'
import { systemClock, wakeableSleep } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { ConfigurationError, causesOf } from '../util/errors.ts'
import { RetriesSpentError, type RetryDecision, retry } from '../util/retry.ts'

const BEAT_LIMIT_MS = 15_000
/** A process that gives no credentials, or a metadata service that hangs, must not stop the beats. */
const RENEWAL_LIMIT_MS = 30_000
const REQUEST_LIMIT_MS = 10_000
const CANCEL_RUN_LIMIT_MS = 10_000
/** An outage of GitHub's API; a run that goes on longer only costs minutes of a runner. */
const CANCEL_RUN_WITHIN_MS = 300_000
/** With the time until the loss is seen, the process is gone 2 minutes after its runner. */
const LOSS_REPORT_WITHIN_MS = 100_000
/** Three answers in a row end the beats: within 20 minutes of the end of the job. */
const ASK_FOR_TOKEN_EVERY_MS = 240_000

/**
 * The heartbeat process: holds a task for as long as its job runs, and makes the report of its end. Its settings come on
 * standard input; where it ends without any, the task could not be acknowledged, and there is nothing to hold.
 */
export async function holdTask({ runner }: Invocation): Promise<void> {
  standApart()
  const code = loadAllCode()
  const input = await text(process.stdin)
  if (input === '') return
  await code
  const settings = JSON.parse(input) as HeartbeatSettings
  Object.assign(process.env, settings.secrets)
  runner.hide([...Object.values(settings.secrets), settings.github?.token ?? '', settings.jobToken ?? ''])
  process.title = `${HEARTBEAT_TITLE} ${holderAddress(settings.taskId, process.env).id}`
  leaveWorkspace(process.env)
  const dataPipeline = await connectDataPipeline(settings.aws, { ...runner, requestLimitMs: REQUEST_LIMIT_MS })
  try {
    await checkCredentials(settings, dataPipeline)
    await serve(settings, dataPipeline, runner)
  } finally {
    dataPipeline.close()
  }
}

/** Makes this process one that neither the steps of the job nor a machine without memory take for one of theirs. */
function standApart(): void {
  process.title = HEARTBEAT_TITLE
  // Steps end servers of their own by name. What ends this process is the end of its runner, which it sees itself.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGBREAK'] as const) process.on(signal, () => undefined)
  // Code compiled to run fast gains nothing in a process that sleeps, and takes half as much memory again.
  setFlagsFromString('--no-opt')
  setFlagsFromString('--no-maglev')
  if (process.platform !== 'linux') return
  try {
    // The runner makes its steps likelier victims than itself (actions/runner, ProcessInvoker.cs).
    writeFileSync('/proc/self/oom_score_adj', '0')
  } catch {
    // A system that does not allow it.
  }
}

/** What the bundler loads a part of the bundle by (webpack, "Module Variables"); there is none where nothing is bundled. */
declare const __webpack_chunk_load__: (part: string) => Promise<unknown>

/** Loads all that may ever be needed: later steps may replace or remove the folder of the action. */
async function loadAllCode(): Promise<void> {
  const folder = dirname(fileURLToPath(import.meta.url))
  // Not by an import of the file: Node would look for it again for each import with another name.
  const parts = readdirSync(folder).flatMap((name) => /^(\d+)\.index\.js$/.exec(name)?.[1] ?? [])
  await Promise.all(parts.map((part) => __webpack_chunk_load__(part)))
  // Read when it is first needed.
  if (process.env['NODE_EXTRA_CA_CERTS']) createSecureContext()
}

/** AWS variables that name files; relative ones mean the folder that the step was started in. */
const PATH_VARIABLES = [
  'AWS_CA_BUNDLE',
  'AWS_CONFIG_FILE',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
]

/** Windows locks the folder that a process works in, and the workspace is the job's. */
function leaveWorkspace(env: NodeJS.ProcessEnv): void {
  for (const name of PATH_VARIABLES) if (env[name]) env[name] = resolve(env[name])
  process.chdir(parse(process.execPath).root)
}

/**
 * Sees that this process has credentials, as the step had: a credential process that is named relative to the workspace is
 * not found here. A role takes requests, and nothing of this process.
 *
 * @throws Error when trying again would not help
 */
async function checkCredentials({ aws }: HeartbeatSettings, dataPipeline: DataPipeline): Promise<void> {
  if (aws.role !== undefined) return
  try {
    await new Deadline(systemClock, REQUEST_LIMIT_MS).within(
      REQUEST_LIMIT_MS,
      () => dataPipeline.credentials(),
      (ms) => new Error(`no credentials within ${Math.round(ms / 1000)} s`),
    )
  } catch (error) {
    if (classify(error).kind === 'no-credentials') throw error
  }
}

async function serve(settings: HeartbeatSettings, dataPipeline: DataPipeline, runner: Runner): Promise<void> {
  const { taskId, folder, lifetimeMs } = settings
  const files = filesIn(folder)
  const { startedAt } = identify(process.pid)
  const log = (line: string): void => runner.log.info(`${new Date().toISOString()} ${line}`)
  const marker = reportMarker(taskId, runner)
  const guard = new LossGuard(Date.now)
  const over = new AbortController()
  const { sleep, wake } = wakeableSleep(systemClock)
  // The step that started this has just sent one.
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
      // For a step that goes on after its end, and finds this process gone.
      marker.write({ sent: true, by, status, decision: undefined })
      wake()
    },
  })
  const server = new HolderServer(holderAddress(taskId, process.env), settings.report, {
    arbiter,
    state() {
      const now = state as HeartbeatState
      const sinceLast = now.ended === undefined ? Math.floor(systemClock.now() - arrivedAt) : 0
      return { ...now, longestGapMs: Math.max(now.longestGapMs, sinceLast), reported: arbiter.reported, folder }
    },
    onChange: wake,
    redact: runner.redact,
  })
  const lookAtRunner = await runnerWatch(settings, guard)
  let isJobOver = false
  await server.listen()
  void watchToken(settings, over.signal, log).then((result) => {
    isJobOver = result
    wake()
  })
  const ends = {
    clock: systemClock,
    isStopAsked: () => server.isLeft,
    isBusy: () => arbiter.isBusy,
    isJobOver: () => isJobOver,
    lookAtRunner,
    sleep,
    wake,
  }
  try {
    log(`Holding the task in ${dataPipeline.region}, with a beat every ${settings.intervalMs / 1000} s.`)
    const ended = await keepBeating(
      { pid: process.pid, intervalMs: settings.intervalMs, beatLimitMs: BEAT_LIMIT_MS, lifetimeMs },
      {
        ...ends,
        random: Math.random,
        async beat(signal) {
          const startedAt = Date.now()
          const response = await dataPipeline.reportTaskProgress(taskId, { signal })
          guard.noteArrival(startedAt)
          arrivedAt = systemClock.now()
          return response
        },
        renewCredentials: () =>
          renewBetweenBeats(() => dataPipeline.renewCredentials(), {
            clock: systemClock,
            limitMs: RENEWAL_LIMIT_MS,
            log,
          }),
        onCanceled: () => cancelRun(settings, log),
        isReported: () => arbiter.reported !== undefined,
        save,
        log,
      },
    )
    const lifetimeLeftMs = lifetimeMs - (systemClock.now() - begunAt)
    const end = isRemembered(ended) && !server.isLeft ? await remember(lifetimeLeftMs, ends) : ended
    if (end !== 'asked') log(`Ending: ${end}.`)
    const isOurs = !isRemembered(ended) && state?.canceled !== true && guard.mayReportLoss()
    const mayReport = end === 'runner-lost' && isOurs && server.wantsReport
    if (end !== 'asked' && end !== 'lifetime-over') {
      const result = await arbiter.decideLoss(mayReport ? lossReport(process.env) : undefined, LOSS_REPORT_WITHIN_MS)
      if (result?.outcome === 'failed') log(`The report could not be made: ${result.failure.message}`)
    }
  } finally {
    over.abort()
    if (state !== undefined) trySave(() => save(state as HeartbeatState), log)
    await server.close()
  }
}

/** Whether no more beats are sent, and later steps have to hear why. */
function isRemembered(end: EndReason): boolean {
  return end === 'reported' || end === 'canceled' || end === 'task-gone'
}

function trySave(save: () => void, log: (line: string) => void): void {
  try {
    save()
  } catch (error) {
    log(`The state could not be written: ${errorMessage(error)}`)
  }
}

/** Looks at the runner, where it can be told which process that is. */
async function runnerWatch({ step, parent, worker }: HeartbeatSettings, guard: LossGuard) {
  const isStepOver = (): boolean => !isRunning(step)
  const watch = (found: number | undefined) => watchRunner(watchedRunner(parent, found), isStepOver, systemClock.now)
  let look = watch(worker)
  if (process.platform !== 'linux') {
    // Tools that take a second; the beats do not wait for them.
    void findWorkerByTools(parent).then((found) => {
      look = watch(found)
    })
  }
  return () => {
    const sight = look()
    guard.noteLook(sight === 'there')
    return sight
  }
}

/** Asks GitHub whether the job still runs, where its runner can't be watched. Resolves with whether it is over. */
async function watchToken(
  { jobToken: token, parent, worker }: HeartbeatSettings,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<boolean> {
  if (token === undefined || isReliable(watchedRunner(parent, worker))) return false
  const { env } = process
  const apiUrl = env['GITHUB_API_URL'] || 'https://api.github.com'
  const isOver = tokenWatch(endOfTokenLife(startOfJob(env['GITHUB_EVENT_PATH']), env['RUNNER_ENVIRONMENT']), Date.now)
  while (!signal.aborted) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(REQUEST_LIMIT_MS)])
    const verdict = await askForToken({ token, apiUrl, env, signal: limit })
    if (verdict === 'refused') log('GitHub does not accept the token of the job any more.')
    if (isOver(verdict)) return true
    await systemClock.sleep(ASK_FOR_TOKEN_EVERY_MS, signal)
  }
  return false
}

/** The runner writes the event of a job when it begins it, soon after the token was made. Milliseconds since 1970. */
function startOfJob(eventFile: string | undefined): number {
  try {
    return Math.min(Date.now(), statSync(eventFile ?? '').mtimeMs)
  } catch {
    return Date.now()
  }
}

async function cancelRun({ onCancel, github }: HeartbeatSettings, log: (line: string) => void): Promise<void> {
  if (onCancel === 'ignore') return
  if (github === undefined) return log('The run is not cancelled: the input github-token is empty.')
  try {
    await retry(
      async (_tries, signal) => {
        const api = await connectGitHub({ ...github, env: process.env, signal, onProblem: log })
        await api.cancelRun()
      },
      {
        deadline: new Deadline(systemClock, CANCEL_RUN_WITHIN_MS),
        random: Math.random,
        attemptTimeoutMs: CANCEL_RUN_LIMIT_MS,
        onAttemptTimeout: (ms) => new GitHubApiError(`no answer within ${Math.round(ms / 1000)} s`, undefined),
        decide: afterFailedCancel,
        onWait: (error) => log(`The run is not cancelled yet, and it is tried again: ${errorMessage(error)}`),
      },
    )
    log('Cancelled the workflow run.')
  } catch (error) {
    const cause = error instanceof RetriesSpentError ? error.cause : error
    log(`The run could not be cancelled, which needs "permissions: actions: write": ${errorMessage(cause)}`)
  }
}

/** GitHub's refusals stay as they are; asking twice to cancel a run does no harm. */
function afterFailedCancel(error: unknown): RetryDecision {
  if (!(error instanceof GitHubApiError)) return 'fail'
  if (causesOf(error).some((cause) => cause instanceof ConfigurationError)) return 'fail'
  const { status = 500 } = error
  if (status === 429) return 'retry-throttled'
  return status >= 500 ? 'retry-with-backoff' : 'fail'
}
