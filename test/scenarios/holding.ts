import { setTimeout as delay } from 'node:timers/promises'
import type { LocalDataPipeline } from '../local-aws/data-pipeline.ts'
import { Job } from '../runner/job.ts'
import type { StepOptions, StepResult } from '../runner/step.ts'

type Inputs = Readonly<Record<string, string>>
/** What differs from a plain step of activity; `service.env()` is there already. */
export type HoldingOptions = Omit<StepOptions, 'inputs' | 'action' | 'stage'>

/** A job with one step of activity, its inputs and its task. */
export interface Holding extends Disposable {
  readonly job: Job
  readonly taskId: string
  /** The main step. */
  readonly main: StepResult
  /** Runs the post step; the options replace those of the main step one by one. */
  post(options?: HoldingOptions & { readonly inputs?: Inputs }): Promise<StepResult>
  /** Waits until so many beats of the heartbeat process have arrived. */
  beats(count: number, withinMs?: number): Promise<void>
}

/** Runs the main step of activity for a new task, in a job of its own or in the given one. */
export async function hold(
  service: LocalDataPipeline,
  inputs: Inputs = {},
  options: HoldingOptions & { readonly job?: Job } = {},
): Promise<Holding> {
  const taskId = inputs['task-id'] ?? service.addTask().taskId
  const job = options.job ?? new Job()
  const id = `activity ${taskId}`
  const step = {
    ...options,
    action: 'activity',
    inputs: { 'task-id': taskId, 'heartbeat-seconds': '5', ...inputs },
    env: { ...service.env(), ...options.env },
  }
  const arrived = (): number =>
    service.requestsFor('ReportTaskProgress').filter(({ body, answer }) => body['taskId'] === taskId && answer).length
  const main = await job.main(id, step)
  const before = arrived()
  return {
    job,
    taskId,
    main,
    post: (more = {}) => {
      const { onStart, startedBy, ...rest } = step
      return job.post(id, { ...rest, ...more, inputs: more.inputs ?? step.inputs, env: { ...step.env, ...more.env } })
    },
    async beats(count, withinMs = 25_000) {
      const until = performance.now() + withinMs
      while (arrived() - before < count) {
        if (performance.now() > until) throw new Error(`${arrived() - before} of ${count} beats within ${withinMs} ms`)
        await delay(20)
      }
      // The answer has to reach the process, which notes it.
      await delay(100)
    },
    [Symbol.dispose]() {
      if (options.job === undefined) job[Symbol.dispose]()
    },
  }
}

/** The bodies of all SetTaskStatus requests for a task, in order. */
export function reportsOf(service: LocalDataPipeline, taskId: string): Readonly<Record<string, unknown>>[] {
  return service
    .requestsFor('SetTaskStatus')
    .map(({ body }) => body)
    .filter((body) => body['taskId'] === taskId)
}

/** The first line of the group that shows the heartbeats, and what is in the group; undefined when there is none. */
export function heartbeatGroup({ stdout }: StepResult): { title: string; text: string } | undefined {
  const [, title = '', text = ''] = /^::group::(Heartbeats.*)\n([\s\S]*?)^::endgroup::$/m.exec(stdout) ?? []
  return title === '' ? undefined : { title, text }
}
