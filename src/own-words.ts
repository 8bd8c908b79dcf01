import type { TaskStatus } from './status.ts'

const TASK_STATUSES: readonly TaskStatus[] = ['FINISHED', 'FAILED', 'FALSE']

/** Error ids that say why a task failed, where the user gave none: made for machines, so they are always the same. */
const OWN_ERROR_IDS = [
  'GitHubActions:JobCancelled',
  'GitHubActions:JobFailed',
  'GitHubActions:NeededJobCancelled',
  'GitHubActions:NeededJobFailed',
  'GitHubActions:NeededJobSkipped',
  'GitHubActions:ReportedFailed',
  'GitHubActions:RunnerLost',
]

const OWN_WORDS: ReadonlySet<string> = new Set([...TASK_STATUSES, 'true', 'false', ...OWN_ERROR_IDS])

/**
 * Whether a value of an output, or an error id, is one of a fixed set of ours. It is public, and others compare it: so it
 * stays as it is where a secret of the job is the same word, or a part of it.
 */
export function isOwnWord(value: string): boolean {
  return OWN_WORDS.has(value)
}
