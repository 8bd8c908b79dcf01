import type { Deadline } from '../util/deadline.ts'
import type { Runner } from './runner.ts'

/** What an action is run with. */
export interface Invocation {
  readonly runner: Runner
  /** Whether the runner wants the step to end. */
  readonly isShuttingDown: () => boolean
  /**
   * Gives the deadline back, which is made shorter when the runner wants the step to end; at once if it does already.
   *
   * @param share the part that it gets of the time that is left then; default 1, all of it
   */
  readonly bindToShutdown: (deadline: Deadline, share?: number) => Deadline
}
