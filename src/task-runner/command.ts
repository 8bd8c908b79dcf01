import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { identify, isRunning, type ProcessIdentity } from '../activity/process-identity.ts'
import { systemClock } from '../util/clock.ts'
import { freeBuffer } from '../util/free-buffer.ts'
import { TASK_ID_VARIABLE } from './command-environment.ts'
import type { OutputStream } from './command-log.ts'
import { familyOf, killFamily, killMarked, killWindowsTree, NO_PROCESS, signalGroup } from './process-family.ts'

/** A command to run. */
export interface CommandSpec {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  /** With the id of the task, by which its processes are found. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** How a command ended. */
export type CommandEnd =
  | { readonly kind: 'exited'; readonly exitCode: number }
  | { readonly kind: 'signal'; readonly signal: string }
  | { readonly kind: 'not-started'; readonly error: Error }
  /** It was stopped before it ended by itself. */
  | { readonly kind: 'stopped' }

export interface CommandOptions {
  /** Gets the output. The command waits until it is resolved, so that memory is bounded. Then the chunk must not be used any more. */
  readonly onOutput: (stream: OutputStream, chunk: Buffer) => Promise<void> | undefined
  /** Called when the process has started. */
  readonly onStart?: (process: ProcessIdentity) => void
  /** Aborted to stop the command. */
  readonly stop: AbortSignal
  /** The first signal. Default: SIGTERM. */
  readonly stopSignal?: 'SIGTERM' | 'SIGINT'
  /** Milliseconds from the first signal to the kill, read when it is stopped, and again when it has to hurry. */
  readonly graceMs: () => number
  /** Aborted when the rest of a grace may have to be shorter. */
  readonly hurry?: AbortSignal
}

const IS_WINDOWS = process.platform === 'win32'

/** What a command has left in its group gets this long to end after a signal. */
const LEFTOVER_GRACE_MS = 500
/** When the command has ended and its pipe is silent for this long, nobody waits for its end: a process may hold it open. */
const SILENT_MS = 100
const MAX_DRAIN_MS = 2_000
const UNKILLABLE_MS = 5_000
/** What starts a process and ends at once may be missed by a look at all processes. */
const LOOKS_WITHOUT = 2
const MAX_KILLING_MS = 300
const CHECK_EVERY_MS = 10

/**
 * Runs a command in a process group of its own, until it ends or is stopped. Then its group is ended as well.
 *
 * To stop it, its group gets a signal, and after the grace SIGKILL, as does all that it has started. On Windows, the tree of its
 * processes is killed at once.
 */
export async function runCommand(spec: CommandSpec, options: CommandOptions): Promise<CommandEnd> {
  if (options.stop.aborted) return { kind: 'stopped' }
  const started = await start(spec)
  if (started instanceof Error) return { kind: 'not-started', error: started }
  const { child, pid } = started
  options.onStart?.(identify(pid))
  const readers = [read(child.stdout, 'stdout', options), read(child.stderr, 'stderr', options)]
  const exit = new Promise<CommandEnd>((resolve) => {
    child.once('exit', (exitCode, signal) => {
      resolve(signal === null ? { kind: 'exited', exitCode: exitCode ?? 1 } : { kind: 'signal', signal })
    })
  })
  let stopping: Promise<void> | undefined
  const stopped = new Promise<CommandEnd>((resolve) => {
    const stop = (): void => {
      const marker = markerOf(spec.env[TASK_ID_VARIABLE] ?? '')
      stopping = stopFamily(pid, marker, exit, options)
      // A process that waits for a drive can't even be killed.
      void stopping.then(() => systemClock.sleep(UNKILLABLE_MS)).then(() => resolve({ kind: 'stopped' }))
    }
    if (options.stop.aborted) stop()
    else options.stop.addEventListener('abort', stop, { once: true })
    void exit.then(() => options.stop.removeEventListener('abort', stop))
  })
  const end = await Promise.race([exit, stopped])
  // It may have ended by itself in the moment when it was stopped.
  const result: CommandEnd = stopping === undefined ? end : { kind: 'stopped' }
  await (stopping ?? endGroup(pid))
  await Promise.all(readers.map((reader) => reader.drain()))
  return result
}

async function start({ file, args, cwd, env }: CommandSpec): Promise<{ child: ChildWithPipes; pid: number } | Error> {
  try {
    const child = spawn(file, args, {
      cwd,
      env: env as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A session and a process group of its own. On Windows, it would be a window.
      detached: !IS_WINDOWS,
      windowsHide: true,
    })
    await new Promise((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    // What is thrown later is about signals, which the process can't get any more.
    child.on('error', () => undefined)
    return { child, pid: child.pid as number }
  } catch (error) {
    return error as Error
  }
}

type ChildWithPipes = ChildProcess & { readonly stdout: Readable; readonly stderr: Readable }

/** Reads a pipe to its end, or until nobody who matters holds it. */
function read(
  pipe: Readable,
  stream: OutputStream,
  { onOutput }: CommandOptions,
): { readonly drain: () => Promise<void> } {
  let isOpen = true
  let lastAt = systemClock.now()
  let isIgnored = false
  let isWaiting = false
  pipe.on('data', (chunk: Buffer) => {
    lastAt = systemClock.now()
    if (isIgnored) return
    const wait = onOutput(stream, chunk)
    if (wait === undefined) return freeBuffer(chunk)
    isWaiting = true
    pipe.pause()
    void wait.finally(() => {
      freeBuffer(chunk)
      isWaiting = false
      pipe.resume()
    })
  })
  const close = (): void => {
    isOpen = false
  }
  pipe.once('close', close)
  pipe.once('error', close)
  return {
    async drain() {
      const until = systemClock.now() + MAX_DRAIN_MS
      lastAt = systemClock.now()
      while (isOpen && systemClock.now() < until && (isWaiting || systemClock.now() - lastAt < SILENT_MS)) {
        await systemClock.sleep(CHECK_EVERY_MS)
      }
      // A process that holds the pipe is read on, as it would be ended by a closed pipe. It does not keep this one alive.
      isIgnored = true
      ;(pipe as Readable & { unref?: () => void }).unref?.()
    },
  }
}

/** Stops a command, and all that it has started. */
async function stopFamily(
  pid: number,
  marker: string,
  exit: Promise<unknown>,
  { stopSignal = 'SIGTERM', graceMs, hurry }: Pick<CommandOptions, 'stopSignal' | 'graceMs' | 'hurry'>,
): Promise<void> {
  if (IS_WINDOWS) return killWindowsTree(pid)
  let until = systemClock.now() + graceMs()
  const shorten = (): void => {
    until = Math.min(until, systemClock.now() + graceMs())
  }
  hurry?.addEventListener('abort', shorten, { once: true })
  // Before anything ends: what it has started may be adopted by another process then.
  const before = await familyOf(pid, marker)
  signalGroup(pid, stopSignal)
  let hasExited = false
  void exit.then(() => {
    hasExited = true
  })
  while (systemClock.now() < until && !(hasExited && !signalGroup(pid, 0))) await systemClock.sleep(CHECK_EVERY_MS)
  hurry?.removeEventListener('abort', shorten)
  killFamily(pid, before)
  await killAll(pid, marker)
}

/** Kills a family until nothing is seen of it: while it is ended, it may start others. */
async function killAll(leader: number, marker: string): Promise<void> {
  const until = systemClock.now() + MAX_KILLING_MS
  for (let unseen = 0; unseen < LOOKS_WITHOUT && systemClock.now() < until; ) {
    const hasKilled = killMarked(marker)
    const family = await familyOf(leader, marker)
    killFamily(leader, family)
    unseen = hasKilled || family.length > 0 ? 0 : unseen + 1
    await systemClock.sleep(1)
  }
}

/** Ends what a command has left in its group. */
async function endGroup(pid: number): Promise<void> {
  if (IS_WINDOWS || !signalGroup(pid, 'SIGTERM')) return
  const until = systemClock.now() + LEFTOVER_GRACE_MS
  while (signalGroup(pid, 0)) {
    if (systemClock.now() >= until) {
      signalGroup(pid, 'SIGKILL')
      return
    }
    await systemClock.sleep(CHECK_EVERY_MS)
  }
}

/**
 * Ends a command of a step that was killed, and all that it has started.
 *
 * @param command undefined when the step had not noted it, or was copying files
 */
export async function endAbandoned(command: ProcessIdentity | undefined, taskId: string): Promise<void> {
  if (IS_WINDOWS) {
    if (command !== undefined && isRunning(command)) await killWindowsTree(command.pid)
    return
  }
  // Where another process has its id by now, its group is gone.
  const isOther = command === undefined || (exists(command.pid) && !isRunning(command))
  await killAll(isOther ? NO_PROCESS : command.pid, markerOf(taskId))
}

function exists(pid: number): boolean {
  return identify(pid).startedAt !== undefined
}

function markerOf(taskId: string): string {
  return `${TASK_ID_VARIABLE}=${taskId.replaceAll('\0', '')}`
}
