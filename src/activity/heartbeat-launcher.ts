import { closeSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Invocation } from '../github/invocation.ts'
import { isSecretVariable } from '../masking/environment-secrets.ts'
import { errorMessage } from '../masking/error-message.ts'
import { withoutSecrets } from '../masking/known-secrets.ts'
import type { Clock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { readOwnFile } from '../util/own-file.ts'
import { type ActivityFiles, filesIn, makeActivityFolder, temporaryFolder } from './files.ts'
import { TRACKING_SUFFIX, TRACKING_VARIABLE } from './heartbeat-address.ts'
import type { HeartbeatSettings } from './heartbeat-settings.ts'
import { readState } from './heartbeat-state.ts'
import { isSameNode, type NodeCommand, nodeCommands, wrappedNode } from './node-command.ts'
import { identify, type ProcessIdentity } from './process-identity.ts'
import { findWorker } from './runner-watch.ts'
import { type StartedProcess, startProcess } from './start-process.ts'

/** Starting Node and the SDK takes a fraction of a second; a machine may be busy. */
const READY_WITHIN_MS = 15_000
const LOOK_EVERY_MS = 5
/** The end of the log that is shown. */
const SHOWN_LOG_BYTES = 16_000

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
  /** To be saved before anything else, as this step may be killed. */
  readonly process: ProcessIdentity
  /** Of its files. */
  readonly folder: string
  /**
   * Tells it what to hold, and waits until it is ready.
   *
   * @param bindToShutdown makes the time for that shorter when the runner wants the step to end
   * @returns the process
   * @throws Error with the end of its log when it does not get ready
   */
  start(settings: StepSettings, bindToShutdown: Invocation['bindToShutdown']): Promise<ProcessIdentity>
  /** Ends it: there is nothing to hold. */
  cancel(): void
}

/** What the step knows of the settings; the rest the launcher does. */
type StepSettings = Omit<HeartbeatSettings, 'folder' | 'parent' | 'secrets' | 'step' | 'worker'>

/**
 * Starts the heartbeat process, which does nothing until it is told what to hold, and ends when this process ends before:
 * so it can start while the task is being acknowledged. It is detached, and holds no pipe of the step: the runner waits
 * for open pipes, and kills those that hold them.
 *
 * @throws Error when there is no place for its files
 */
export function launchHeartbeat(
  taskId: string,
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): LaunchedHeartbeat {
  const { folder, log } = makePlace(temporaryFolder(env), taskId)
  const files = filesIn(folder)
  // Now: an orphan of a runner that is lost meanwhile has another parent.
  const runner = { parent: process.ppid, worker: findWorker(process.ppid) }
  const { plain, secrets } = environmentFor(env, runner.worker)
  const nodes = nodeCommands()
  let child = start(nodes.shift() as NodeCommand)

  function start([node, ...args]: NodeCommand): StartedProcess {
    return startProcess(node, [...args, ...SMALL, entry()], { env: plain, log })
  }

  return {
    get process() {
      return child.identity
    },
    folder,
    async start(settings, bindToShutdown) {
      const step = identify(process.pid)
      const all: HeartbeatSettings = { ...settings, ...runner, step, folder, secrets }
      const ready = bindToShutdown(new Deadline(clock, READY_WITHIN_MS))
      const toldAt = clock.now()
      try {
        for (;;) {
          child.writeInput(JSON.stringify(all))
          let missing = whatIsMissing(files)
          while (child.failure() === undefined && missing !== undefined) {
            if (ready.remaining() === 0) {
              child.kill()
              const seconds = Math.round((clock.now() - toldAt) / 1000)
              throw notStarted(`it was not ready within ${seconds} s (${missing})`, files)
            }
            await clock.sleep(LOOK_EVERY_MS)
            missing = whatIsMissing(files)
          }
          const failure = child.failure()
          if (failure === undefined) return child.identity
          const next = nodes.find((command) => isSameNode(command))
          if (next === undefined) throw notStarted(failure, files)
          nodes.splice(0, nodes.indexOf(next) + 1)
          child = start(next)
        }
      } finally {
        closeSync(log)
      }
    },
    cancel() {
      child.kill()
    },
  }
}

/** What is missing for the process to be ready; undefined when it is. */
function whatIsMissing({ state }: ActivityFiles): string | undefined {
  try {
    return readState(state) === undefined ? 'there is no state of it' : undefined
  } catch (error) {
    return `its state can't be read: ${errorMessage(error)}`
  }
}

function notStarted(why: string, files: ActivityFiles): Error {
  return new Error(`The heartbeat process did not start: ${why}.${wrappedNode()} ${endOfLog(files)}`.trimEnd())
}

/**
 * The environment of the heartbeat process, and the credentials in it, which go over its standard input. NODE_DEBUG is
 * left out: Node would write the headers of requests, with tokens in them, into its log. Where the runner
 * is watched, the process outlives it, to report that it is lost: the runner kills what has the tracking id of its job.
 */
function environmentFor(
  env: Readonly<Record<string, string | undefined>>,
  worker: number | undefined,
): { plain: Record<string, string>; secrets: Record<string, string> } {
  const secrets: Record<string, string> = {}
  const plain: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || /^(INPUT_|NODE_DEBUG$)/i.test(name)) continue
    ;(isSecretVariable(name) ? secrets : plain)[name] = value
  }
  // Elsewhere than on Linux the process itself finds out whether there is a Worker.
  const isWatched = worker !== undefined || process.platform !== 'linux'
  if (isWatched && plain[TRACKING_VARIABLE]) plain[TRACKING_VARIABLE] += TRACKING_SUFFIX
  return { plain, secrets }
}

/** Makes the folder of the files, and opens the log in there. */
function makePlace(temp: string, taskId: string): { folder: string; log: number } {
  try {
    const folder = makeActivityFolder(temp, taskId)
    const log = openSync(filesIn(folder).log.path, 'ax', 0o600)
    // A full disk shows only now, and would otherwise be a process that can't say why it does not get ready.
    writeSync(log, `${new Date().toISOString()} Starting.\n`)
    return { folder, log }
  } catch (cause) {
    throw new Error(
      `The heartbeat process has no place for its files in the runner's temporary folder: ${errorMessage(cause)}.`,
      { cause },
    )
  }
}

/** The end of the log of the heartbeat process. */
export function endOfLog(files: ActivityFiles): string {
  try {
    const text = readOwnFile(files.log, SHOWN_LOG_BYTES, 'end') ?? ''
    // Where it is cut, there may be a part of a secret in what is left of a line.
    const lines = Buffer.byteLength(text) < SHOWN_LOG_BYTES ? text : text.replace(/^.*\n/, '')
    return withoutSecrets(lines).trim()
  } catch {
    return ''
  }
}
