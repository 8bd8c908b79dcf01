/** What SetTaskStatus takes: FALSE is a precondition that does not hold (API reference, SetTaskStatus). */
export const TASK_STATUSES = ['FINISHED', 'FAILED', 'FALSE'] as const
export type TaskStatus = (typeof TASK_STATUSES)[number]

/** How a job ended, in GitHub's words. */
export type Outcome = 'success' | 'failure' | 'cancelled' | 'skipped'

const STATUS_OF_WORD: ReadonlyMap<string, TaskStatus> = new Map([
  ['finished', 'FINISHED'],
  ['failed', 'FAILED'],
  // YAML turns an unquoted FALSE into a boolean, which reaches an action as "false".
  ['false', 'FALSE'],
  ['success', 'FINISHED'],
  ['failure', 'FAILED'],
  ['cancelled', 'FAILED'],
  // Conclusions of jobs and runs (REST API, "Get a workflow run"). The others don't tell whether the work was done.
  ['timed_out', 'FAILED'],
  ['startup_failure', 'FAILED'],
])

/** The words that `parseStatus` knows, as they are shown to a user. */
export const STATUS_WORDS = [
  'FINISHED',
  'FAILED',
  'FALSE',
  'success',
  'failure',
  'cancelled',
  'timed_out',
  'startup_failure',
] as const

/** The words of `job.status`: a job that runs was not skipped. */
export const JOB_STATUSES = ['success', 'failure', 'cancelled'] as const satisfies readonly Outcome[]

/** One of them. */
export type JobStatus = (typeof JOB_STATUSES)[number]

/** The words of `needs.<job>.result`. */
export const NEEDED_RESULTS = ['success', 'failure', 'cancelled', 'skipped'] as const satisfies readonly Outcome[]

/** The task status that a word names, in any case; undefined for any other word: a status is never guessed. */
export function parseStatus(word: string): TaskStatus | undefined {
  return STATUS_OF_WORD.get(word.toLowerCase())
}

/** The outcome that a word of `job.status` names, in any case; undefined for any other word. */
export function parseJobStatus(word: string): JobStatus | undefined {
  return JOB_STATUSES.find((outcome) => outcome === word.toLowerCase())
}

/**
 * The status that follows from how a job ended. A failed precondition is FALSE ("it does not hold");
 * one that was cancelled or skipped came to no answer and is FAILED.
 */
export function deriveStatus(outcome: Outcome, precondition: boolean): TaskStatus {
  if (outcome === 'success') return 'FINISHED'
  return outcome === 'failure' && precondition ? 'FALSE' : 'FAILED'
}
