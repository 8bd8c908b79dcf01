import { errorMessage } from '../masking/error-message.ts'
import { formatValue } from '../masking/format.ts'
import { causesOf } from '../util/errors.ts'
import { asRecord } from '../util/json.ts'
import { fetchThroughProxy } from './fetch.ts'
import { downloadLogEnd, LogDownloadError } from './log-download.ts'

/** A step of a job. */
export interface Step {
  readonly name: string
  readonly conclusion: string | undefined
  /** Milliseconds since 1970, in whole seconds. */
  readonly startedAt: number | undefined
  readonly completedAt: number | undefined
}

/** A job of a run: one of a matrix, or of a called workflow, each counts. */
export interface Job {
  readonly id: number
  /** As people see it; not the key in the workflow. */
  readonly name: string
  readonly status: string
  readonly conclusion: string | undefined
  readonly runnerName: string | undefined
  readonly link: string | undefined
  readonly steps: readonly Step[]
}

/** A message that a step left at a job. */
export interface Annotation {
  readonly level: string
  readonly message: string
  /** The file and line that it is about; undefined when it names no file. */
  readonly place: { readonly path: string; readonly line: number | undefined } | undefined
}

/** The few calls of GitHub's REST API that tell why a job failed. Each may fail in any way; none is retried here. */
export interface GitHubApi {
  job(id: number): Promise<Job>
  /** All jobs that ran in an attempt of this run. */
  jobsOfAttempt(attempt: number): Promise<Job[]>
  /** Of a completed job. */
  annotations(jobId: number): Promise<Annotation[]>
  /** Of a completed job: an end of its log, or of what was logged until a time. */
  logEnd(jobId: number, until: number | undefined): Promise<string>
  /** Asks GitHub to cancel this run, with all of its jobs; needs "actions: write". */
  cancelRun(): Promise<void>
}

/** What GitHub gives as the path of a message without a file; its line is then one of the runner's own log. */
const NO_FILE = '.github'

/** An answer that is no use. */
export class GitHubApiError extends Error {
  override readonly name = 'GitHubApiError'
  readonly status: number | undefined
  /** Whether the status is that of an answer; octokit gives one to what was no answer at all, too. */
  readonly isResponse: boolean

