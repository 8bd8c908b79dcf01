import type { Cause } from '../domain/cause.ts'
import type { Annotation, GitHubApi, Job, Step } from '../github/api.ts'
import type { WorkflowRun } from '../github/workflow-run.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Deadline } from '../util/deadline.ts'
import { saidOf, traceOf } from './annotations.ts'
import { errorMessageOf, type JobEvidence, stepNames } from './error-message.ts'
import { type AskingTime, askAgain } from './github-retry.ts'
import { excerptOf, type LogExcerpt, type LoggedSteps } from './log-excerpt.ts'
import { isBehind, type MatchedJobs, matchNeededJobs } from './needed-jobs.ts'

/** What is to be explained. */
export interface EvidenceRequest {
  readonly cause: Cause
  readonly run: WorkflowRun
  /** This job's id in the REST API, where the runner knows it. */
  readonly checkRunId: number | undefined
  /** Whether a stack trace is wanted; getting one takes downloads. */
  readonly wantsTrace: boolean
}

export interface EvidenceDependencies {
  /** Undefined: GitHub is not to be asked. */
  readonly connect: ((signal: AbortSignal, onProblem: (message: string) => void) => Promise<GitHubApi>) | undefined
  /** All calls together end before it. */
  readonly deadline: Deadline
  /** Takes secrets out of a text: before it is cut, as a part of one would not be known for what it is. */
  readonly redact: (text: string) => string
}

/** Why a job failed, told for people. */
export interface Evidence {
  /** Names what failed, and ends with the link to it. */
  readonly message: string
  readonly trace: string | undefined
  /** Why GitHub did not tell all of it; undefined when it did. */
  readonly problem: string | undefined
}

/** The jobs whose messages are looked up; more are named only. */
const MAX_JOBS_WITH_ANNOTATIONS = 5

/** What is known so far: a look that is cut short leaves what it found. */
interface Findings {
  jobs: JobEvidence[]
  related: JobEvidence[]
  remarks: string[]
  trace: string | undefined
  problems: string[]
}

/**
 * Finds out why a job failed: from GitHub's API what it gives in time, and else from what is known here. Never fails.
 *
 * @param limit bytes of UTF-8 that the message may have
 */
export async function collectEvidence(
  request: EvidenceRequest,
  dependencies: EvidenceDependencies,
  limit: number,
): Promise<Evidence> {
  const { cause } = request
  const isInComposite = cause.kind === 'job' && cause.outcome === 'failure' && cause.unlisted === 'composite-action'
  const findings: Findings = {
    jobs: knownJobs(request),
    related: [],
    remarks: isInComposite ? ['The failed step is inside the composite action that sent this report.'] : [],
    trace: undefined,
    problems: [],
  }
  const { connect, deadline, redact } = dependencies
  if (connect !== undefined) {
    try {
      await deadline.within(
        deadline.remaining(),
        async (signal) => {
          const connected = await connect(signal, (problem) => findings.problems.push(problem))
          const look = { api: withoutSecrets(connected, redact), request, findings, time: { deadline, signal } }
          if (cause.kind === 'needs') await lookAtNeededJobs(look, cause)
          else await lookAtOwnJob(look)
        },
        (ms) => new Error(`GitHub's API did not answer within ${Math.round(ms / 1000)} s`),
      )
    } catch (error) {
      findings.problems.push(errorMessage(error))
    }
  }
  const { workflow, repository, number, attempt, link } = request.run
  const run = { workflow, repository, runNumber: number, attempt, link }
  return {
    message: errorMessageOf({ ...findings, run }, limit),
    trace: findings.trace,
    problem: findings.problems[0],
  }
}

/** The API, with answers that have no secrets in them. */
function withoutSecrets(api: GitHubApi, redact: (text: string) => string): GitHubApi {
  const safe = (job: Job): Job => ({
    ...job,
    name: redact(job.name),
    steps: job.steps.map((step) => ({ ...step, name: redact(step.name) })),
  })
  return {
    ...api,
    job: async (id) => safe(await api.job(id)),
    jobsOfAttempt: async (attempt) => (await api.jobsOfAttempt(attempt)).map(safe),
    annotations: async (jobId) =>
      (await api.annotations(jobId)).map(({ level, message, place }) => ({
        level,
        message: redact(message),
        place: place && { ...place, path: redact(place.path) },
      })),
    logEnd: async (jobId, until) => redact(await api.logEnd(jobId, until)),
  }
}

