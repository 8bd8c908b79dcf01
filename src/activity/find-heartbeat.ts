import { readdirSync } from 'node:fs'
import type { Runner } from '../github/runner.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Decision } from '../report/decision.ts'
import { ReportMarker } from '../report/report-marker.ts'
import { DirectRoute, type ReportRoute } from '../report/report-route.ts'
import type { Clock } from '../util/clock.ts'
import { temporaryFolder } from './files.ts'
import { type HolderAddress, holderAddress } from './heartbeat-address.ts'
import { connectHolder, type Holder } from './heartbeat-client.ts'
import { HolderRoute } from './heartbeat-route.ts'
import { identify, isRunning, kill, type ProcessIdentity } from './process-identity.ts'
import { procAncestry } from './runner-watch.ts'

/** The title of the heartbeat process, before the id of the task in this job. */
export const HEARTBEAT_TITLE = 'datapipeline-heartbeat'

/** How long a process that runs, and at whose address nobody listens, is given to get ready. */
const READY_WITHIN_MS = 5_000
const LOOK_EVERY_MS = 10

/** The marker of a task in this job. */
export function reportMarker(taskId: string, { env, log }: Runner): ReportMarker {
  return new ReportMarker(temporaryFolder(env), holderAddress(taskId, env).id, (error) =>
    log.debug(`The marker of the report: ${errorMessage(error)}`),
  )
}

/**
 * Connects to the process that holds a task for this job. One that gives no word is killed.
 *
 * @param known the process, where it is known: it may not be ready yet
 * @returns undefined when there is none
 */
export async function findHolder(
  taskId: string,
  { env }: Pick<Runner, 'env'>,
  clock: Clock,
  known?: ProcessIdentity,
): Promise<Holder | undefined> {
  const address = holderAddress(taskId, env)
  const until = clock.now() + READY_WITHIN_MS
  for (;;) {
    const holder = await connectHolder(address, clock)
    if (holder !== 'absent' && holder !== 'silent') return holder
    if (holder === 'absent' && known === undefined) return undefined
    const isStarting = holder === 'absent' && known !== undefined && isRunning(known) && clock.now() < until
    if (!isStarting) break
    await clock.sleep(LOOK_EVERY_MS)
  }
  endHolder(address, known)
  return undefined
}

/** The route for a report of a task: by the process that holds it, or else directly. */
export function routeFor(
  taskId: string,
  by: Decision['by'],
  holder: Holder | undefined,
  runner: Runner,
  known?: ProcessIdentity,
): ReportRoute {
  // Also where the process makes the report: if it ends before, it is known which of two steps is the later one.
  const direct = new DirectRoute(by, reportMarker(taskId, runner), runner)
  if (holder === undefined) return direct
  return new HolderRoute(holder, runner, () => {
    endHolder(holderAddress(taskId, runner.env), known)
    return direct
  })
}

/** Kills the process at the address: a report that it makes later would be one too many. */
function endHolder({ id }: HolderAddress, known: ProcessIdentity | undefined): void {
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

/** The entries of a folder that are numbers; none where it can't be read. */
function numbersOf(folder: string): number[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}
