import { callStep } from './called-step.ts'
import { runStep, type StepOptions, type StepResult } from './step.ts'

/** How a scenario runs its step. */
export interface Style {
  /** As a process of the built action, for what only a process or the bundle shows. Default: as a call, in milliseconds. */
  readonly as?: 'process'
  /** Of a call: its timeouts come when it only waits, for a server that does not respond. */
  readonly timePasses?: boolean
}

/** Runs a step in one of the two ways. */
export function perform({ as, timePasses = false, ...options }: StepOptions & Style): Promise<StepResult> {
  return as === 'process' ? runStep(options) : callStep({ ...options, timePasses })
}
