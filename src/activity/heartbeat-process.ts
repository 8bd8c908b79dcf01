import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Clock, Deadline } from '../clock.ts'
import { isSecretVariable } from '../environment-secrets.ts'
import { messageOf } from '../errors.ts'
import { createMarkFile, readRegularFile } from '../regular-file.ts'
import type { Invocation } from '../run-action.ts'
import type { HeartbeatSettings } from './heartbeat-settings.ts'
import { type HeartbeatState, readState } from './heartbeat-state.ts'
import { type ActivityFiles, filesIn } from './paths.ts'
import { identify, isRunning, kill, type ProcessIdentity } from './processes.ts'

/** Starting Node and the SDK takes a fraction of a second; a machine may be busy. */
const READY_WITHIN_MS = 15_000
const LOOK_EVERY_MS = 5
/** It looks four times a second; the rest is for a machine that is busy. */
const STOP_WITHIN_MS = 10_000
/** The end of the log that is shown. */
const SHOWN_LOG_CHARACTERS = 16_000

/**
 * A process that works for milliseconds and then sleeps for a minute needs no room for much garbage; without these flags
 * it grows to twice its size. The limit is far above what it uses. Flags that change how code is compiled are set by the
 * process itself: here they would make Node compile its own modules anew, which takes 20 ms.
 */
const SMALL = ['--max-semi-space-size=1', '--max-old-space-size=64', '--single-threaded-gc', '--v8-pool-size=1']

/** The entry of the heartbeat process, beside the bundle that this code is in. */
function entry(): string {
  return join(dirname(fileURLToPath(import.meta.url)), '..', 'heartbeat.js')
}

/** A heartbeat process that was started, and waits to be told what to hold. */
export interface LaunchedHeartbeat {
  /**
   * Tells it what to hold, and waits until it is ready.
   *
   * @param stoppable makes the time for that shorter when the runner wants the step to end
   * @returns the process
   * @throws Error with the end of its log when it does not get ready
   */
  hold(
    settings: Omit<HeartbeatSettings, 'folder' | 'secrets'>,
    stoppable: Invocation['stoppable'],
  ): Promise<ProcessIdentity>
  /** Ends it: there is nothing to hold. */
  abandon(): void
}

/**
 * Starts the heartbeat process, which does nothing until it is told what to hold, and ends when this process ends before:
 * so it can start while the task is being acknowledged. It is detached, and holds no pipe of the step: the runner waits
 * for open pipes, and kills those that hold them.
 */
export function launchHeartbeat(
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): LaunchedHeartbeat {
  const files = filesIn(folder)
  const log = openLog(files)
  const secrets: Record<string, string> = {}
  const plain: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || /^INPUT_/i.test(name)) continue
    ;(isSecretVariable(name) ? secrets : plain)[name] = value
  }
  const child = spawn(process.execPath, [...SMALL, entry()], {
    detached: true,
    stdio: ['pipe', log, log],
    env: plain,
    windowsHide: true,
  })
  closeSync(log)
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  child.once('exit', (code, signal) => {
    failure ??= new Error(`it ended with ${signal ?? `exit code ${code}`}`)
  })
  // A process that is gone already breaks the pipe; how it ended says more.
  child.stdin?.on('error', () => undefined)
  child.unref()

  return {
    async hold(settings, stoppable) {
      child.stdin?.end(JSON.stringify({ ...settings, folder, secrets } satisfies HeartbeatSettings))
      const ready = stoppable(new Deadline(clock, READY_WITHIN_MS))
      const toldAt = clock.now()
      while (readState(files.state) === undefined) {
        if (failure === undefined && ready.remaining() === 0) {
          child.kill('SIGKILL')
          failure = new Error(`it was not ready within ${Math.round((clock.now() - toldAt) / 1000)} s`)
        }
        if (failure !== undefined)
          throw new Error(`The heartbeat process did not start: ${failure.message}. ${endOfLog(files)}`)
        await clock.sleep(LOOK_EVERY_MS)
      }
      return identify(child.pid as number)
    },
    abandon() {
      child.stdin?.destroy()
      child.kill('SIGKILL')
    },
  }
}

function openLog(files: ActivityFiles): number {
  try {
    mkdirSync(files.folder, { recursive: true, mode: 0o700 })
    const log = openSync(files.log, 'a', 0o600)
    // A full disk shows only now, and would otherwise be a process that can't say why it does not get ready.
    writeSync(log, `${new Date().toISOString()} Starting.\n`)
    return log
  } catch (cause) {
    throw new Error(
      `The heartbeat process has no place for its files in the runner's temporary folder: ${messageOf(cause)}.`,
      { cause },
    )
  }
}

/**
 * Stops the heartbeat process: asks it to end, waits, and kills it only then, where it can be told from others. One that
 * is gone already is fine, and so are files that the job has deleted.
 *
 * @returns its last state; undefined when there is none
 */
export async function stopHeartbeat(
  folder: string,
  heartbeat: ProcessIdentity,
  clock: Clock,
): Promise<HeartbeatState | undefined> {
  const files = filesIn(folder)
  askToStop(folder)
  const until = clock.now() + STOP_WITHIN_MS
  while (isRunning(heartbeat) && readState(files.state)?.ended === undefined) {
    if (clock.now() >= until) {
      kill(heartbeat)
      break
    }
    await clock.sleep(LOOK_EVERY_MS)
  }
  return readState(files.state)
}

/** Leaves word for a heartbeat process to end: also for one that is not ready yet. */
export function askToStop(folder: string): void {
  const files = filesIn(folder)
  try {
    mkdirSync(files.folder, { recursive: true, mode: 0o700 })
    createMarkFile(files.stop)
  } catch {
    // One that runs is killed after a while.
  }
}

/** The end of the log of the heartbeat process. */
export function endOfLog(files: ActivityFiles): string {
  try {
    return readRegularFile(files.log).trim().slice(-SHOWN_LOG_CHARACTERS)
  } catch {
    return ''
  }
}
