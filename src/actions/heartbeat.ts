import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setFlagsFromString } from 'node:v8'
import { keepBeating } from '../activity/heartbeat-loop.ts'
import type { HeartbeatSettings } from '../activity/heartbeat-settings.ts'
import { writeState } from '../activity/heartbeat-state.ts'
import { filesIn } from '../activity/paths.ts'
import { identify, isRunning } from '../activity/processes.ts'
import { connectDataPipeline } from '../aws/data-pipeline.ts'
import { systemClock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import { connectGitHub } from '../github/api.ts'
import type { Invocation } from '../run-action.ts'

const BEAT_LIMIT_MS = 15_000
const REQUEST_LIMIT_MS = 10_000
const CANCEL_RUN_LIMIT_MS = 30_000

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
        renewCredentials: () => dataPipeline.renewCredentials(),
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
    const signal = AbortSignal.timeout(CANCEL_RUN_LIMIT_MS)
    const api = await connectGitHub({ ...github, env: process.env, signal, onProblem: log })
    await api.cancelRun()
    log('Cancelled the workflow run.')
  } catch (error) {
    log(`The run could not be cancelled, which needs "permissions: actions: write": ${messageOf(error)}`)
  }
}
