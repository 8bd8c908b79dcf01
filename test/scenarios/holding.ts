import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { LocalDataPipeline, ReceivedRequest } from '../local-aws/data-pipeline.ts'
import { Job } from '../runner/job.ts'
import { eventually } from '../runner/processes.ts'
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
  /** How many beats of the heartbeat process were answered. */
  answered(): number
  /** Waits until so many beats of the heartbeat process were answered, and the process has noted what became of them. */
  beats(count: number): Promise<void>
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
  const earlier = service.requestsFor('ReportTaskProgress').length
  const main = await job.main(id, step)
  const answered = (): ReceivedRequest[] => {
    const requests = service.requestsFor('ReportTaskProgress').slice(earlier)
    const mine = requests.filter(({ body, answer }) => body['taskId'] === taskId && answer)
    // Those up to the first success are of the main step.
    return mine.slice(mine.findIndex(isSuccess) + 1)
  }
  const state = join(dirname(main.outputs['heartbeat-log'] ?? ''), 'state.json')
  const areNoted = (): boolean => {
    const { beats, failures } = JSON.parse(readFileSync(state, 'utf8')) as { beats: number; failures: number }
    const good = answered().filter(isSuccess).length
    return beats >= good && failures >= answered().length - good
  }
  return {
    job,
    taskId,
    main,
    post: (more = {}) => {
      const { onStart, startedBy, ...rest } = step
      return job.post(id, { ...rest, ...more, inputs: more.inputs ?? step.inputs, env: { ...step.env, ...more.env } })
    },
    answered: () => answered().length,
    async beats(count) {
      if (await eventually(() => answered().length >= count && areNoted(), 50_000)) return
      throw new Error(`${answered().length} of ${count} beats were answered, and the process noted others`)
    },
    [Symbol.dispose]() {
      if (options.job === undefined) job[Symbol.dispose]()
    },
  }
}

function isSuccess({ answer, fault }: ReceivedRequest): boolean {
  return answer?.status === 200 && fault === undefined
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

/** The first line of the group that shows the heartbeats, and what is in the group; undefined when there is none. */
export function heartbeatGroup({ stdout }: StepResult): { title: string; text: string } | undefined {
  const [, title = '', text = ''] = /^::group::(Heartbeats.*)\n([\s\S]*?)^::endgroup::$/m.exec(stdout) ?? []
  return title === '' ? undefined : { title, text }
}

/** What the post step says of the heartbeats. A busy machine may have time for more of them than a test waited for. */
export function heartbeatCounts(post: StepResult): { sent: number; failed: number; longestGapSeconds: number } {
  const { title = '' } = heartbeatGroup(post) ?? {}
  const counts = /: (\d+) sent, (\d+) failed, the longest gap ([\d.]+) s$/.exec(title)
  if (counts === null) throw new Error(`no counts of heartbeats in "${title}"`)
  const [, sent, failed, longestGapSeconds] = counts.map(Number)
  return { sent, failed, longestGapSeconds } as { sent: number; failed: number; longestGapSeconds: number }
}
