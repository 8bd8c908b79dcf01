import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

// Information on processes from /proc on Linux (proc(5)). Elsewhere, only the existence of a process is known.

/** Clock ticks in a second, the unit of CPU times; 100 on every Linux that actions run on. */
const TICKS_PER_SECOND = 100

/** The processes that were started with an environment variable whose value has this prefix. Zombies have no variables. */
export function processesWith(variable: string, beginning: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => environmentOf(pid)[variable]?.startsWith(beginning))
}

/** The environment that a process was started with; empty when it is gone. */
export function environmentOf(pid: number): Record<string, string> {
  const pairs = read(pid, 'environ').split('\0')
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
}

/** The program and its arguments; empty when the process is gone. */
export function argumentsOf(pid: number): string[] {
  return read(pid, 'cmdline').split('\0').slice(0, -1)
}

/** The open file descriptors of a process: for each number a path, or `pipe:[…]`, `socket:[…]`. */
export function openFilesOf(pid: number): Record<string, string> {
  const folder = `/proc/${pid}/fd`
  return Object.fromEntries(
    readdirSync(folder).flatMap((number) => {
      try {
        return [[number, readlinkSync(`${folder}/${number}`)]]
      } catch {
        return []
      }
    }),
  )
}

/** Bytes in the machine's memory. */
export function residentBytesOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(pid, 'status'))?.[1]) * 1024
}

/** Seconds of user and system CPU time since its start. */
export function cpuSecondsOf(pid: number): number {
  const stat = read(pid, 'stat')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Its parent process, or the one that has adopted it; undefined when it is gone. */
export function parentOf(pid: number): number | undefined {
  const parent = /^PPid:\s+(\d+)$/m.exec(read(pid, 'status'))?.[1]
  return parent === undefined ? undefined : Number(parent)
}

/** Whether a process runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  return /^State:\s+[^ZX]/m.test(read(pid, 'status'))
}

/** Whether this user has a process with this id. On every system. On Linux a zombie counts. */
export function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Polls until the condition holds. False after the limit, which is long, for slow machines. */
export async function eventually(holds: () => boolean, withinMs = 30_000): Promise<boolean> {
  const until = performance.now() + withinMs
  while (!holds()) {
    if (performance.now() > until) return false
    await delay(50)
  }
  return true
}

/** Kills the processes, and ignores those that have ended. */
export function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has just ended.
    }
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
