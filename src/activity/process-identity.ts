import { readFileSync } from 'node:fs'

/** A process. Its start tells it from a later one with the same id, where the system provides it. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startedAt: string | undefined
}

/** What the operating system knows of processes. */
export interface ProcessTable {
  /** @throws with the code ESRCH when there is no such process */
  signal(pid: number, signal: 0 | 'SIGKILL'): void
  /** When it started, in a format of the system; undefined when the system does not provide it. */
  startOf(pid: number): string | undefined
}

/**
 * The processes of this machine. Only Linux provides their start in a file. Other systems need a program for it that takes
 * longer than a heartbeat.
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
 * Whether it still runs. In doubt, it does: heartbeats end when the runner is taken for gone. Where its start is not known,
 * any process with its id counts.
 */
export function isRunning({ pid, startedAt }: ProcessIdentity, table = thisMachine): boolean {
  // 0 is the group of this process.
  if (pid <= 0) return false
  try {
    table.signal(pid, 0)
  } catch (error) {
    // A process of another user can't be signaled, but it runs.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = table.startOf(pid)
  return startedAt === undefined || now === undefined || now === startedAt
}

/**
 * Kills a process. In doubt, it does not: where its start is not known, another process may have its id by now.
 */
export function kill({ pid, startedAt }: ProcessIdentity, table = thisMachine): void {
  if (startedAt === undefined || table.startOf(pid) !== startedAt) return
  try {
    table.signal(pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

/** The time after boot (proc(5), field 22 of stat). A zombie counts as ended. */
function startIn(stat: string): string | undefined {
  const fields = statFields(stat)
  return fields[0] === 'Z' ? 'zombie' : fields[19]
}

/** The fields of /proc/PID/stat behind the name: state, parent, group and so on (proc(5), from field 3 on). */
export function statFields(stat: string): string[] {
  // The name, in parentheses, may have spaces and parentheses in it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}
