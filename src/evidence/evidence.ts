import type { Deadline } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Annotation, GitHubApi, Job, Step } from '../github/api.ts'
import type { WorkflowRun } from '../github/workflow-run.ts'
import type { Cause } from './cause.ts'
import { errorMessageOf, type JobEvidence, stepNames } from './error-message.ts'
import { excerptOf, hasContent, type LogExcerpt, type LoggedSteps } from './log-excerpt.ts'
import { type MatchedJobs, matchNeededJobs } from './needed-jobs.ts'

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
const MOST_JOBS_WITH_ANNOTATIONS = 5
/** GitHub learns of a finished step a little after the runner does. */
const ASK_AGAIN_MS = 1_000

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
  const findings: Findings = { jobs: knownJobs(request), related: [], remarks: [], trace: undefined, problems: [] }
  const { connect, deadline, redact } = dependencies
  if (connect !== undefined) {
    try {
      await deadline.within(
        deadline.remaining(),
        async (signal) => {
          const connected = await connect(signal, (problem) => findings.problems.push(problem))
          const api = withoutSecrets(connected, redact)
          if (request.cause.kind === 'needs') await lookAtNeededJobs(api, request, request.cause, findings, signal)
          else await lookAtOwnJob(api, request, findings, deadline, signal)
        },
        (ms) => new Error(`GitHub's API did not answer within ${Math.round(ms / 1000)} s`),
      )
    } catch (error) {
      findings.problems.push(messageOf(error))
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
      (await api.annotations(jobId)).map(({ level, message }) => ({ level, message: redact(message) })),
    logEnd: async (jobId, until) => redact(await api.logEnd(jobId, until)),
  }
}

/** What is known without asking anyone. */
function knownJobs({ cause, run }: EvidenceRequest): JobEvidence[] {
  const bare = { steps: [], said: undefined, link: undefined }
  if (cause.kind === 'needs') return cause.jobs.map(({ key, result }) => ({ name: key, outcome: result, ...bare }))
  return [{ name: run.jobKey ?? '(unknown)', outcome: cause.kind === 'given' ? 'reported' : cause.outcome, ...bare }]
}

