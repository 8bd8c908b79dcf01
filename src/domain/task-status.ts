/** The statuses of SetTaskStatus. FALSE is a precondition that does not hold (API reference, SetTaskStatus). */
export const TASK_STATUSES = ['FINISHED', 'FAILED', 'FALSE'] as const
export type TaskStatus = (typeof TASK_STATUSES)[number]

/** The outcome of a job, in GitHub's words. */
export type Outcome = 'success' | 'failure' | 'cancelled' | 'skipped'

const STATUS_OF_WORD: ReadonlyMap<string, TaskStatus> = new Map([
  ['finished', 'FINISHED'],
  ['failed', 'FAILED'],
  // YAML turns an unquoted FALSE into a boolean, which reaches an action as "false".
  ['false', 'FALSE'],
  ['success', 'FINISHED'],
  ['failure', 'FAILED'],
  ['cancelled', 'FAILED'],
  // Conclusions of jobs and runs (REST API, "Get a workflow run"). The others don't say whether the work was done.
  ['timed_out', 'FAILED'],
  ['startup_failure', 'FAILED'],
])

/** The words of `parseStatus`, for messages. */
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

export type JobStatus = (typeof JOB_STATUSES)[number]

/** The words of `needs.<job>.result`. */
export const NEEDED_RESULTS = ['success', 'failure', 'cancelled', 'skipped'] as const satisfies readonly Outcome[]

/** The task status for a word, in any case; undefined for any other word. A status is never guessed. */
export function parseStatus(word: string): TaskStatus | undefined {
  return STATUS_OF_WORD.get(word.toLowerCase())
}

/** The job status for a word, in any case; undefined for any other word. */
export function parseJobStatus(word: string): JobStatus | undefined {
  return JOB_STATUSES.find((outcome) => outcome === word.toLowerCase())
}

/**
 * The status for an outcome. A failed precondition is FALSE: it does not hold. A canceled or skipped job is FAILED.
 */
export function deriveStatus(outcome: Outcome, precondition: boolean): TaskStatus {
  if (outcome === 'success') return 'FINISHED'
  return outcome === 'failure' && precondition ? 'FALSE' : 'FAILED'
}
