import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { argumentsOf, eventually, exists, killAll, processesWith } from './processes.ts'
import { runStep, type StepOptions, type StepResult } from './step.ts'
import { removeFolder } from './temporary-folder.ts'

const TRACKING = 'RUNNER_TRACKING_ID'
/** Of this test file: the next one may be run by the same process, when heartbeats of this one are about to end. */
const FILE = `github_${randomUUID()}_`
let jobs = 0

/** A job: steps that share the runner's temporary folder, and post steps that get the state of their main steps. */
export class Job {
  readonly temp = mkdtempSync(join(tmpdir(), 'job-'))
  /** What the runner marks the processes of a job with, to find those that are left over at its end. */
  readonly trackingId = `${FILE}${++jobs}_`
  readonly #env: Readonly<Record<string, string | undefined>>
  readonly #state = new Map<string, Readonly<Record<string, string>>>()

  /** @param env variables of every step */
  constructor(env: Readonly<Record<string, string | undefined>> = {}) {
    this.#env = env
  }

  /** Runs the main script of an action. */
  async main(id: string, options: StepOptions): Promise<StepResult> {
    const step = await runStep({ ...options, env: this.#environment({}, options) })
    this.#state.set(id, step.state)
    return step
  }

  /** Runs the post script of an action, with what its main script saved, and inputs evaluated at this moment. */
  async post(id: string, options: StepOptions): Promise<StepResult> {
    const state = Object.entries(this.#state.get(id) ?? {}).map(([name, value]) => [`STATE_${name}`, value])
    return runStep({ ...options, stage: 'post', env: this.#environment(Object.fromEntries(state), options) })
  }

  /** The numbers of the heartbeat processes that run; elsewhere than on Linux, those that got ready and left their files. */
  heartbeats(): number[] {
    if (process.platform !== 'linux') return this.#noted().filter(exists)
    return processesWith(TRACKING, this.trackingId).filter((pid) => argumentsOf(pid).at(-1)?.endsWith('heartbeat.js'))
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

  /** What the runner does at the end: processes of the job that are still there are killed. */
  end(): void {
    killAll(process.platform === 'linux' ? processesWith(TRACKING, this.trackingId) : this.heartbeats())
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

  #environment(state: Record<string, string>, { env }: StepOptions): Record<string, string | undefined> {
    return { RUNNER_TEMP: this.temp, [TRACKING]: this.trackingId, ...this.#env, ...state, ...env }
  }
}

/**
 * The processes that the jobs of this test file have left over, by their commands; they are ended. One that is just about
 * to end is waited for. Linux only.
 */
export async function leftOverProcesses(): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const find = (): number[] => processesWith(TRACKING, FILE)
  await eventually(() => find().length === 0)
  const left = find()
  const commands = left.map((pid) => argumentsOf(pid).join(' '))
  killAll(left)
  return commands
}
