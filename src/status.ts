/** What SetTaskStatus takes: FALSE is a precondition that does not hold (API reference, SetTaskStatus). */
export type TaskStatus = 'FINISHED' | 'FAILED' | 'FALSE'

/** How a job or a step ended, in GitHub's words. */
export type Outcome = 'success' | 'failure' | 'cancelled'

const STATUS_OF_WORD: ReadonlyMap<string, TaskStatus> = new Map([
  ['finished', 'FINISHED'],
  ['failed', 'FAILED'],
  // YAML turns an unquoted FALSE into a boolean, which reaches an action as "false".
  ['false', 'FALSE'],
  ['success', 'FINISHED'],
  ['failure', 'FAILED'],
  ['cancelled', 'FAILED'],
])

/** The words that `parseStatus` knows, as they are shown to a user. */
export const STATUS_WORDS = ['FINISHED', 'FAILED', 'FALSE', 'success', 'failure', 'cancelled'] as const

/** The words of `job.status`. */
export const OUTCOMES: readonly Outcome[] = ['success', 'failure', 'cancelled']

/** The task status that a word names, in any case; undefined for any other word: a status is never guessed. */
export function parseStatus(word: string): TaskStatus | undefined {
  return STATUS_OF_WORD.get(word.toLowerCase())
}

/** The outcome that GitHub's word names, in any case; undefined for any other word. */
export function parseOutcome(word: string): Outcome | undefined {
  return OUTCOMES.find((outcome) => outcome === word.toLowerCase())
}

/**
 * The status that follows from how a job ended. A failed precondition is FALSE ("it does not hold");
 * a cancelled one came to no answer and is FAILED.
 */
export function deriveStatus(outcome: Outcome, precondition: boolean): TaskStatus {
  if (outcome === 'success') return 'FINISHED'
  return outcome === 'failure' && precondition ? 'FALSE' : 'FAILED'
}
