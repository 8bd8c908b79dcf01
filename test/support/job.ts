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
/** Unique to this test file: the same process may run the next one while heartbeat processes of this one end. */
const FILE = `github_${randomUUID()}_`
/** The prefix of the temporary folders of this test file, which identify a process without a tracking id. */
const TEMPS = join(tmpdir(), `job-${FILE.slice(7, 15)}-`)
/** The title of a heartbeat process, which replaces its command line. */
const TITLE = /^datapipeline-heartbeat( [0-9a-f]{16})?$/
let jobs = 0

/** A job: steps with a shared temporary folder, and post steps with the state of their main steps. */
export class Job {
  readonly temp = mkdtempSync(TEMPS)
  /** The id by which the runner finds processes of a job that remain at its end. */
  readonly trackingId = `${FILE}${++jobs}_`
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #worker: Worker | undefined
  readonly #state = new Map<string, Readonly<Record<string, string>>>()

  /**
   * @param env variables of every step
   * @param options worker: the runner's process that starts every step; default: the process of the tests
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

  /** Runs the post script of an action, with the state of its main script, and inputs evaluated now. */
  async post(id: string, options: StepOptions): Promise<StepResult> {
    const state = Object.entries(this.#state.get(id) ?? {}).map(([name, value]) => [`STATE_${name}`, value])
    return this.#run(Object.fromEntries(state), { ...options, stage: 'post' })
  }

  /** The ids of the running heartbeat processes; outside Linux, those that are ready and have written their files. */
  heartbeats(): number[] {
    if (process.platform !== 'linux') return this.#noted().filter(exists)
    return processesOf(this.trackingId, this.temp).filter(isHeartbeat)
  }

  /** The ids of the processes of running steps of activity. Linux only. */
  steps(): number[] {
    return processesWith(TRACKING, this.trackingId).filter((pid) =>
      /activity(-post)?\.js$/.test(argumentsOf(pid)[1] ?? ''),
    )
  }

  /** Waits until no heartbeat process runs. False after the limit. */
  async heartbeatsEnd(withinMs?: number): Promise<boolean> {
    return eventually(() => this.heartbeats().length === 0, withinMs)
  }

  /** The text of every file in the temporary folder, by its path. */
  files(): Record<string, string> {
    if (!existsSync(this.temp)) return {}
    const entries = readdirSync(this.temp, { recursive: true, withFileTypes: true })
    const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    // A heartbeat process may have renamed it.
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

  /** Kills processes with the exact tracking id of the job, as the runner does at its end. */
  end(): void {
    const isCarrier = (pid: number): boolean => environmentOf(pid)[TRACKING] === this.trackingId
    const carriers = (): number[] => processesWith(TRACKING, this.trackingId).filter(isCarrier)
    killAll(process.platform === 'linux' ? carriers() : this.heartbeats())
  }

  [Symbol.dispose](): void {
    removeFolder(this.temp)
  }

  /** The process ids in the files of heartbeat processes that have not noted their end. */
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

/** Processes whose tracking id or temporary folder has this prefix. */
function processesOf(trackingId: string, temp: string): number[] {
  return [...new Set([...processesWith(TRACKING, trackingId), ...processesWith(TEMP, temp)])]
}

function isHeartbeat(pid: number): boolean {
  // If a loader runs Node, its name comes before the title.
  return argumentsOf(pid).some((argument) => TITLE.test(argument) || argument.endsWith('heartbeat.js'))
}

/**
 * Ends the processes that remain from the jobs of this test file, after a wait for those that are ending, and returns their
 * commands. Linux only.
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
