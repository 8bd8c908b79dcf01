import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from '@jest/globals'
import { taskOutputs } from '../../src/polling/task-outputs.ts'
import type { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import type { Field, PipelineObjects } from '../fakes/aws/sample-task.ts'
import type { NewTask, Task } from '../fakes/aws/tasks.ts'
import type { Job } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import { runStep, type StepOptions, type StepResult } from '../support/step.ts'
import type { RunningStep } from '../support/worker.ts'

/** Commands are for bash and /proc. */
export const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

type Inputs = Readonly<Record<string, string>>

/** Runs a step of task-runner against a service. It polls the worker group `ci` once, unless the inputs say otherwise. */
export async function runTasks(
  service: LocalDataPipeline,
  inputs: Inputs,
  options: Omit<StepOptions, 'inputs'> = {},
): Promise<StepResult> {
  return runStep({
    // Some run many commands, one after the other.
    limitMs: 50_000,
    ...options,
    action: 'task-runner',
    inputs: { ...('task' in inputs ? {} : { 'worker-group': 'ci' }), 'wait-seconds': '0', ...inputs },
    env: { ...service.env(), ...options.env },
  })
}

const ATTEMPT_ID = '@SayHello_2026-01-12T00:00:00_Attempt=1'
const INSTANCE_ID = '@SayHello_2026-01-12T00:00:00'

/** The objects of a task whose attempt has these fields, in order; a value `{ref}` is a reference. */
export function definition(
  fields: ReadonlyArray<readonly [key: string, value: string | { readonly ref: string }]>,
  others: Readonly<Record<string, ReadonlyArray<readonly [string, string]>>> = {},
): Pick<NewTask, 'attemptId' | 'objects'> {
  const objects: PipelineObjects = {
    [ATTEMPT_ID]: {
      id: ATTEMPT_ID,
      name: ATTEMPT_ID,
      fields: [
        { key: '@componentParent', refValue: 'SayHello' },
        { key: '@instanceParent', refValue: INSTANCE_ID },
        ...fields.map(
          ([key, value]): Field => ({
            key,
            ...(typeof value === 'string' ? { stringValue: value } : { refValue: value.ref }),
          }),
        ),
      ],
    },
  }
  for (const [id, texts] of Object.entries(others)) {
    objects[id] = { id, name: id, fields: texts.map(([key, stringValue]) => ({ key, stringValue })) }
  }
  return { attemptId: ATTEMPT_ID, objects }
}

/** A task that runs a command of its definition. */
export function commandTask(command: string, ...args: string[]): Pick<NewTask, 'attemptId' | 'objects'> {
  return definition([
    ['type', 'ShellCommandActivity'],
    ['command', command],
    ...args.map((arg) => ['scriptArgument', arg] as const),
  ])
}

/** The entry of a task in the output `tasks` of a step of poll-for-task that takes it. */
export async function polledEntryOf(
  service: LocalDataPipeline,
  { workerGroup }: Pick<Task, 'workerGroup'>,
): Promise<string> {
  const step = await runStep({
    action: 'poll-for-task',
    inputs: { 'worker-group': workerGroup, 'wait-seconds': '0' },
    env: service.env(),
  })
  return JSON.stringify((JSON.parse(step.outputs['tasks'] ?? '') as unknown[])[0])
}

/** The same, without a step. The service gives a task that no poll has taken to whoever names it. */
export function entryOf(task: Task): string {
  return JSON.stringify((JSON.parse(taskOutputs([task as never]).tasks) as unknown[])[0])
}

/** The operations that the service received, in order. */
export function operationsOf(service: LocalDataPipeline): string[] {
  return service.requests.map(({ operation }) => operation ?? '')
}

/** A step of task-runner in a job, while it runs. */
export interface RunningTasks {
  /** Its main process. */
  readonly main: RunningStep
  /** Its end. */
  readonly done: Promise<StepResult>
}

/** The input `run` of a command that tells when it runs. */
export function ready(script: string): string {
  return `: > "$RUNNER_TEMP/ready"\n${script}`
}

/** Starts a step of task-runner in a job, and waits until its command runs, which is made by `ready`. */
export async function startTasks(job: Job, inputs: Inputs, options: Omit<StepOptions, 'inputs'> = {}) {
  let main: RunningStep | undefined
  const done = job.main('runner', {
    limitMs: 60_000,
    ...options,
    action: 'task-runner',
    inputs: { 'worker-group': 'ci', 'wait-seconds': '0', ...inputs },
    onStart(step) {
      main = step
    },
  })
  const file = join(options.env?.['RUNNER_TEMP'] ?? job.temp, 'ready')
  const isReady = await Promise.race([eventually(() => existsSync(file)), done])
  if (isReady !== true || main === undefined) throw new Error(`no command ran: ${JSON.stringify(isReady)}`)
  return { main, done } satisfies RunningTasks
}

/** The post step of a job's task-runner. */
export function postOf(job: Job): Promise<StepResult> {
  return job.post('runner', { action: 'task-runner', inputs: {} })
}

/** The process ids that a command wrote to a file of the job's temporary folder. */
export function pidsIn(job: Job, name: string): number[] {
  return readFileSync(join(job.temp, name), 'utf8').trim().split(/\s+/).map(Number)
}
