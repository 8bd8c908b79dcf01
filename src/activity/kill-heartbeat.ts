import { readdirSync } from 'node:fs'
import type { HeartbeatAddress } from './heartbeat-address.ts'
import { identify, kill, type ProcessIdentity } from './process-identity.ts'
import { procAncestry } from './runner-watch.ts'

/** The title of the heartbeat process, before the id of the task in this job. */
export const HEARTBEAT_TITLE = 'datapipeline-heartbeat'

/** Kills the process at the address, so that it makes no second report later. */
export function killHeartbeat({ id }: HeartbeatAddress, known: ProcessIdentity | undefined): void {
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
