import { readdirSync } from 'node:fs'
import type { Runner } from '../github/runner.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Decision } from '../report/decision.ts'
import { ReportMarker } from '../report/report-marker.ts'
import { DirectRoute, type ReportRoute } from '../report/report-route.ts'
import type { Clock } from '../util/clock.ts'
import { temporaryFolder } from './files.ts'
import { type HeartbeatAddress, heartbeatAddress } from './heartbeat-address.ts'
import { connectHeartbeat, type HeartbeatClient } from './heartbeat-client.ts'
import { HeartbeatRoute } from './heartbeat-route.ts'
import { identify, isRunning, kill, type ProcessIdentity } from './process-identity.ts'
import { procAncestry } from './runner-watch.ts'

/** The title of the heartbeat process, before the id of the task in this job. */
export const HEARTBEAT_TITLE = 'datapipeline-heartbeat'

/** A process that runs, and does not listen yet, gets this long to be ready. */
const READY_WITHIN_MS = 5_000
const CHECK_EVERY_MS = 10

/** The marker of a task in this job. */
export function reportMarker(taskId: string, { env, log }: Runner): ReportMarker {
  return new ReportMarker(temporaryFolder(env), heartbeatAddress(taskId, env).id, (error) =>
    log.debug(`The report marker: ${errorMessage(error)}`),
  )
}

/**
 * Connects to the heartbeat process that holds a task for this job. Kills one that does not respond.
 *
 * @param known the process, if it is known. It may not be ready yet
 * @returns undefined when there is none
 */
export async function findHeartbeat(
  taskId: string,
  { env }: Pick<Runner, 'env'>,
  clock: Clock,
  known?: ProcessIdentity,
): Promise<HeartbeatClient | undefined> {
  const address = heartbeatAddress(taskId, env)
  const until = clock.now() + READY_WITHIN_MS
  for (;;) {
    const client = await connectHeartbeat(address, clock)
    if (client !== 'absent' && client !== 'silent') return client
    if (client === 'absent' && known === undefined) return undefined
    const isStarting = client === 'absent' && known !== undefined && isRunning(known) && clock.now() < until
    if (!isStarting) break
    await clock.sleep(CHECK_EVERY_MS)
  }
  killHeartbeat(address, known)
  return undefined
}

/** The route for a report of a task: through the heartbeat process that holds it, or else directly. */
export function routeFor(
  taskId: string,
  by: Decision['by'],
  client: HeartbeatClient | undefined,
  runner: Runner,
  known?: ProcessIdentity,
): ReportRoute {
  // Made also when the process reports: if it ends before that, its marker shows which of two steps is the later one.
  const direct = new DirectRoute(by, reportMarker(taskId, runner), runner)
  if (client === undefined) return direct
  return new HeartbeatRoute(client, runner, () => {
    killHeartbeat(heartbeatAddress(taskId, runner.env), known)
    return direct
  })
}

/** Kills the process at the address, so that it makes no second report later. */
function killHeartbeat({ id }: HeartbeatAddress, known: ProcessIdentity | undefined): void {
  for (const process of [...(known === undefined ? [] : [known]), ...processesTitled(`${HEARTBEAT_TITLE} ${id}`)]) {
    kill(process)
  }
}

/** The processes with this title; Linux only. */
function processesTitled(title: string): ProcessIdentity[] {
  if (process.platform !== 'linux') return []
  return numbersOf('/proc')
    .filter((pid) => procAncestry.commandOf(pid).some((argument) => argument.trim() === title))
    .map((pid) => identify(pid))
}

/** The entries of a folder that are numbers; none when it can't be read. */
function numbersOf(folder: string): number[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}
