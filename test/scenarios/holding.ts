import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from '@jest/globals'
import { LocalDataPipeline, type LocalDataPipelineOptions, type ReceivedRequest } from '../fakes/aws/data-pipeline.ts'
import { type Fault, on } from '../fakes/aws/faults.ts'
import { Job } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import { RUN_LINK, type StepOptions, type StepResult } from '../support/step.ts'
import { fastClock } from '../support/timing.ts'
import { Worker } from '../support/worker.ts'

type Inputs = Readonly<Record<string, string>>
/** What differs from a plain step of activity; `service.env()` is there already. */
export type HoldingOptions = Omit<StepOptions, 'inputs' | 'action' | 'stage'>

/** A job with one step of activity, its inputs and its task. */
export interface Holding extends Disposable {
  readonly job: Job
  readonly taskId: string
  /** The main step. */
  readonly main: StepResult
  /** Runs a step of the root action for the task; the options replace those of the main step one by one. */
  root(inputs?: Inputs, options?: HoldingOptions): Promise<StepResult>
  /** Runs the post step; the options replace those of the main step one by one. */
  post(options?: HoldingOptions & { readonly inputs?: Inputs }): Promise<StepResult>
  /** How many beats of the heartbeat process were answered. */
  respondedBeats(): number
  /** Waits until the process has noted that it sends no more beats; it may go on without. Whether it came to that. */
  beatsEnd(): Promise<boolean>
  /** Waits until so many beats of the heartbeat process were answered, and the process has noted what became of them. */
  beats(count: number): Promise<void>
}

/** For a heartbeat process: a beat of 5 s comes each half second, and the loss of a runner is seen in a fraction of one. */
export const FAST_HEARTBEAT = fastClock(10, { script: 'heartbeat.js' })

/** A job, the runner's process that starts its steps, and the service that its tasks are of. */
export interface RunnerJob extends AsyncDisposable {
  readonly service: LocalDataPipeline
  readonly worker: Worker
  readonly job: Job
}

/** Starts a job whose runner can be lost. Its heartbeat processes have a fast clock. */
export async function startRunner(
  env: Readonly<Record<string, string | undefined>> = {},
  options: LocalDataPipelineOptions = {},
): Promise<RunnerJob> {
  const [service, worker] = await Promise.all([LocalDataPipeline.start(options), Worker.start()])
  const job = new Job({ ...FAST_HEARTBEAT, ...env }, { worker })
  return {
    service,
    worker,
    job,
    async [Symbol.asyncDispose]() {
      job[Symbol.dispose]()
      await worker[Symbol.asyncDispose]()
      await service.stop()
    },
  }
}

let activities = 0

/** Runs the main step of activity for a new task, in a job of its own or in the given one. */
export async function startActivity(
  service: LocalDataPipeline,
  inputs: Inputs = {},
  options: HoldingOptions & { readonly job?: Job } = {},
): Promise<Holding> {
  const taskId = inputs['task-id'] ?? service.addTask().taskId
  const job = options.job ?? new Job()
  // Two steps may hold one task.
  const id = `activity ${++activities} of ${taskId}`
  const step = {
    ...options,
    action: 'activity',
    inputs: { 'task-id': taskId, 'heartbeat-seconds': '5', ...inputs },
    env: { ...service.env(), ...options.env },
  }
  const earlier = service.requestsFor('ReportTaskProgress').length
  const main = await job.main(id, step)
  const respondedBeats = (): ReceivedRequest[] => {
    const requests = service.requestsFor('ReportTaskProgress').slice(earlier)
    const mine = requests.filter(({ body, response }) => body['taskId'] === taskId && response)
    // Those up to the first success are of the main step.
    return mine.slice(mine.findIndex(isSuccess) + 1)
  }
  const state = join(dirname(main.outputs['heartbeat-log'] ?? ''), 'state.json')
  const areNoted = (): boolean => {
    const { beats, failures } = JSON.parse(readFileSync(state, 'utf8')) as { beats: number; failures: number }
    const good = respondedBeats().filter(isSuccess).length
    return beats >= good && failures >= respondedBeats().length - good
  }
  const { onStart, startedBy, ...rest } = step
  let roots = 0
  return {
    job,
    taskId,
    main,
    root: (rootInputs = {}, more = {}) =>
      job.main(`root ${++roots} of ${taskId}`, {
        ...rest,
        ...more,
        action: '.',
        inputs: { 'task-id': taskId, ...rootInputs },
        env: { ...step.env, ...more.env },
      }),
    post: (more = {}) =>
      job.post(id, { ...rest, ...more, inputs: more.inputs ?? step.inputs, env: { ...step.env, ...more.env } }),
    respondedBeats: () => respondedBeats().length,
    beatsEnd: () =>
      eventually(() => (JSON.parse(readFileSync(state, 'utf8')) as { ended?: string }).ended !== undefined),
    async beats(count) {
      if (await eventually(() => respondedBeats().length >= count && areNoted(), 50_000)) return
      throw new Error(`${respondedBeats().length} of ${count} beats were answered, and the process noted others`)
    },
    [Symbol.dispose]() {
      if (options.job === undefined) job[Symbol.dispose]()
    },
  }
}

