import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { identify, isRunning, kill, type ProcessIdentity, statFields } from '../activity/process-identity.ts'

/** A running process. */
interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly group: number
}

/** In place of the leader of a group that is gone. */
export const NO_PROCESS = -1

/** `ps` and `taskkill` may take this long. */
const TOOL_LIMIT_MS = 5_000

/**
 * The processes that a command has started, and itself: its process group, what descends from it, and on Linux also what has its
 * environment variable, however it was started.
 *
 * @param marker `NAME=value`, which only this command has
 */
export async function familyOf(leader: number, marker: string): Promise<ProcessIdentity[]> {
  const all = process.platform === 'linux' ? processesOfLinux() : await processesOfPs()
  const family = new Set<number>()
  for (const { pid, group } of all) {
    if (pid === leader || group === leader || hasVariable(pid, marker)) family.add(pid)
  }
  for (let before = -1; before !== family.size; ) {
    before = family.size
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid)
  }
  family.delete(process.pid)
  return [...family].map((pid) => identify(pid))
}

function processesOfLinux(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [state, parent, group] = statFields(readFileSync(`/proc/${name}/stat`, 'utf8'))
        return state === 'Z' ? [] : [{ pid: Number(name), parent: Number(parent), group: Number(group) }]
      } catch {
        // It has just ended.
        return []
      }
    })
}

async function processesOfPs(): Promise<ProcessEntry[]> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,pgid='], { timeout: TOOL_LIMIT_MS })
    return stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number))
      .map(([pid = 0, parent = 0, group = 0]) => ({ pid, parent, group }))
  } catch {
    return []
  }
}

function hasVariable(pid: number, marker: string): boolean {
  if (process.platform !== 'linux') return false
  try {
    const bytes = Buffer.from(marker).toString('latin1')
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(`\0${bytes}\0`)
  } catch {
    // Of another user, or it has just ended.
    return false
  }
}

/**
 * Kills each process with a variable as soon as it is seen, the latest first: one that starts a successor and ends is gone when all
 * were looked at. Linux only.
 *
 * @returns whether there was one
 */
export function killMarked(marker: string): boolean {
  if (process.platform !== 'linux') return false
  let hasKilled = false
  for (const name of readdirSync('/proc').reverse()) {
    const pid = Number(name)
    if (!(pid > 0) || pid === process.pid || !hasVariable(pid, marker)) continue
    kill(identify(pid))
    hasKilled = true
  }
  return hasKilled
}

/** Sends a signal to every process of a group. Gives whether there is one. */
export function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-leader, signal)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Kills a group, and processes that have left it. */
export function killFamily(leader: number, family: readonly ProcessIdentity[]): void {
  if (leader !== NO_PROCESS) signalGroup(leader, 'SIGKILL')
  for (const each of family) if (isRunning(each)) kill(each)
}

/** Ends a process and all that it has started, on Windows, where processes get no signals. */
export async function killWindowsTree(pid: number): Promise<void> {
  try {
    await promisify(execFile)('taskkill', ['/PID', String(pid), '/T', '/F'], {
      timeout: TOOL_LIMIT_MS,
      windowsHide: true,
    })
  } catch {
    // It has just ended.
  }
}
