import type { Deadline } from '../util/deadline.ts'
import type { Runner } from './runner.ts'

/** What an action is run with. */
export interface Invocation {
  readonly runner: Runner
  /** The environment variables of the step, as the runner gave them. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Whether the runner wants the step to end. */
  readonly isShuttingDown: () => boolean
  /** Aborted when the runner wants the step to end. */
  readonly shutdown: AbortSignal
  /**
   * Shortens the deadline when the runner wants the step to end, or at once if it already does.
   *
   * @param share of the time left then that the deadline gets; default 1
   * @returns the same deadline
   */
  readonly bindToShutdown: (deadline: Deadline, share?: number) => Deadline
}
