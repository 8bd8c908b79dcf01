import type { Cause } from '../domain/cause.ts'
import type { Job } from '../github/api.ts'
import { stepNames } from './error-message.ts'
import { type EvidenceRequest, type Explanation, type Fetching, fetchFact, unknownJob } from './facts.ts'
import { failedSteps } from './job.ts'

type OwnCause = Exclude<Cause, { kind: 'needs' }>

/** Fetches this job, until GitHub's API shows the step that failed. */
export async function fetchOwnJob(fetching: Fetching): Promise<void> {
  const { api, facts, request } = fetching
  const { cause } = request
  const isListed = isStepListed(cause)
  let { id, job: found } = await findOwnJob(fetching)
  await fetchFact(fetching, {
    fetch: async () => {
      const job = found ?? (await api.job(id))
      found = undefined
      facts.ownJob = job
      return job
    },
    isComplete: (job) => !isListed || cause.outcome === 'success' || failedSteps(job).length > 0,
    // A job may be canceled between two steps.
    isCertain: isListed && cause.outcome === 'failure',
  })
}

/** Whether GitHub's API lists the step that decided the outcome of the job. */
function isStepListed(cause: Cause): cause is Extract<Cause, { kind: 'job' }> {
  return cause.kind === 'job' && cause.unlisted === undefined
}

/** Finds this job by its id, or else by its runner. Never by its name, which a matrix changes. */
async function findOwnJob(fetching: Fetching): Promise<{ id: number; job?: Job }> {
  const { checkRunId, run } = fetching.request
  if (checkRunId !== undefined) return { id: checkRunId }
  if (run.runnerName === undefined) throw new Error('the runner provides neither the id of its job nor its own name')
  const jobs = await fetchFact(fetching, {
    fetch: () => fetching.api.jobsOfAttempt(Number(run.attempt ?? 1)),
    isComplete: (each) => each.filter((job) => isOwnJob(job, fetching.request)).length === 1,
  })
  const running = jobs.filter((job) => isOwnJob(job, fetching.request))
  const [job] = running
  if (job === undefined || running.length > 1) {
    throw new Error(`${running.length} running jobs of this run have the runner name ${run.runnerName}`)
  }
  return { id: job.id, job }
}

/** Whether it is this job. GitHub's API may still show one that just began as queued. */
export function isOwnJob({ id, status, runnerName }: Job, { checkRunId, run }: EvidenceRequest): boolean {
  if (checkRunId !== undefined) return id === checkRunId
  return status !== 'completed' && runnerName !== undefined && runnerName === run.runnerName
}

/** Explains the failure of this job, of which nothing may be known but its key in the workflow. */
export function explainOwnJob(cause: OwnCause, job: Job | undefined, jobKey: string | undefined): Explanation {
  const outcome = cause.kind === 'given' ? 'reported' : cause.outcome
  const isInComposite = cause.kind === 'job' && cause.outcome === 'failure' && cause.unlisted === 'composite-action'
  const remarks = isInComposite ? ['The failed step is inside the composite action that sent this report.'] : []
  const explanation = { related: [], remarks, trace: undefined }
  if (job === undefined) return { ...explanation, jobs: [unknownJob(jobKey ?? '(unknown)', outcome)] }
  const steps = failedSteps(job).map(({ name }) => name)
  const jobs = [{ ...unknownJob(job.name, outcome), steps: isStepListed(cause) ? steps : [], link: job.link }]
  // The workflow named the status itself, so these steps need not be the reason.
  if (cause.kind === 'given' && steps.length > 0) {
    return { ...explanation, jobs, remarks: [`Failed steps: ${stepNames(steps)}.`] }
  }
  return { ...explanation, jobs }
}
