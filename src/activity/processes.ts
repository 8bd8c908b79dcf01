import { readFileSync } from 'node:fs'

/** A process, told from a later one with the same number by when it started, where the system tells. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startedAt: string | undefined
}

/** The identity of a running process. */
export function identify(pid: number): ProcessIdentity {
  return { pid, startedAt: startOf(pid) }
}

/** Whether it still runs. Where the system tells no start, any process with its number counts. */
export function isRunning({ pid, startedAt }: ProcessIdentity): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // A process of another user, as the runner may be one, can't be signalled, but is there.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return startedAt === undefined || startOf(pid) === startedAt
}

/** Linux: the time after boot (proc(5), field 22 of stat); elsewhere undefined. A zombie counts as gone. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may have spaces and parentheses in it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? 'zombie' : fields[19]
  } catch {
    return undefined
  }
}