/** What is known without asking anyone. */
function knownJobs({ cause, run }: EvidenceRequest): JobEvidence[] {
  const bare = { steps: [], said: undefined, link: undefined }
  if (cause.kind === 'needs') return cause.jobs.map(({ key, result }) => ({ name: key, outcome: result, ...bare }))
  return [{ name: run.jobKey ?? '(unknown)', outcome: cause.kind === 'given' ? 'reported' : cause.outcome, ...bare }]
}

/** What a look at GitHub needs. */
interface Look {
  readonly api: GitHubApi
  readonly request: EvidenceRequest
  readonly findings: Findings
  readonly time: AskingTime
}

/** Asks until it is there, or a few times, and tells of what could not be had in the end. */
function ask<T>({ findings, time }: Look, question: Parameters<typeof askAgain<T>>[0]): Promise<T> {
  return askAgain(question, time, (problem) => findings.problems.push(problem))
}

async function lookAtOwnJob(look: Look): Promise<void> {
  const { api, findings } = look
  const { cause } = look.request
  const isListed = cause.kind === 'job' && cause.unlisted === undefined
  let { id, job: known } = await findOwnJob(look)
  await ask(look, {
    ask: async () => {
      const job = known ?? (await api.job(id))
      known = undefined
      const names = failedSteps(job).map(({ name }) => name)
      const outcome = findings.jobs[0]?.outcome ?? 'failure'
      findings.jobs = [{ name: job.name, outcome, said: undefined, link: job.link, steps: isListed ? names : [] }]
      // They need not be the reason for what the workflow says itself.
      if (cause.kind === 'given' && names.length > 0) findings.remarks = [`Failed in it: step ${stepNames(names)}.`]
      return job
    },
    isThere: (job) => !isListed || cause.outcome === 'success' || failedSteps(job).length > 0,
    // A cancel need not have met a step.
    isSure: isListed && cause.outcome === 'failure',
  })
}

/** This job: by the id that the runner knows, else by the runner. Never by its name, which a matrix changes. */
async function findOwnJob(look: Look): Promise<{ id: number; job?: Job }> {
  const { checkRunId, run } = look.request
  if (checkRunId !== undefined) return { id: checkRunId }
  if (run.runnerName === undefined) throw new Error('the runner tells neither the id of its job nor its own name')
  const jobs = await ask(look, {
    ask: () => look.api.jobsOfAttempt(Number(run.attempt ?? 1)),
    isThere: (each) => each.filter((job) => isOwn(job, look.request)).length === 1,
  })
  const running = jobs.filter((job) => isOwn(job, look.request))
  const [job] = running
  if (job === undefined || running.length > 1) {
    throw new Error(`${running.length} running jobs of this run have the runner name ${run.runnerName}`)
  }
  return { id: job.id, job }
}

/** Whether it is this job; one that just began GitHub may still show as queued. */
function isOwn({ id, status, runnerName }: Job, { checkRunId, run }: EvidenceRequest): boolean {
  if (checkRunId !== undefined) return id === checkRunId
  return status !== 'completed' && runnerName !== undefined && runnerName === run.runnerName
}

async function lookAtNeededJobs(look: Look, cause: Extract<Cause, { kind: 'needs' }>): Promise<void> {
  const { request, findings } = look
  const needed = cause.jobs
  const { matched, others } = await findNeededJobs(look, cause)
  const failed = [...[...matched.values()].flat(), ...others].filter(({ conclusion }) => conclusion !== 'skipped')
  // A needed job that has another name, or was skipped because of a job that nobody here needs.
  const areOthersOfUse = needed.some((job) => job.result === 'skipped' || matched.get(job)?.length === 0)
  const explaining = areOthersOfUse ? failed : failed.filter((job) => !others.includes(job))
  const first = explaining.find(hasRun) ?? explaining[0]

  const annotations = new Map<Job, readonly Annotation[]>()
  let log: LogExcerpt | undefined
  // After each answer, as the next may never come.
  const errorMessageWithHint = (): void => {
    const failuresOf = (job: Job): Annotation[] =>
      (annotations.get(job) ?? []).filter(({ message }) => job !== first || !log?.isElsewhere(message))
    const of = (job: Job): JobEvidence =>
      evidenceOf(job, saidOf(failuresOf(job), job === first ? log?.error : undefined))
    findings.jobs = needed.flatMap((job) => {
      const jobs = matched.get(job) ?? []
      return jobs.length > 0
        ? jobs.map(of)
        : [{ name: job.key, outcome: job.result, steps: [], said: undefined, link: undefined }]
    })
    findings.related = areOthersOfUse ? others.map(of) : []
    if (first !== undefined && request.wantsTrace) findings.trace = traceOf(failuresOf(first), log)
  }
  errorMessageWithHint()
  if (first === undefined) return
  const readLog = async (): Promise<void> => {
    // One that was cancelled before it began has no log.
    if (!hasRun(first)) return
    log = await logExcerpt(look, first)
    errorMessageWithHint()
  }
  const readAnnotations = async (job: Job): Promise<void> => {
    annotations.set(job, await failuresIn(look, job))
    errorMessageWithHint()
  }
  await Promise.all([readLog(), ...failed.slice(0, MAX_JOBS_WITH_ANNOTATIONS).map(readAnnotations)])
}

