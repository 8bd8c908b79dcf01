import type { GitHubApi, Job } from '../github/api.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'
import { errorMessageOf } from './error-message.ts'
import type { EvidenceRequest, Explanation, Facts } from './facts.ts'
import { explainNeededJobs, fetchNeededJobs } from './needed-job-evidence.ts'
import { explainOwnJob, fetchOwnJob } from './own-job.ts'

export interface EvidenceDependencies {
  /** Undefined: GitHub's API is not called. */
  readonly connect: ((signal: AbortSignal, onProblem: (message: string) => void) => Promise<GitHubApi>) | undefined
  /** All calls together end before it. */
  readonly deadline: Deadline
  /** Redacts secrets in the texts of responses, before anything truncates them. */
  readonly redact: (text: string) => string
}

/** Why a job failed, for people. */
export interface Evidence {
  /** Names what failed, and ends with the link to it. */
  readonly message: string
  readonly trace: string | undefined
  /** Why some of it is missing; undefined when nothing is. */
  readonly problem: string | undefined
}

/**
 * Finds out why a job failed: from what GitHub's API gives before the deadline, and from what is known without it. Never
 * fails.
 *
 * @param maxBytes of UTF-8 in the message
 */
export async function collectEvidence(
  request: EvidenceRequest,
  dependencies: EvidenceDependencies,
  maxBytes: number,
): Promise<Evidence> {
  const facts: Facts = { ownJob: undefined, neededJobs: undefined, problems: [] }
  if (dependencies.connect !== undefined) await fetchFacts(request, facts, dependencies.connect, dependencies)
  const { trace, ...parts } = explain(request, facts)
  const { workflow, repository, number, attempt, link } = request.run
  const run = { workflow, repository, runNumber: number, attempt, link }
  return { message: errorMessageOf({ ...parts, run }, maxBytes), trace, problem: facts.problems[0] }
}

async function fetchFacts(
  request: EvidenceRequest,
  facts: Facts,
  connect: NonNullable<EvidenceDependencies['connect']>,
  { deadline, redact }: EvidenceDependencies,
): Promise<void> {
  const { cause } = request
  const onProblem = (problem: string): void => void facts.problems.push(problem)
  try {
    await deadline.within(
      deadline.remaining(),
      async (signal) => {
        const api = redactResponses(await connect(signal, onProblem), redact)
        const fetching = { api, request, facts, time: { deadline, signal } }
        await (cause.kind === 'needs' ? fetchNeededJobs(fetching, cause) : fetchOwnJob(fetching))
      },
      (ms) => new Error(`GitHub's API did not respond within ${formatSeconds(ms)}`),
    )
  } catch (error) {
    onProblem(errorMessage(error))
  }
}

/** Explains the failure from what is known by now. */
function explain(request: EvidenceRequest, facts: Facts): Explanation {
  const { cause, run } = request
  if (cause.kind === 'needs') return explainNeededJobs(cause, facts.neededJobs, request.wantsTrace)
  return explainOwnJob(cause, facts.ownJob, run.jobKey)
}

/** The API, without secrets in its responses. */
function redactResponses(api: GitHubApi, redact: (text: string) => string): GitHubApi {
  const redactJob = (job: Job): Job => ({
    ...job,
    name: redact(job.name),
    steps: job.steps.map((step) => ({ ...step, name: redact(step.name) })),
  })
  return {
    ...api,
    job: async (id) => redactJob(await api.job(id)),
    jobsOfAttempt: async (attempt) => (await api.jobsOfAttempt(attempt)).map(redactJob),
    annotations: async (jobId) =>
      (await api.annotations(jobId)).map(({ level, message, place }) => ({
        level,
        message: redact(message),
        place: place && { ...place, path: redact(place.path) },
      })),
    logEnd: async (jobId, until) => redact(await api.logEnd(jobId, until)),
  }
}
