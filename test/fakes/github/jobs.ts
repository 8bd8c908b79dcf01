/** GitHub's `conclusion` of a job or step. */
export type Conclusion =
  | 'success'
  | 'failure'
  | 'neutral'
  | 'cancelled'
  | 'skipped'
  | 'timed_out'
  | 'action_required'
  | null

/** GitHub's `status` of a job. */
export type JobStatus = 'queued' | 'in_progress' | 'completed' | 'waiting' | 'requested' | 'pending'

export interface StepInput {
  name: string
  status?: 'queued' | 'in_progress' | 'completed'
  conclusion?: Conclusion
  number?: number
  /** ISO 8601; GitHub shows whole seconds. */
  startedAt?: string | null
  completedAt?: string | null
}

export interface AnnotationInput {
  message: string
  level?: 'notice' | 'warning' | 'failure'
  title?: string
  /** '.github' is GitHub's path of a message without a file. */
  path?: string
  /** For such a message, the line within the log of its step. */
  startLine?: number
  endLine?: number
}

/** The text of a log, or a function that yields its pieces. It is called once for the size and again for each download. */
export type LogSource = string | (() => Iterable<string | Uint8Array>)

export interface JobInput {
  name: string
  id?: number
  /** Default: `completed` where a conclusion is given, else `in_progress`. */
  status?: JobStatus
  /** Default: `success` of a completed job, else null. */
  conclusion?: Conclusion
  /** Default: a name of its own. A job that never started has none. */
  runnerName?: string | null
  runAttempt?: number
  steps?: StepInput[]
  /** Default: the log is not found. */
  log?: LogSource
  /** The log was deleted after its retention: 410. */
  logExpired?: boolean
  annotations?: AnnotationInput[]
  workflowName?: string
  labels?: string[]
  startedAt?: string
  completedAt?: string | null
}

export interface Step {
  name: string
  status: 'queued' | 'in_progress' | 'completed'
  conclusion: Conclusion
  number: number
  startedAt: string | null
  completedAt: string | null
}

/** A job as the server knows it. Change its fields at any time: the next response shows it. */
export interface Job {
  /** The id of the job, and of its check run. */
  readonly id: number
  readonly htmlUrl: string
  name: string
  status: JobStatus
  conclusion: Conclusion
  runnerName: string | null
  runAttempt: number
  steps: Step[]
  log: LogSource | undefined
  logExpired: boolean
  annotations: AnnotationInput[]
  workflowName: string
  labels: string[]
  createdAt: string
  startedAt: string
  completedAt: string | null
}

/** Where a job is, for its URLs. */
export interface Place {
  apiUrl: string
  serverUrl: string
  repository: string
  runId: number
}

/** Ids have the size of those on github.com: above 2^32, so that nothing treats them as an int32. */
const firstJobId = 90_251_632_269
const headSha = '96867411d5895d39339b48157661fea50fdd801f'
const defaultStart = '2026-01-02T03:04:05Z'

const isNeverRun = (job: { status: JobStatus; conclusion: Conclusion }) =>
  job.conclusion === 'skipped' || ['queued', 'waiting', 'requested', 'pending'].includes(job.status)

const secondsAfter = (start: string, seconds: number) =>
  new Date(Date.parse(start) + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z')

export function jobFrom(input: JobInput, nth: number, attempt: number, place: Place): Job {
  const id = input.id ?? firstJobId + nth * 17
  const status = input.status ?? (input.conclusion == null ? 'in_progress' : 'completed')
  const conclusion = input.conclusion ?? (status === 'completed' ? 'success' : null)
  const neverRun = isNeverRun({ status, conclusion })
  const startedAt = input.startedAt ?? defaultStart
  const steps = (input.steps ?? []).map((step, index) => stepFrom(step, index, startedAt))
  const ended = steps.at(-1)?.completedAt ?? secondsAfter(startedAt, Math.max(1, steps.length))
  return {
    id,
    htmlUrl: `${place.serverUrl}/${place.repository}/actions/runs/${place.runId}/job/${id}`,
    name: input.name,
    status,
    conclusion,
    runnerName: input.runnerName !== undefined ? input.runnerName : neverRun ? null : `GitHub Actions ${1000 + nth}`,
    runAttempt: input.runAttempt ?? attempt,
    steps,
    log: input.log,
    logExpired: input.logExpired ?? false,
    annotations: input.annotations ?? [],
    workflowName: input.workflowName ?? 'Nightly',
    labels: input.labels ?? ['ubuntu-latest'],
    createdAt: startedAt,
    startedAt,
    completedAt: input.completedAt !== undefined ? input.completedAt : status === 'completed' ? ended : null,
  }
}

export function stepFrom(input: StepInput, index: number, jobStartedAt: string = defaultStart): Step {
  const status = input.status ?? (input.conclusion == null ? 'queued' : 'completed')
  const begun = status !== 'queued'
  return {
    name: input.name,
    status,
    conclusion: input.conclusion ?? (status === 'completed' ? 'success' : null),
    number: input.number ?? index + 1,
    startedAt: input.startedAt !== undefined ? input.startedAt : begun ? secondsAfter(jobStartedAt, index) : null,
    completedAt:
      input.completedAt !== undefined
        ? input.completedAt
        : status === 'completed'
          ? secondsAfter(jobStartedAt, index + 1)
          : null,
  }
}

/** The job as `GET /repos/{owner}/{repo}/actions/jobs/{job_id}` shows it. */
export function jobResponse(job: Job, place: Place): Record<string, unknown> {
  const repositoryUrl = `${place.apiUrl}/repos/${place.repository}`
  const neverRun = isNeverRun(job)
  return {
    id: job.id,
    run_id: place.runId,
    workflow_name: job.workflowName,
    head_branch: 'main',
    run_url: `${repositoryUrl}/actions/runs/${place.runId}`,
    run_attempt: job.runAttempt,
    node_id: `CR_${Buffer.from(String(job.id)).toString('base64url')}`,
    head_sha: headSha,
    url: `${repositoryUrl}/actions/jobs/${job.id}`,
    html_url: job.htmlUrl,
    status: job.status,
    conclusion: job.conclusion,
    created_at: job.createdAt,
    started_at: job.startedAt,
    completed_at: job.completedAt,
    name: job.name,
    steps: job.steps.map((step) => ({
      name: step.name,
      status: step.status,
      conclusion: step.conclusion,
      number: step.number,
      started_at: step.startedAt,
      completed_at: step.completedAt,
    })),
    check_run_url: `${repositoryUrl}/check-runs/${job.id}`,
    labels: job.labels,
    runner_id: neverRun ? null : 1,
    runner_name: job.runnerName,
    runner_group_id: neverRun ? null : 0,
    runner_group_name: neverRun ? null : 'GitHub Actions',
  }
}

/** An annotation as `GET /repos/{owner}/{repo}/check-runs/{check_run_id}/annotations` shows it. */
export function annotationResponse(annotation: AnnotationInput, place: Place): Record<string, unknown> {
  const path = annotation.path ?? '.github'
  const startLine = annotation.startLine ?? 1
  return {
    path,
    blob_href: `${place.serverUrl}/${place.repository}/blob/${headSha}/${path}`,
    start_line: startLine,
    start_column: null,
    end_line: annotation.endLine ?? startLine,
    end_column: null,
    annotation_level: annotation.level ?? 'failure',
    title: annotation.title ?? '',
    message: annotation.message,
    raw_details: '',
  }
}
