import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setFlagsFromString } from 'node:v8'
import { renewBetweenBeats } from '../activity/credential-renewal.ts'
import { keepBeating } from '../activity/heartbeat-loop.ts'
import type { HeartbeatSettings } from '../activity/heartbeat-settings.ts'
import { writeState } from '../activity/heartbeat-state.ts'
import { filesIn } from '../activity/paths.ts'
import { identify, isRunning } from '../activity/processes.ts'
import { connectDataPipeline } from '../aws/data-pipeline.ts'
import { Deadline, systemClock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import { connectGitHub, GitHubApiError } from '../github/api.ts'
import { type Decision, RetriesSpentError, retry } from '../retry.ts'
import type { Invocation } from '../run-action.ts'

const BEAT_LIMIT_MS = 15_000
const REQUEST_LIMIT_MS = 10_000
/** A renewal may make two requests: for the OIDC token and for the session. */
const RENEWAL_LIMIT_MS = 2 * REQUEST_LIMIT_MS
const CANCEL_RUN_LIMIT_MS = 10_000
/** An outage of GitHub's API; a run that goes on longer only costs minutes of a runner. */
const CANCEL_RUN_WITHIN_MS = 300_000

/**
 * The heartbeat process: holds a task for as long as its job runs. Its settings come on standard input; where it ends
 * without any, the task could not be acknowledged, and there is nothing to hold.
 */
export async function heartbeat({ runner, isStopping }: Invocation): Promise<void> {
  // Code compiled to run fast gains nothing in a process that sleeps, and takes half as much memory again.
  setFlagsFromString('--no-opt')
  setFlagsFromString('--no-maglev')
  const input = await text(process.stdin)
  if (input === '') return
  const settings = JSON.parse(input) as HeartbeatSettings
  Object.assign(process.env, settings.secrets)
  runner.hide([...Object.values(settings.secrets), settings.github?.token ?? ''])
  const log = (line: string): void => runner.log.info(`${new Date().toISOString()} ${line}`)
  const files = filesIn(settings.folder)
  const { startedAt } = identify(process.pid)
  const dataPipeline = await connectDataPipeline(settings.aws, { ...runner, requestLimitMs: REQUEST_LIMIT_MS })
  try {
    log(`Holding the task in ${dataPipeline.region}, with a beat every ${settings.intervalMs / 1000} s.`)
    await keepBeating(
      {
        pid: process.pid,
        intervalMs: settings.intervalMs,
        beatLimitMs: BEAT_LIMIT_MS,
        lifetimeMs: settings.lifetimeMs,
      },
      {
        clock: systemClock,
        random: Math.random,
        async beat(signal) {
          runner.hide(await dataPipeline.secrets())
          return dataPipeline.reportTaskProgress(settings.taskId, { signal })
        },
        renewCredentials: () =>
          renewBetweenBeats(() => dataPipeline.renewCredentials(), {
            clock: systemClock,
            limitMs: RENEWAL_LIMIT_MS,
            log,
          }),
        onCanceled: () => cancelRun(settings, log),
        isStopAsked: () => existsSync(files.stop),
        isTerminated: isStopping,
        isRunnerGone: () => settings.runner !== undefined && !isRunning(settings.runner),
        save: (state) =>
          writeState(files.state, { ...state, startedAt, message: state.message && runner.redact(state.message) }),
        log,
      },
    )
  } finally {
    dataPipeline.close()
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
        tryLimitMs: CANCEL_RUN_LIMIT_MS,
        onTryTimeout: (ms) => new GitHubApiError(`no answer within ${Math.round(ms / 1000)} s`, undefined),
        decide: afterFailedCancel,
        onWait: (error) => log(`The run is not cancelled yet, and it is tried again: ${messageOf(error)}`),
      },
    )
    log('Cancelled the workflow run.')
  } catch (error) {
    const cause = error instanceof RetriesSpentError ? error.cause : error
    log(`The run could not be cancelled, which needs "permissions: actions: write": ${messageOf(cause)}`)
  }
}

/** GitHub's refusals stay as they are; asking twice to cancel a run does no harm. */
function afterFailedCancel(error: unknown): Decision {
  if (!(error instanceof GitHubApiError)) return 'stop'
  const { status = 500 } = error
  if (status === 429) return 'again-much-later'
  return status >= 500 ? 'again-later' : 'stop'
}
