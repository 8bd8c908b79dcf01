import type { Runner } from '../github/runner.ts'
import type { ActivityReportInputs } from '../inputs.ts'
import type { ProcessIdentity } from './processes.ts'

/** What the main step leaves for the post step: not all inputs reach that one as they were (actions/runner#3514). */
export interface SavedActivity extends ActivityReportInputs {
  readonly folder: string
  /** The process that holds the task; undefined where none was started. */
  readonly heartbeat?: ProcessIdentity
  /** Why the task was not held: there is nothing to report then. */
  readonly lost: 'canceled' | 'gone' | undefined
}

const STATE = 'activity'

/** Saves it; a later call replaces what an earlier one saved. */
export function saveActivity(runner: Runner, activity: SavedActivity): void {
  runner.saveState(STATE, JSON.stringify(activity))
}

/** What was saved; undefined when the main step did not get that far. */
export function savedActivity(runner: Runner): SavedActivity | undefined {
  const text = runner.state(STATE)
  return text === '' ? undefined : (JSON.parse(text) as SavedActivity)
}
