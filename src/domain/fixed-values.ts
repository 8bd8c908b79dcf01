import { ERROR_IDS } from './error-id.ts'
import { TASK_STATUSES } from './task-status.ts'

const FIXED_VALUES: ReadonlySet<string> = new Set([...TASK_STATUSES, 'true', 'false', ...ERROR_IDS])

/**
 * Whether a value of an output, or an error id, is one of a fixed set of ours. These are public, and others compare them, so they
 * are not masked even if a secret of the job is the same word.
 */
export function isFixedValue(value: string): boolean {
  return FIXED_VALUES.has(value)
}
