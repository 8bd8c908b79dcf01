import { readFileSync } from 'node:fs'

/** A process, told from a later one with the same number by when it started, where the system tells. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startedAt: string | undefined
}

/** What is asked of the operating system. */
export interface ProcessTable {
  /** @throws with the code ESRCH when there is no such process */
  signal(pid: number, signal: 0 | 'SIGKILL'): void
  /** When it started, in a form of the system's own; undefined where that can't be told. */
  startOf(pid: number): string | undefined
}

/**
 * This machine. Only Linux tells when a process started, by a file: what other systems need for it is a program that
 * takes longer than a beat.
 */
export const thisMachine: ProcessTable = {
  signal: (pid, signal) => process.kill(pid, signal),
  startOf(pid) {
    try {
      return startIn(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    } catch {
      return undefined
    }
  },
}

/** The identity of a running process. */
export function identify(pid: number, table = thisMachine): ProcessIdentity {
  return { pid, startedAt: table.startOf(pid) }
}

/**
 * Whether it still runs; in doubt, it does: a heartbeat that takes the runner for gone lets its task go. Where the system
 * tells no start, any process with its number counts.
 */
export function isRunning({ pid, startedAt }: ProcessIdentity, table = thisMachine): boolean {
  // 0 is the group of this process.
  if (pid <= 0) return false
  try {
    table.signal(pid, 0)
  } catch (error) {
    // A process of another user, as the runner may be one, can't be signalled, but is there.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = table.startOf(pid)
  return startedAt === undefined || now === undefined || now === startedAt
}

/**
 * Ends a process at once; in doubt, it does not: where the system tells no start, the number may be that of another
 * process by now, which may be anybody's.
 */
export function kill({ pid, startedAt }: ProcessIdentity, table = thisMachine): void {
  if (startedAt === undefined || table.startOf(pid) !== startedAt) return
  try {
    table.signal(pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

/** The time after boot (proc(5), field 22 of stat). A zombie counts as gone. */
function startIn(stat: string): string | undefined {
  // The name, in parentheses, may have spaces and parentheses in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? 'zombie' : fields[19]
}
