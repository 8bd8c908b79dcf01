import type { Clock } from '../util/clock.ts'
import { formatSeconds } from '../util/format.ts'
import type { CommandEnd } from './command.ts'
import type { PreconditionRetry } from './definition.ts'
import { endOf, falseEnd, isNo, type TaskEnd } from './task-end.ts'

/** A definition may have no delay at all. */
const MIN_DELAY_MS = 1_000

export interface PreconditionDependencies {
  readonly clock: Clock
  /** Aborted to stop the task. */
  readonly stop: AbortSignal
  readonly log: (line: string) => void
}

/**
 * Runs the command of a precondition until it holds or its time is over. The last attempt is made at the end of the time.
 *
 * @returns undefined when it was stopped
 */
export async function tryPrecondition(
  { delayMs, timeoutMs }: PreconditionRetry,
  attempt: () => Promise<CommandEnd>,
  { clock, stop, log }: PreconditionDependencies,
): Promise<TaskEnd | undefined> {
  const until = clock.now() + timeoutMs
  for (let attempts = 1; ; attempts++) {
    const end = await attempt()
    if (end.kind === 'stopped') return undefined
    if (!isNo(end) || end.kind !== 'exited') return endOf(end)
    const leftMs = until - clock.now()
    if (leftMs <= 0) return falseEnd(end.exitCode, attempts, timeoutMs)
    const waitMs = Math.min(Math.max(delayMs, MIN_DELAY_MS), leftMs)
    log(`The precondition does not hold (exit code ${end.exitCode}). It is tried again in ${formatSeconds(waitMs)}.`)
    await clock.sleep(waitMs, stop)
    if (stop.aborted) return undefined
  }
}
