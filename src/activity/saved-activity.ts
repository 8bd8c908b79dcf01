import { messageOf } from '../errors.ts'
import type { Runner } from '../github/runner.ts'
import type { ActivityReportInputs } from '../inputs.ts'
import type { ProcessIdentity } from './processes.ts'

/** What the main step leaves for the post step: not all inputs reach that one as they were (actions/runner#3514). */
export interface SavedActivity extends ActivityReportInputs {
  readonly folder: string
  /** The process that holds the task; undefined where none was started. */
  readonly heartbeat?: ProcessIdentity
  /** The main step ended well, and let the job go on. */
  readonly goesOn?: true
  /** Why the task was not held: there is nothing to report then. */
  readonly lost?: 'canceled' | 'gone'
}

const STATE = 'activity'

/** Saved in place of it when the inputs are wrong: the task is perhaps not even known. */
type WrongInputs = 'wrong-inputs'

/**
 * Saves it; a later call replaces what an earlier one saved.
 *
 * @throws Error when the runner's file can't be written
 */
export function saveActivity(runner: Pick<Runner, 'saveState'>, activity: SavedActivity | WrongInputs): void {
  try {
    runner.saveState(STATE, JSON.stringify(activity))
  } catch (cause) {
    throw new Error(`What the post step needs could not be saved: ${messageOf(cause)}.`, { cause })
  }
}

/** What the main step saved; undefined when it could save nothing. */
export function savedActivity(runner: Runner): SavedActivity | WrongInputs | undefined {
  const text = runner.state(STATE)
  return text === '' ? undefined : (JSON.parse(text) as SavedActivity | WrongInputs)
}
