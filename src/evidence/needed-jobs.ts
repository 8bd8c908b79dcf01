import type { NeededJob } from '../domain/needs.ts'
import type { Job } from '../github/api.ts'

/** The jobs of a run that belong to needed jobs, as far as their names tell. */
export interface MatchedJobs {
  /** For each needed job: the jobs of the run that ended like it; several for a matrix, none if they can't be told. */
  readonly matched: ReadonlyMap<NeededJob, readonly Job[]>
  /**
   * Jobs that did not succeed and belong to no needed job by their name: renamed ones, ones that nobody needs, and all
   * where the needed jobs have no names.
   */
  readonly others: readonly Job[]
}

/**
 * Finds the jobs of a run behind needed jobs. The API does not tell a job's key in the workflow: without a `name:` it is
 * the name, or the beginning of it (`key (matrix values)`, `key / job of the called workflow`).
 *
 * @param passing keys of needed jobs that are all right, and so explain nothing
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
  // A job that was cancelled explains something only where one of those looked for was.
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
 * Whether GitHub does not know yet how a needed job ended: it shows one of its jobs as running, or, where a job has a
 * name of its own and so can't be told, too few that ended like it and one that runs. A needed job has ended.
 *
 * @param jobs of the run, without the job that asks
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