async function lookAtOwnJob(
  api: GitHubApi,
  request: EvidenceRequest,
  findings: Findings,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<void> {
  const { cause } = request
  let job = await ownJob(api, request)
  const isFailure = cause.kind === 'job' && cause.outcome === 'failure'
  for (;;) {
    const steps = failedSteps(job)
    const [known] = findings.jobs
    findings.jobs = [
      { ...known, name: job.name, outcome: known?.outcome ?? 'failure', said: undefined, link: job.link, steps: [] },
    ]
    // A workflow that reports a failure of its own may have failed steps all the same, which then are not the reason.
    const names = steps.map(({ name }) => name)
    if (cause.kind !== 'given') findings.jobs = findings.jobs.map((evidence) => ({ ...evidence, steps: names }))
    else if (names.length > 0) findings.remarks = [`Failed in it: step ${stepNames(names)}.`]
    if (!isFailure || steps.length > 0 || signal.aborted) return
    // What is known stands: that GitHub does not know it in time is no failure of the API.
    if (deadline.remaining() < 2 * ASK_AGAIN_MS) return
    await deadline.sleep(ASK_AGAIN_MS)
    // A machine that is busy sleeps longer.
    if (signal.aborted || deadline.remaining() < ASK_AGAIN_MS / 2) return
    try {
      job = await api.job(job.id)
    } catch (error) {
      findings.problems.push(messageOf(error))
      return
    }
  }
}

/** This job: by the id that the runner knows, else by the runner. Never by its name, which a matrix changes. */
async function ownJob(api: GitHubApi, { checkRunId, run }: EvidenceRequest): Promise<Job> {
  if (checkRunId !== undefined) return api.job(checkRunId)
  const jobs = await api.jobsOfAttempt(Number(run.attempt ?? 1))
  if (run.runnerName === undefined) throw new Error('the runner tells neither the id of its job nor its own name')
  const running = jobs.filter(({ status, runnerName }) => status === 'in_progress' && runnerName === run.runnerName)
  const [job] = running
  if (job === undefined || running.length > 1) {
    throw new Error(`${running.length} running jobs of this run have the runner name ${run.runnerName}`)
  }
  return job
}

async function lookAtNeededJobs(
  api: GitHubApi,
  request: EvidenceRequest,
  cause: Extract<Cause, { kind: 'needs' }>,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const needed = cause.jobs
  const { matched, others } = await findNeededJobs(api, request, cause, findings, signal)
  const failed = [...[...matched.values()].flat(), ...others].filter(({ conclusion }) => conclusion !== 'skipped')
  // A needed job that has another name, or was skipped because of a job that nobody here needs.
  const areOthersOfUse = needed.some((job) => job.result === 'skipped' || matched.get(job)?.length === 0)
  const [first] = areOthersOfUse ? failed : failed.filter((job) => !others.includes(job))

  const annotations = new Map<Job, readonly string[]>()
  let log: LogExcerpt | undefined
  // After each answer, as the next may never come.
  const explain = (): void => {
    const messagesOf = (job: Job): string[] =>
      (annotations.get(job) ?? []).filter((message) => job !== first || !log?.isElsewhere(message))
    const of = (job: Job): JobEvidence => {
      const said = [job === first ? log?.error : undefined, ...messagesOf(job)].filter((text) => text !== undefined)
      return evidenceOf(job, said.find(hasContent) ?? said[0])
    }
    findings.jobs = needed.flatMap((job) => {
      const jobs = matched.get(job) ?? []
      return jobs.length > 0
        ? jobs.map(of)
        : [{ name: job.key, outcome: job.result, steps: [], said: undefined, link: undefined }]
    })
    findings.related = areOthersOfUse ? others.map(of) : []
    if (first !== undefined && request.wantsTrace) findings.trace = traceOf(messagesOf(first), log)
  }
  explain()
  if (first === undefined) return
  const readLog = async (): Promise<void> => {
    log = await logExcerpt(api, first, findings)
    explain()
  }
  const readAnnotations = async (job: Job): Promise<void> => {
    annotations.set(job, await failureMessages(api, job, findings))
    explain()
  }
  await Promise.all([readLog(), ...failed.slice(0, MOST_JOBS_WITH_ANNOTATIONS).map(readAnnotations)])
}

/** A job that was not run again belongs to the attempt that ran it, so earlier attempts are looked at, too. */
async function findNeededJobs(
  api: GitHubApi,
  { run }: EvidenceRequest,
  { jobs: needed, fine }: Extract<Cause, { kind: 'needs' }>,
  findings: Findings,
  signal: AbortSignal,
): Promise<MatchedJobs> {
  const latest: Job[] = []
  let found = matchNeededJobs(needed, fine, latest)
  for (let attempt = Number(run.attempt ?? 1); attempt >= 1 && !signal.aborted; attempt--) {
    const later = new Set(latest.map(({ name }) => name))
    try {
      latest.push(...(await api.jobsOfAttempt(attempt)).filter(({ name }) => !later.has(name)))
    } catch (error) {
      if (latest.length === 0) throw error
      findings.problems.push(messageOf(error))
      break
    }
    found = matchNeededJobs(needed, fine, latest)
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

async function logExcerpt(api: GitHubApi, job: Job, findings: Findings): Promise<LogExcerpt | undefined> {
  const steps = loggedSteps(job)
  try {
    // The API tells whole seconds.
    return excerptOf(await api.logEnd(job.id, steps && steps.failed.completedAt + 999), steps)
  } catch (error) {
    findings.problems.push(messageOf(error))
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

async function failureMessages(api: GitHubApi, job: Job, findings: Findings): Promise<string[]> {
  try {
    const failures = (await api.annotations(job.id)).filter(({ level }: Annotation) => level === 'failure')
    return failures.map(({ message }) => message)
  } catch (error) {
    findings.problems.push(messageOf(error))
    return []
  }
}

/** The log's end; before it, what annotations say and the log does not. */
function traceOf(messages: readonly string[], log: LogExcerpt | undefined): string | undefined {
  const unsaid = messages.filter((message) => !log?.text.includes(message.trim()))
  const better = unsaid.filter(hasContent)
  const said = better.length > 0 || log?.text ? better : unsaid
  return (
    [...said.map((message) => `error: ${message.trim()}`), log?.text].filter((part) => part).join('\n') || undefined
  )
}