/** A job that was not run again belongs to the attempt that ran it, so earlier attempts are looked at, too. */
async function findNeededJobs(
  look: Look,
  { jobs: needed, passing }: Extract<Cause, { kind: 'needs' }>,
): Promise<MatchedJobs> {
  const { api, request, findings, time } = look
  const thisAttempt = Number(request.run.attempt ?? 1)
  const latest: Job[] = []
  let found = matchNeededJobs(needed, passing, latest)
  for (let attempt = thisAttempt; attempt >= 1 && !time.signal.aborted; attempt--) {
    const later = new Set(latest.map(({ name }) => name))
    try {
      const jobs = await ask(look, {
        ask: () => api.jobsOfAttempt(attempt),
        isThere: (each) =>
          attempt < thisAttempt ||
          !isBehind(
            needed,
            passing,
            each.filter((job) => !isOwn(job, request)),
          ),
      })
      latest.push(...jobs.filter(({ name }) => !later.has(name)))
    } catch (error) {
      if (latest.length === 0) throw error
      findings.problems.push(errorMessage(error))
      break
    }
    found = matchNeededJobs(needed, passing, latest)
    if ([...found.matched.values()].every((jobs) => jobs.length > 0)) break
  }
  return found
}

function evidenceOf(job: Job, said: string | undefined): JobEvidence {
  return {
    name: job.name,
    outcome: job.conclusion ?? job.status,
    steps: failedSteps(job).map(({ name }) => name),
    said,
    link: job.link,
  }
}

function failedSteps({ steps }: Job): Step[] {
  const failed = steps.filter(({ conclusion }) => conclusion === 'failure' || conclusion === 'timed_out')
  return failed.length > 0 ? failed : steps.filter(({ conclusion }) => conclusion === 'cancelled').slice(0, 1)
}

function hasRun({ runnerName, steps }: Job): boolean {
  return runnerName !== undefined || steps.length > 0
}

async function logExcerpt(look: Look, job: Job): Promise<LogExcerpt | undefined> {
  const steps = loggedSteps(job)
  try {
    // The API tells whole seconds.
    const until = steps && steps.failed.completedAt + 999
    const log = await ask(look, { ask: () => look.api.logEnd(job.id, until), isThere: () => true })
    return excerptOf(log, steps)
  } catch (error) {
    look.findings.problems.push(errorMessage(error))
    return undefined
  }
}

/** When the steps of a job ran; undefined when GitHub does not tell it of the failed one. */
function loggedSteps(job: Job): LoggedSteps | undefined {
  const ran = job.steps.flatMap((step) => {
    const { name, startedAt, completedAt, conclusion } = step
    if (startedAt === undefined || completedAt === undefined || conclusion === 'skipped') return []
    return [{ step, times: { name, startedAt, completedAt } }]
  })
  const failed = ran.find(({ step }) => step === failedSteps(job)[0])?.times
  return failed && { failed, all: ran.map(({ times }) => times) }
}

async function failuresIn(look: Look, job: Job): Promise<Annotation[]> {
  try {
    const annotations = await ask(look, { ask: () => look.api.annotations(job.id), isThere: () => true })
    return annotations.filter(({ level }) => level === 'failure')
  } catch (error) {
    look.findings.problems.push(errorMessage(error))
    return []
  }
}
