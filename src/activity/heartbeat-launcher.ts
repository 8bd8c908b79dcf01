import { closeSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Invocation } from '../github/invocation.ts'
import { isSecretVariable } from '../masking/environment-secrets.ts'
import { errorMessage } from '../masking/error-message.ts'
import { withoutSecrets } from '../masking/known-secrets.ts'
import type { Clock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'
import { readOwnFile } from '../util/own-file.ts'
import { type ActivityFiles, filesIn, makeActivityFolder, temporaryFolder } from './files.ts'
import { TRACKING_SUFFIX, TRACKING_VARIABLE } from './heartbeat-address.ts'
import type { HeartbeatSettings } from './heartbeat-settings.ts'
import { readState } from './heartbeat-state.ts'
import { isSameNode, type NodeCommand, nodeCommands, wrappedNode } from './node-command.ts'
import { identify, type ProcessIdentity } from './process-identity.ts'
import { findWorker } from './runner-watch.ts'
import { type StartedProcess, startProcess } from './start-process.ts'

/** Node and the SDK start in a fraction of a second. Most of this is for a slow machine. */
const READY_WITHIN_MS = 15_000
const CHECK_EVERY_MS = 5
/** The end of the log that is shown. */
const LOG_EXCERPT_BYTES = 16_000

/**
 * A process that works for milliseconds and then sleeps for a minute needs little memory for garbage. Without these flags it
 * grows to twice its size. The limit is far above what it uses. The process itself sets flags for compilation: here, they
 * would make Node compile its own modules again, which takes 20 ms.
 */
const MEMORY_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=64', '--single-threaded-gc', '--v8-pool-size=1']

/** The entry of the heartbeat process, beside the bundle that this code is in. */
function entry(): string {
  return join(dirname(fileURLToPath(import.meta.url)), '..', 'heartbeat.js')
}

/** A heartbeat process that was started, and waits for its settings. */
export interface LaunchedHeartbeat {
  /** To be saved before `start`, as this step may be killed. */
  readonly process: ProcessIdentity
  /** Of its files. */
  readonly folder: string
  /**
   * Sends the settings, and waits until the process is ready.
   *
   * @param bindToShutdown shortens the time for that when the runner wants the step to end
   * @returns the process
   * @throws Error with the end of its log when it does not get ready
   */
  start(settings: StepSettings, bindToShutdown: Invocation['bindToShutdown']): Promise<ProcessIdentity>
  /** Kills the process: there is nothing to hold. */
  cancel(): void
}

/** The settings that the step gives. The launcher adds the others. */
export type StepSettings = Omit<HeartbeatSettings, 'folder' | 'parent' | 'secrets' | 'step' | 'worker'>

/**
 * Starts the heartbeat process. It can start while the task is being acknowledged, as it does nothing without settings, and
 * ends when this process ends without sending them. It is detached, and holds no pipe of the step: the runner waits for
 * open pipes, and kills the processes that hold them.
 *
 * @throws Error when there is no place for its files
 */
export function launchHeartbeat(
  taskId: string,
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): LaunchedHeartbeat {
  const { folder, log } = makeFolder(temporaryFolder(env), taskId)
  const files = filesIn(folder)
  // If the runner is lost later, this process gets another parent.
  const runner = { parent: process.ppid, worker: findWorker(process.ppid) }
  const { plain, secrets } = environmentFor(env, runner.worker)
  const nodes = nodeCommands()
  let child = start(nodes.shift() as NodeCommand)

  function start([node, ...args]: NodeCommand): StartedProcess {
    return startProcess(node, [...args, ...MEMORY_FLAGS, entry()], { env: plain, log })
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
      const startedAt = clock.now()
      try {
        for (;;) {
          child.writeInput(JSON.stringify(all))
          let missing = missingState(files)
          while (child.failure() === undefined && missing !== undefined) {
            if (ready.remaining() === 0) {
              child.kill()
              throw notStarted(`it was not ready within ${formatSeconds(clock.now() - startedAt)} (${missing})`, files)
            }
            await clock.sleep(CHECK_EVERY_MS)
            missing = missingState(files)
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

/** What is missing until the process is ready; undefined when it is. */
function missingState({ state }: ActivityFiles): string | undefined {
  try {
    return readState(state) === undefined ? 'it has written no state' : undefined
  } catch (error) {
    return `its state can't be read: ${errorMessage(error)}`
  }
}

function notStarted(why: string, files: ActivityFiles): Error {
  return new Error(`The heartbeat process did not start: ${why}.${wrappedNode()} ${endOfLog(files)}`.trimEnd())
}

/**
 * The environment of the heartbeat process, and its credentials, which are sent over standard input. Without NODE_DEBUG, by
 * which Node would write the headers of requests, with tokens, into the log. Where the runner is watched, the process
 * outlives it to report the loss, so it has another tracking id: the runner kills the processes that have its own.
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
  // On other systems than Linux, the process itself finds out whether there is a Worker.
  const isWatched = worker !== undefined || process.platform !== 'linux'
  if (isWatched && plain[TRACKING_VARIABLE]) plain[TRACKING_VARIABLE] += TRACKING_SUFFIX
  return { plain, secrets }
}

/** Makes the folder of the files, and opens the log in there. */
function makeFolder(temp: string, taskId: string): { folder: string; log: number } {
  try {
    const folder = makeActivityFolder(temp, taskId)
    const log = openSync(filesIn(folder).log.path, 'ax', 0o600)
    // A full disk fails here, with its reason. Later, the process could not write why it does not start.
    writeSync(log, `${new Date().toISOString()} Starting.\n`)
    return { folder, log }
  } catch (cause) {
    throw new Error(
      `Could not write the files of the heartbeat process to the runner's temporary folder: ${errorMessage(cause)}.`,
      { cause },
    )
  }
}

/** The end of the log of the heartbeat process. */
export function endOfLog(files: ActivityFiles): string {
  try {
    const text = readOwnFile(files.log, LOG_EXCERPT_BYTES, 'end') ?? ''
    // A truncated line may begin with a part of a secret.
    const lines = Buffer.byteLength(text) < LOG_EXCERPT_BYTES ? text : text.replace(/^.*\n/, '')
    return withoutSecrets(lines).trim()
  } catch {
    return ''
  }
}
