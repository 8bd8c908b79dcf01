import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { argumentsOf, environmentOf, eventually, exists, killAll, processesWith } from './processes.ts'
import { runStep, type StepOptions, type StepResult } from './step.ts'
import { removeFolder } from './temporary-folder.ts'
import type { Worker } from './worker.ts'

const TRACKING = 'RUNNER_TRACKING_ID'
const TEMP = 'RUNNER_TEMP'
/** Of this test file: the next one may be run by the same process, when heartbeats of this one are about to end. */
const FILE = `github_${randomUUID()}_`
/** How the temporary folders of this test file begin: a process that has no tracking id is known by its folder. */
const TEMPS = join(tmpdir(), `job-${FILE.slice(7, 15)}-`)
/** The title of a heartbeat process, which it has in place of its command line as soon as it has set it. */
const TITLE = /^datapipeline-heartbeat( [0-9a-f]{16})?$/
let jobs = 0

/** A job: steps that share the runner's temporary folder, and post steps that get the state of their main steps. */
export class Job {
  readonly temp = mkdtempSync(TEMPS)
  /** What the runner marks the processes of a job with, to find those that are left over at its end. */
  readonly trackingId = `${FILE}${++jobs}_`
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #worker: Worker | undefined
  readonly #state = new Map<string, Readonly<Record<string, string>>>()

  /**
   * @param env variables of every step
   * @param options worker: the runner's process that starts every step; default: the tests' own process does
   */
  constructor(env: Readonly<Record<string, string | undefined>> = {}, options: { readonly worker?: Worker } = {}) {
    this.#env = env
    this.#worker = options.worker
  }

  /** Runs the main script of an action. */
  async main(id: string, options: StepOptions): Promise<StepResult> {
    const step = await this.#run({}, options)
    this.#state.set(id, step.state)
    return step
  }

  /** Runs the post script of an action, with what its main script saved, and inputs evaluated at this moment. */
  async post(id: string, options: StepOptions): Promise<StepResult> {
    const state = Object.entries(this.#state.get(id) ?? {}).map(([name, value]) => [`STATE_${name}`, value])
    return this.#run(Object.fromEntries(state), { ...options, stage: 'post' })
  }

  /** The numbers of the heartbeat processes that run; elsewhere than on Linux, those that got ready and left their files. */
  heartbeats(): number[] {
    if (process.platform !== 'linux') return this.#noted().filter(exists)
    return processesOf(this.trackingId, this.temp).filter(isHeartbeat)
  }

  /** The numbers of the processes of steps that run, as long as they are those of activity. Linux only. */
  steps(): number[] {
    return processesWith(TRACKING, this.trackingId).filter((pid) =>
      /activity(-post)?\.js$/.test(argumentsOf(pid)[1] ?? ''),
    )
  }

  /** Waits until no heartbeat process runs. Whether it came to that. */
  async heartbeatsEnd(withinMs?: number): Promise<boolean> {
    return eventually(() => this.heartbeats().length === 0, withinMs)
  }

  /** The text of every file in the temporary folder, by its path. */
  files(): Record<string, string> {
    if (!existsSync(this.temp)) return {}
    const entries = readdirSync(this.temp, { recursive: true, withFileTypes: true })
    const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    // One that a heartbeat process is about to rename may be gone by now.
    return Object.fromEntries(
      paths.flatMap((path) => {
        try {
          return [[path, readFileSync(path, 'utf8')]]
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
          throw error
        }
      }),
    )
  }

  /** What the runner does at the end: processes that still carry the tracking id of the job, as it is, are killed. */
  end(): void {
    const isCarrier = (pid: number): boolean => environmentOf(pid)[TRACKING] === this.trackingId
    const carriers = (): number[] => processesWith(TRACKING, this.trackingId).filter(isCarrier)
    killAll(process.platform === 'linux' ? carriers() : this.heartbeats())
  }

  [Symbol.dispose](): void {
    removeFolder(this.temp)
  }

  /** The numbers that heartbeat processes have noted which have not ended, as far as they say. */
  #noted(): number[] {
    return Object.entries(this.files())
      .filter(([path]) => basename(path) === 'state.json')
      .map(([, text]) => JSON.parse(text) as { pid: number; ended?: string })
      .filter(({ ended }) => ended === undefined)
      .map(({ pid }) => pid)
  }

  #run(state: Record<string, string>, options: StepOptions): Promise<StepResult> {
    const env = { [TEMP]: this.temp, [TRACKING]: this.trackingId, ...this.#env, ...state, ...options.env }
    return runStep({ ...(this.#worker && { worker: this.#worker }), ...options, env })
  }
}

/** Processes with a tracking id that begins so, with whatever suffix, or with a temporary folder that begins so. */
function processesOf(trackingId: string, temp: string): number[] {
  return [...new Set([...processesWith(TRACKING, trackingId), ...processesWith(TEMP, temp)])]
}

function isHeartbeat(pid: number): boolean {
  // A loader that runs Node keeps its own name before the title.
  return argumentsOf(pid).some((argument) => TITLE.test(argument) || argument.endsWith('heartbeat.js'))
}

/**
 * The processes that the jobs of this test file have left over, by their commands; they are ended. One that is just about
 * to end is waited for. Linux only.
 */
export async function leftOverProcesses(): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const find = (): number[] => processesOf(FILE, TEMPS)
  await eventually(() => find().length === 0)
  const left = find()
  const commands = left.map((pid) => argumentsOf(pid).join(' ').trimEnd())
  killAll(left)
  return commands
}
