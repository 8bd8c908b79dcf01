import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import type { Fault } from '../fakes/aws/faults.ts'
import { type CallOptions, callStep } from '../support/called-step.ts'
import type { StepResult } from '../support/step.ts'

type Inputs = Readonly<Record<string, string>>
type Options = Omit<CallOptions, 'inputs' | 'action' | 'stage'>

/** An activity whose steps are called, without a heartbeat process. */
export interface CalledActivity extends AsyncDisposable {
  readonly service: LocalDataPipeline
  readonly taskId: string
  readonly main: StepResult
  /** Calls the post step; the options replace those of the main step one by one. */
  post(options?: Options & { readonly inputs?: Inputs }): Promise<StepResult>
}

/** What a called activity finds. */
export interface CallSettings extends Options {
  /** The faults of every call of the main step. */
  readonly fault?: Fault
  /** The task, before the main step begins. */
  readonly prepare?: (service: LocalDataPipeline, taskId: string) => void
}

/** Calls the main step of activity for a new task of a service of its own. */
export async function callActivity(inputs: Inputs = {}, settings: CallSettings = {}): Promise<CalledActivity> {
  const { fault, prepare, ...options } = settings
  const service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  prepare?.(service, taskId)
  if (fault !== undefined) service.keepInjectingFault(fault)
  const all = { 'task-id': taskId, ...inputs }
  const env = { ...service.env(), ...options.env }
  const main = await callStep({ ...options, action: 'activity', inputs: all, env })
  const state = Object.fromEntries(Object.entries(main.state).map(([name, value]) => [`STATE_${name}`, value]))
  return {
    service,
    taskId,
    main,
    post: (more = {}) =>
      callStep({
        ...options,
        ...more,
        action: 'activity',
        stage: 'post',
        inputs: more.inputs ?? all,
        env: { ...env, ...state, ...more.env },
      }),
    [Symbol.asyncDispose]: () => service.stop(),
  }
}
