import { connect, type Socket } from 'node:net'
import type { Runner } from '../github/runner.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Decision } from '../report/decision.ts'
import { ReportMarker } from '../report/report-marker.ts'
import { DirectRoute, type ReportRoute } from '../report/report-route.ts'
import type { Clock } from '../util/clock.ts'
import { temporaryFolder } from './files.ts'
import { type HeartbeatAddress, heartbeatAddress } from './heartbeat-address.ts'
import type { HeartbeatClient } from './heartbeat-client.ts'
import type { ProcessIdentity } from './process-identity.ts'

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
    if (client === 'silent') break
    if (known === undefined) return undefined
    const { isRunning } = await import('./process-identity.ts')
    if (!isRunning(known) || clock.now() >= until) break
    await clock.sleep(CHECK_EVERY_MS)
  }
  const { killHeartbeat } = await import('./kill-heartbeat.ts')
  killHeartbeat(address, known)
  return undefined
}

/**
 * Connects to the heartbeat process of a task.
 *
 * @returns `absent` when nothing listens, `silent` when the listener does not prove within 5 s that it belongs to this job
 */
export async function connectHeartbeat(
  address: HeartbeatAddress,
  clock: Clock,
): Promise<HeartbeatClient | 'absent' | 'silent'> {
  const socket = await connectSocket(address)
  if (socket === undefined) return 'absent'
  // A chunk of its own, as most jobs have no heartbeat process.
  const { openHeartbeat } = await import('./heartbeat-client.ts')
  return openHeartbeat(socket, address, clock)
}

function connectSocket({ path }: HeartbeatAddress): Promise<Socket | undefined> {
  const socket = connect(path)
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(socket)).once('error', () => resolve(undefined))
  })
}

/** The route for a report of a task: through the heartbeat process that holds it, or else directly. */
export async function routeFor(
  taskId: string,
  by: Decision['by'],
  client: HeartbeatClient | undefined,
  runner: Runner,
  known?: ProcessIdentity,
): Promise<ReportRoute> {
  // Made also when the process reports: if it ends before that, its marker shows which of two steps is the later one.
  const direct = new DirectRoute(by, reportMarker(taskId, runner), runner)
  if (client === undefined) return direct
  const { HeartbeatRoute } = await import('./heartbeat-route.ts')
  return new HeartbeatRoute(client, runner, async () => {
    const { killHeartbeat } = await import('./kill-heartbeat.ts')
    killHeartbeat(heartbeatAddress(taskId, runner.env), known)
    return direct
  })
}
