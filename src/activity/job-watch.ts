import { statSync } from 'node:fs'
import { askForToken, endOfTokenLife, tokenWatch } from '../github/job-token.ts'
import { systemClock } from '../util/clock.ts'
import type { HeartbeatSettings } from './heartbeat-settings.ts'
import type { LossGuard } from './loss-guard.ts'
import { isRunning } from './process-identity.ts'
import { findWorkerByTools, isReliable, type RunnerSight, watchedRunner, watchRunner } from './runner-watch.ts'

const REQUEST_LIMIT_MS = 10_000
/** Three refusals in a row end the heartbeats: within 20 minutes of the end of the job. */
const ASK_FOR_TOKEN_EVERY_MS = 240_000

/** A function that looks at the runner, where it is known which process that is. */
export function runnerWatch(
  { step, parent, worker }: Pick<HeartbeatSettings, 'step' | 'parent' | 'worker'>,
  guard: LossGuard,
): () => RunnerSight {
  const isStepOver = (): boolean => !isRunning(step)
  const watch = (found: number | undefined) => watchRunner(watchedRunner(parent, found), isStepOver, systemClock.now)
  let look = watch(worker)
  if (process.platform !== 'linux') {
    // These tools take a second. The heartbeats do not wait for them.
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

/**
 * Asks GitHub whether the job still runs, where its runner can't be watched.
 *
 * @returns whether the job is over; false when the signal was aborted first
 */
export async function waitForEndOfJob(
  { jobToken: token, parent, worker }: Pick<HeartbeatSettings, 'jobToken' | 'parent' | 'worker'>,
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
