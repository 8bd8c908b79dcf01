import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { identify, isRunning, type ProcessIdentity, statFields } from './process-identity.ts'

/**
 * What a look at the runner shows. `missing` is not certain yet. `lost` may be reported as the end of the job. `gone` only
 * ends the heartbeats. Where nothing is watched, the runner counts as `there`.
 */
export type RunnerSight = 'there' | 'missing' | 'gone' | 'lost'

/** The process that is watched in place of the runner. */
export type WatchedRunner =
  /** The runner's own process for a job (actions/runner, src/Runner.Worker). */
  | { readonly kind: 'worker'; readonly process: ProcessIdentity }
  /** The process that started the step: a wrapper of Node, a shell, the init of a container, or the Worker. */
  | { readonly kind: 'parent'; readonly process: ProcessIdentity }

/** The parent counts as the runner once it has outlived its step by this long. */
const OUTLIVES_STEP_MS = 10_000
/** The Worker must be gone in two looks this far apart. */
const CERTAIN_AFTER_MS = 1_000

/** What the operating system knows of the parents of processes. */
export interface Ancestry {
  /** The program and its arguments; empty when the process has ended. */
  commandOf(pid: number): readonly string[]
  /** The id of its parent; 0 when there is none, as for the first process of a container. */
  parentOf(pid: number): number
}

/** From /proc (proc(5)): Linux only. On other systems nothing is found. */
export const procAncestry: Ancestry = {
  commandOf: (pid) => read(pid, 'cmdline').split('\0'),
  parentOf(pid) {
    return Number(statFields(read(pid, 'stat'))[1]) || 0
  },
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

/** More generations than between any step and its runner. */
const MAX_GENERATIONS = 32

/** The id of the nearest process, from this one upwards, that is the runner's Worker. */
export function findWorker(pid: number, ancestry = procAncestry): number | undefined {
  let candidate = pid
  for (let generation = 0; candidate > 0 && generation < MAX_GENERATIONS; generation++) {
    if (isWorker(ancestry.commandOf(candidate))) return candidate
    candidate = ancestry.parentOf(candidate)
  }
  return undefined
}

/** Whether a command is the Worker: `…/bin/Runner.Worker spawnclient …`, or the same as a library that dotnet runs. */
export function isWorker(command: readonly string[]): boolean {
  return command.slice(0, 2).some((argument) => /(^|[\\/])Runner\.Worker(\.exe|\.dll)?$/i.test(argument))
}

/** The time that tools of the system may take. The heartbeat process calls them once. */
const TOOL_LIMIT_MS = 20_000

/** As `findWorker`, for systems without /proc: by `ps`, or by `tasklist`, which knows only names and no parents. */
export async function findWorkerByTools(pid: number, platform = process.platform): Promise<number | undefined> {
  const run = promisify(execFile)
  const options = { timeout: TOOL_LIMIT_MS, windowsHide: true, maxBuffer: 16 * 1024 * 1024 }
  try {
    if (platform === 'win32') {
      const { stdout } = await run('tasklist', ['/fi', `PID eq ${pid}`, '/fo', 'csv', '/nh'], options)
      return isWorker([/^"([^"]*)"/m.exec(stdout)?.[1] ?? '']) ? pid : undefined
    }
    const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,command='], options)
    return findWorker(pid, ancestryOf(stdout))
  } catch {
    // The machine does not have them. Nothing is watched.
    return undefined
  }
}

/** The ancestry in the output of `ps -A -o pid=,ppid=,command=`. */
export function ancestryOf(output: string): Ancestry {
  const processes = new Map<number, { parent: number; command: string[] }>()
  for (const line of output.split('\n')) {
    const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
    if (pid !== undefined) processes.set(Number(pid), { parent: Number(parent), command: command.split(' ') })
  }
  return {
    commandOf: (pid) => processes.get(pid)?.command ?? [],
    parentOf: (pid) => processes.get(pid)?.parent ?? 0,
  }
}

/** The runner to watch: the Worker among the ancestors, or else the parent; undefined in a container, which has neither. */
export function watchedRunner(parent: number, worker: number | undefined): WatchedRunner | undefined {
  if (worker !== undefined) return { kind: 'worker', process: identify(worker) }
  // 0 is outside of the container. 1 is its first process or an init, and outlives the job.
  return parent > 1 ? { kind: 'parent', process: identify(parent) } : undefined
}

/**
 * Whether the end of the watched process is certain to be seen. It is not when only its id is known, which may be reused.
 */
export function isReliable(runner: WatchedRunner | undefined): boolean {
  return runner?.kind === 'worker' && runner.process.startedAt !== undefined
}

/**
 * Gives a function that looks at the runner.
 *
 * @param isStepOver whether the main step, which the parent started, has ended
 * @param now milliseconds
 */
export function watchRunner(
  runner: WatchedRunner | undefined,
  isStepOver: () => boolean,
  now: () => number,
  isThere = isRunning,
): () => RunnerSight {
  let goneSince: number | undefined
  let stepOverSince: number | undefined
  let outlivedStep = false

  function lookAtWorker(worker: ProcessIdentity): RunnerSight {
    if (isThere(worker)) {
      goneSince = undefined
      return 'there'
    }
    goneSince ??= now()
    return now() - goneSince >= CERTAIN_AFTER_MS ? 'lost' : 'missing'
  }

  function lookAtParent(parent: ProcessIdentity): RunnerSight {
    if (!isThere(parent)) return outlivedStep ? 'gone' : 'missing'
    if (stepOverSince === undefined && isStepOver()) stepOverSince = now()
    outlivedStep ||= stepOverSince !== undefined && now() - stepOverSince >= OUTLIVES_STEP_MS
    return 'there'
  }

  return () => {
    if (runner === undefined) return 'there'
    return runner.kind === 'worker' ? lookAtWorker(runner.process) : lookAtParent(runner.process)
  }
}