  constructor(message: string, status: number | undefined, options: { isResponse?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.status = status
    this.isResponse = options.isResponse ?? status !== undefined
  }
}

export interface GitHubApiSettings {
  readonly token: string
  /** owner/name */
  readonly repository: string
  readonly runId: string
  /** GITHUB_API_URL, which is right on GitHub Enterprise Server, too. */
  readonly apiUrl: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Ends every call. */
  readonly signal: AbortSignal
  /** Told why an answer has only a part of what there is. */
  readonly onProblem: (message: string) => void
}

const PER_PAGE = 100
/** 256 jobs of a matrix and some more; a server that never stops giving pages must not keep us. */
const MAX_PAGES = 20

/** GitHub's REST API by octokit, which is loaded here: a report that needs no evidence doesn't pay for it. */
export async function connectGitHub(settings: GitHubApiSettings): Promise<GitHubApi> {
  const { getOctokit } = await import('@actions/github')
  const octokit = getOctokit(settings.token, {
    baseUrl: settings.apiUrl.replace(/\/+$/, ''),
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    request: { fetch: fetchThroughProxy(settings.env) },
  })
  const [owner = '', repo = ''] = settings.repository.split('/')

  async function call(
    method: 'GET' | 'POST',
    route: string,
    parameters: Record<string, unknown>,
    request: Record<string, unknown> = {},
  ) {
    try {
      return await octokit.request(`${method} /repos/{owner}/{repo}${route}`, {
        owner,
        repo,
        ...parameters,
        request: { ...request, signal: settings.signal },
      })
    } catch (cause) {
      throw toApiError(cause)
    }
  }

  async function all<T>(
    route: string,
    parameters: Record<string, unknown>,
    itemsOf: (data: unknown) => unknown,
    toItem: (item: unknown) => T,
  ) {
    const items: T[] = []
    for (let page = 1; page <= MAX_PAGES; page++) {
      try {
        const { data } = await call('GET', route, { ...parameters, per_page: PER_PAGE, page })
        const found = itemsOf(data)
        if (!Array.isArray(found)) throw unexpected(route)
        items.push(...found.map(toItem))
        if (found.length < PER_PAGE) break
      } catch (error) {
        if (page === 1) throw error
        settings.onProblem(errorMessage(error))
        break
      }
    }
    return items
  }

  return {
    async job(id) {
      const { data } = await call('GET', '/actions/jobs/{job_id}', { job_id: id })
      return toJob(data)
    },
    jobsOfAttempt: (attempt) =>
      all(
        '/actions/runs/{run_id}/attempts/{attempt_number}/jobs',
        { run_id: settings.runId, attempt_number: attempt },
        (data) => asRecord(data)['jobs'],
        toJob,
      ),
    annotations: (jobId) =>
      // A job's id is the id of its check run.
      all('/check-runs/{check_run_id}/annotations', { check_run_id: jobId }, (data) => data, toAnnotation),
    async logEnd(jobId, until) {
      const { status, headers } = await call(
        'GET',
        '/actions/jobs/{job_id}/logs',
        { job_id: jobId },
        { redirect: 'manual' },
      )
      // The log is elsewhere, at an address that needs no token, and must not be given one.
      if (!headers.location) throw new GitHubApiError(`no address of the log in the answer (status ${status})`, status)
      return downloadLogEnd(headers.location, until, settings)
    },
    async cancelRun() {
      const { status } = await call('POST', '/actions/runs/{run_id}/cancel', { run_id: settings.runId })
      // octokit takes a redirect for a success.
      if (status >= 300) throw new GitHubApiError(`GitHub answered with status ${status}`, status)
    },
  }
}

/** The connection was there, and broke, or a name server was busy. */
const BROKEN_CONNECTION = new Set(['EAI_AGAIN', 'ECONNABORTED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'])

/**
 * Whether a call may succeed a moment later: the server failed, or the connection did. What GitHub refuses it will refuse
 * again, and a wrong address or certificate stays what it is.
 */
export function mayPass(error: unknown): boolean {
  const causes = causesOf(error)
  return (
    causes.some((cause) => BROKEN_CONNECTION.has(String((cause as { code?: unknown }).code))) ||
    causes.some(
      (cause) =>
        (cause instanceof LogDownloadError && cause.status >= 500) ||
        (cause instanceof GitHubApiError && cause.isResponse && (cause.status ?? 0) >= 500),
    )
  )
}

/** One sentence, with the status; not the page of a load balancer. */
function toApiError(cause: unknown): GitHubApiError {
  const status = (cause as { status?: unknown } | null)?.status
  const [line = ''] = errorMessage(cause)
    .trim()
    .split(/[\r\n]/)
  const said = line.startsWith('<') ? '' : formatValue(line, 200)
  // octokit gives status 500 to what was no answer.
  const answered = typeof status === 'number' && (cause as { response?: unknown }).response !== undefined
  const message = answered
    ? `GitHub answered with status ${status}${said && `: ${said}`}`
    : `GitHub could not be asked: ${said}`
  return new GitHubApiError(message, typeof status === 'number' ? status : undefined, { isResponse: answered, cause })
}

function unexpected(what: string): GitHubApiError {
  return new GitHubApiError(
    `an answer of GitHub does not have the form that its documentation says (${what})`,
    undefined,
  )
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function timeOf(value: unknown): number | undefined {
  const time = Date.parse(textOf(value) ?? '')
  return Number.isNaN(time) ? undefined : time
}

function toJob(data: unknown): Job {
  const { id, name, status, conclusion, runner_name, html_url, steps } = asRecord(data)
  if (typeof id !== 'number' || typeof name !== 'string' || typeof status !== 'string') throw unexpected('job')
  return {
    id,
    name,
    status,
    conclusion: textOf(conclusion),
    runnerName: textOf(runner_name),
    link: textOf(html_url),
    steps: Array.isArray(steps) ? steps.map(toStep) : [],
  }
}

function toStep(data: unknown): Step {
  const { name, conclusion, started_at, completed_at } = asRecord(data)
  return {
    name: textOf(name) ?? '',
    conclusion: textOf(conclusion),
    startedAt: timeOf(started_at),
    completedAt: timeOf(completed_at),
  }
}

function toAnnotation(data: unknown): Annotation {
  const { annotation_level, message, path, start_line } = asRecord(data)
  if (annotation_level === undefined && message === undefined) throw unexpected('annotation')
  const file = textOf(path)
  const line = typeof start_line === 'number' && start_line > 0 ? start_line : undefined
  return {
    level: textOf(annotation_level) ?? '',
    message: textOf(message) ?? '',
    place: file === undefined || file === NO_FILE ? undefined : { path: file, line },
  }
}