function isSuccess({ response, fault }: ReceivedRequest): boolean {
  return response?.status === 200 && fault === undefined
}

/** The one heartbeat process of a job. */
export function heartbeatOf(job: Job): number {
  const [pid, ...others] = job.heartbeats()
  if (pid === undefined || others.length > 0) throw new Error(`${others.length + (pid ? 1 : 0)} heartbeat processes`)
  return pid
}

/** The bodies of all SetTaskStatus requests for a task, in order. */
export function reportsOf(service: LocalDataPipeline, taskId: string): Readonly<Record<string, unknown>>[] {
  return service
    .requestsFor('SetTaskStatus')
    .map(({ body }) => body)
    .filter((body) => body['taskId'] === taskId)
}

/** The one report of a lost runner: what the heartbeat process says when the job ends without its post step. */
export const RUNNER_LOST = {
  taskStatus: 'FAILED',
  errorId: 'GitHubActions:RunnerLost',
  errorMessage: expect.stringContaining(RUN_LINK),
}

/** The statuses of all SetTaskStatus requests for a task that had an effect, in order. */
export function effectsOf(service: LocalDataPipeline, taskId: string): unknown[] {
  return service
    .requestsFor('SetTaskStatus')
    .filter(({ body, response }) => body['taskId'] === taskId && response?.status === 200)
    .map(({ body }) => body['taskStatus'])
}

/** A fault of SetTaskStatus for one status only. */
export function onStatus(taskStatus: 'FINISHED' | 'FAILED' | 'FALSE', fault: Fault): Fault {
  return { ...on('SetTaskStatus', fault), when: (body) => body['taskStatus'] === taskStatus }
}

/** Empties the temporary folder of the runner, as a step that makes room does. */
export function emptyTemp({ temp }: Job): void {
  rmSync(temp, { recursive: true, force: true, maxRetries: 5 })
  mkdirSync(temp)
}

/** The first line of the group that shows the heartbeats, and what is in the group; undefined when there is none. */
export function heartbeatGroup({ stdout }: StepResult): { title: string; text: string } | undefined {
  const [, title = '', text = ''] = /^::group::(Heartbeats.*)\n([\s\S]*?)^::endgroup::$/m.exec(stdout) ?? []
  return title === '' ? undefined : { title, text }
}

/** What the post step says of the heartbeats. A busy machine may have time for more of them than a test waited for. */
export function heartbeatCounts(post: StepResult): { sent: number; failed: number; longestGapSeconds: number } {
  const { title = '' } = heartbeatGroup(post) ?? {}
  const counts = /: (\d+) sent, (\d+) failed, longest gap ([\d.]+) s$/.exec(title)
  if (counts === null) throw new Error(`no counts of heartbeats in "${title}"`)
  const [, sent, failed, longestGapSeconds] = counts.map(Number)
  return { sent, failed, longestGapSeconds } as { sent: number; failed: number; longestGapSeconds: number }
}

/** A module by which a step may not write what it saves for its post step, as a container's user who is not the runner's. */
export const STATE_DENIED = `
  import fs from 'node:fs'
  import { syncBuiltinESMExports } from 'node:module'
  for (const name of ['appendFileSync', 'writeFileSync', 'openSync']) {
    const original = fs[name]
    fs[name] = (path, ...rest) => {
      if (path !== process.env.GITHUB_STATE) return original(path, ...rest)
      throw Object.assign(new Error("EACCES: permission denied, open '" + path + "'"), { code: 'EACCES', path })
    }
  }
  syncBuiltinESMExports()`
