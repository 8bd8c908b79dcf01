import type { NeededJob } from '../domain/needs.ts'
import type { Job } from '../github/api.ts'

/** The jobs of a run that belong to needed jobs, by their names. */
export interface MatchedJobs {
  /** For each needed job, the jobs of the run with its result: several for a matrix, none if it can't be recognized. */
  readonly matched: ReadonlyMap<NeededJob, readonly Job[]>
  /**
   * Jobs that did not succeed and belong to no needed job by their name: renamed jobs, jobs that are not needed, and all jobs
   * if the needed jobs have no names.
   */
  readonly others: readonly Job[]
}

/**
 * Finds the jobs of a run that belong to needed jobs. The API does not give a job's key in the workflow. Without a `name:`, it
 * is the name, or its beginning (`key (matrix values)`, `key / job of the called workflow`).
 *
 * @param passing keys of the needed jobs that don't explain a failure
 */
export function matchNeededJobs(
  needed: readonly NeededJob[],
  passing: readonly string[],
  jobs: readonly Job[],
): MatchedJobs {
  const matched = new Map(
    needed.map((job) => [job, jobs.filter((each) => belongsTo(each, job.key) && resultOf(each) === job.result)]),
  )
  const known = [...needed.map(({ key }) => key), ...passing]
  // A canceled job explains only needed jobs that were canceled.
  const unexplained = [
    'failure',
    ...[...matched].filter(([, found]) => found.length === 0).map(([{ result }]) => result),
  ]
  const others = jobs.filter((job) => {
    const result = resultOf(job)
    return (
      result !== undefined &&
      result !== 'skipped' &&
      unexplained.includes(result) &&
      !known.some((key) => belongsTo(job, key))
    )
  })
  return { matched, others }
}

/**
 * Whether GitHub's API does not show yet how a needed job ended. It shows one of its jobs as running, or, if a job can't be
 * recognized by its name, too few with its result and one that runs. A needed job has always ended.
 *
 * @param jobs of the run, without this job
 */
export function isBehind(needed: readonly NeededJob[], passing: readonly string[], jobs: readonly Job[]): boolean {
  const running = jobs.filter(({ conclusion }) => conclusion === undefined)
  if (needed.some(({ key }) => running.some((job) => belongsTo(job, key)))) return true
  const known = [...needed.map(({ key }) => key), ...passing]
  if (running.every((job) => known.some((key) => belongsTo(job, key)))) return false
  const { matched, others } = matchNeededJobs(needed, passing, jobs)
  return (['failure', 'cancelled'] as const).some(
    (result) =>
      needed.filter((job) => job.result === result && matched.get(job)?.length === 0).length >
      others.filter((job) => resultOf(job) === result).length,
  )
}

function belongsTo({ name }: Job, key: string | undefined): boolean {
  if (key === undefined) return false
  return name === key || name.startsWith(`${key} (`) || name.startsWith(`${key} / `)
}

function resultOf({ conclusion }: Job): NeededJob['result'] | undefined {
  return RESULT_OF_CONCLUSION.get(conclusion ?? '')
}

const RESULT_OF_CONCLUSION: ReadonlyMap<string, NeededJob['result']> = new Map([
  ['action_required', 'failure'],
  ['cancelled', 'cancelled'],
  ['failure', 'failure'],
  ['skipped', 'skipped'],
  ['startup_failure', 'failure'],
  ['timed_out', 'failure'],
])
