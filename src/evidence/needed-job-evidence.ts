import type { Cause } from '../domain/cause.ts'
import type { NeededJob } from '../domain/needs.ts'
import type { Annotation, Job } from '../github/api.ts'
import { errorMessage } from '../masking/error-message.ts'
import { excerptFrom, traceOf } from './annotations.ts'
import type { JobEvidence } from './error-message.ts'
import { type Explanation, type Fetching, fetchFact, type NeededJobFacts, unknownJob } from './facts.ts'
import { failedSteps, hasRun, loggedSteps } from './job.ts'
import { excerptOf, type LogExcerpt } from './log-excerpt.ts'
import { isBehind, type MatchedJobs, matchNeededJobs } from './needed-jobs.ts'
import { isOwnJob } from './own-job.ts'

type NeedsCause = Extract<Cause, { kind: 'needs' }>

/** The jobs whose annotations are fetched. More are only named. */
const MAX_JOBS_WITH_ANNOTATIONS = 5

/** Fetches the jobs of the run, then the annotations of those that failed and the log of the first. */
export async function fetchNeededJobs(fetching: Fetching, cause: NeedsCause): Promise<void> {
  const jobs = await findNeededJobs(fetching, cause)
  const facts: NeededJobFacts = { jobs, annotations: new Map(), log: undefined }
  fetching.facts.neededJobs = facts
  const { failed, first } = explainingJobs(cause.jobs, jobs)
  if (first === undefined) return
  const fetchLog = async (): Promise<void> => {
    if (hasRun(first)) facts.log = await fetchLogExcerpt(fetching, first)
  }
  const fetchAnnotations = async (job: Job): Promise<void> => {
    facts.annotations.set(job, await fetchErrors(fetching, job))
  }
  await Promise.all([fetchLog(), ...failed.slice(0, MAX_JOBS_WITH_ANNOTATIONS).map(fetchAnnotations)])
}

/** Explains the failure of needed jobs, of which nothing may be known but their keys and results. */
export function explainNeededJobs(
  cause: NeedsCause,
  facts: NeededJobFacts | undefined,
  wantsTrace: boolean,
): Explanation {
  const unknown = ({ key, result }: NeededJob): JobEvidence => unknownJob(key, result)
  if (facts === undefined) {
    return { jobs: cause.jobs.map(unknown), related: [], remarks: [], trace: undefined }
  }
  const { matched, others } = facts.jobs
  const { first, areOthersOfUse } = explainingJobs(cause.jobs, facts.jobs)
  const evidence = (job: Job): JobEvidence => evidenceOf(job, errorsOf(job, first, facts), job === first, facts)
  return {
    jobs: cause.jobs.flatMap((needed) => {
      const jobs = matched.get(needed) ?? []
      return jobs.length > 0 ? jobs.map(evidence) : [unknown(needed)]
    }),
    related: areOthersOfUse ? others.map(evidence) : [],
    remarks: [],
    trace: first !== undefined && wantsTrace ? traceOf(errorsOf(first, first, facts), facts.log) : undefined,
  }
}

/** The jobs that explain the failure of needed jobs. */
function explainingJobs(needed: readonly NeededJob[], { matched, others }: MatchedJobs) {
  const failed = [...[...matched.values()].flat(), ...others].filter(({ conclusion }) => conclusion !== 'skipped')
  // A needed job that has another name, or was skipped because of a job that this one does not need.
  const areOthersOfUse = needed.some((job) => job.result === 'skipped' || matched.get(job)?.length === 0)
  const explaining = areOthersOfUse ? failed : failed.filter((job) => !others.includes(job))
  return { failed, first: explaining.find(hasRun) ?? explaining[0], areOthersOfUse }
}

/** The errors of a job. For the first one, without those that its log shows in another step. */
function errorsOf(job: Job, first: Job | undefined, { annotations, log }: NeededJobFacts): Annotation[] {
  return (annotations.get(job) ?? []).filter(({ message }) => job !== first || !log?.isElsewhere(message))
}

function evidenceOf(job: Job, errors: readonly Annotation[], hasLog: boolean, { log }: NeededJobFacts): JobEvidence {
  return {
    name: job.name,
    outcome: job.conclusion ?? job.status,
    steps: failedSteps(job).map(({ name }) => name),
    excerpt: excerptFrom(errors, hasLog ? log?.error : undefined),
    link: job.link,
  }
}

/** Finds the jobs of the run. A job that was not run again belongs to an earlier attempt, so these are fetched as well. */
async function findNeededJobs(fetching: Fetching, { jobs: needed, passing }: NeedsCause): Promise<MatchedJobs> {
  const { api, request, facts, time } = fetching
  const thisAttempt = Number(request.run.attempt ?? 1)
  const latest: Job[] = []
  let found = matchNeededJobs(needed, passing, latest)
  for (let attempt = thisAttempt; attempt >= 1 && !time.signal.aborted; attempt--) {
    const later = new Set(latest.map(({ name }) => name))
    const isComplete = (jobs: readonly Job[]): boolean => {
      const others = jobs.filter((job) => !isOwnJob(job, request))
      return attempt < thisAttempt || !isBehind(needed, passing, others)
    }
    try {
      const jobs = await fetchFact(fetching, { fetch: () => api.jobsOfAttempt(attempt), isComplete })
      latest.push(...jobs.filter(({ name }) => !later.has(name)))
    } catch (error) {
      if (latest.length === 0) throw error
      facts.problems.push(errorMessage(error))
      break
    }
    found = matchNeededJobs(needed, passing, latest)
    if ([...found.matched.values()].every((jobs) => jobs.length > 0)) break
  }
  return found
}

async function fetchLogExcerpt(fetching: Fetching, job: Job): Promise<LogExcerpt | undefined> {
  const steps = loggedSteps(job)
  // The API gives whole seconds.
  const until = steps && steps.failed.completedAt + 999
  try {
    const log = await fetchFact(fetching, { fetch: () => fetching.api.logEnd(job.id, until), isComplete: () => true })
    return excerptOf(log, steps)
  } catch (error) {
    fetching.facts.problems.push(errorMessage(error))
    return undefined
  }
}

async function fetchErrors(fetching: Fetching, job: Job): Promise<Annotation[]> {
  try {
    const annotations = await fetchFact(fetching, {
      fetch: () => fetching.api.annotations(job.id),
      isComplete: () => true,
    })
    return annotations.filter(({ level }) => level === 'failure')
  } catch (error) {
    fetching.facts.problems.push(errorMessage(error))
    return []
  }
}
