import { GitHub, getOctokitOptions } from '@actions/github/lib/utils'
import { errorMessage } from '../masking/error-message.ts'
import { formatValue } from '../masking/format.ts'
import { asRecord, asText } from '../util/json.ts'
import { GitHubApiError } from './api-error.ts'
import { fetchThroughProxy } from './fetch.ts'
import { downloadLogEnd } from './log-download.ts'

/** A step of a job. */
export interface Step {
  readonly name: string
  readonly conclusion: string | undefined
  /** Milliseconds since 1970, in whole seconds. */
  readonly startedAt: number | undefined
  readonly completedAt: number | undefined
}

/** A job of a run. Each job of a matrix or of a called workflow is one. */
export interface Job {
  readonly id: number
  /** The name that GitHub shows, which is not the key in the workflow. */
  readonly name: string
  readonly status: string
  readonly conclusion: string | undefined
  readonly runnerName: string | undefined
  readonly link: string | undefined
  readonly steps: readonly Step[]
}

/** A message that a step added to a job. */
export interface Annotation {
  readonly level: string
  readonly message: string
  /** Its file and line; undefined when it has no file. */
  readonly place: { readonly path: string; readonly line: number | undefined } | undefined
}

/** The calls of GitHub's REST API that show why a job failed. Each may fail in any way, and is not retried here. */
export interface GitHubApi {
  job(id: number): Promise<Job>
  /** All jobs that ran in an attempt of this run. */
  jobsOfAttempt(attempt: number): Promise<Job[]>
  /** Of a completed job. */
  annotations(jobId: number): Promise<Annotation[]>
  /** Of a completed job: the end of its log, or of the part that was logged until a time. */
  logEnd(jobId: number, until: number | undefined): Promise<string>
  /** Cancels this run with all of its jobs. Needs "actions: write". */
  cancelRun(): Promise<void>
}

/** GitHub's path for a message without a file. Its line is one of the log. */
const NO_FILE = '.github'

export interface GitHubApiSettings {
  readonly token: string
  /** owner/name */
  readonly repository: string
  readonly runId: string
  /** GITHUB_API_URL, which is also correct on GitHub Enterprise Server. */
  readonly apiUrl: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Ends every call. */
  readonly signal: AbortSignal
  /** Called with the reason when a response is incomplete. */
  readonly onProblem: (message: string) => void
}

const PER_PAGE = 100
/** Enough for 256 jobs of a matrix and more. An endless list of pages must end. */
const MAX_PAGES = 20

/** Connects to GitHub's REST API by octokit. */
export async function connectGitHub(settings: GitHubApiSettings): Promise<GitHubApi> {
  // As getOctokit, which reads the event of the workflow run once more.
  const octokit = new GitHub(
    getOctokitOptions(settings.token, {
      baseUrl: settings.apiUrl.replace(/\/+$/, ''),
      log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      request: { fetch: fetchThroughProxy(settings.env) },
    }),
  )
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
      // The log is at another address, which needs no token and must not get one.
      if (!headers.location)
        throw new GitHubApiError(`the response has no address of the log (status ${status})`, status)
      return downloadLogEnd(headers.location, until, settings)
    },
    async cancelRun() {
      const { status } = await call('POST', '/actions/runs/{run_id}/cancel', { run_id: settings.runId })
      // octokit does not treat a redirect as an error.
      if (status >= 300) throw new GitHubApiError(`GitHub responded with status ${status}`, status)
    },
  }
}

function toApiError(cause: unknown): GitHubApiError {
  const status = (cause as { status?: unknown } | null)?.status
  const [line = ''] = errorMessage(cause)
    .trim()
    .split(/[\r\n]/)
  const text = line.startsWith('<') ? '' : formatValue(line, 200)
  // octokit sets status 500 when there was no response.
  const isResponse = typeof status === 'number' && (cause as { response?: unknown }).response !== undefined
  const message = isResponse
    ? `GitHub responded with status ${status}${text && `: ${text}`}`
    : `Could not reach GitHub: ${text}`
  return new GitHubApiError(message, typeof status === 'number' ? status : undefined, { isResponse, cause })
}

function unexpected(what: string): GitHubApiError {
  return new GitHubApiError(`a response of GitHub is not as documented (${what})`, undefined)
}

function nonEmptyText(value: unknown): string | undefined {
  return asText(value) || undefined
}

function timeOf(value: unknown): number | undefined {
  const time = Date.parse(nonEmptyText(value) ?? '')
  return Number.isNaN(time) ? undefined : time
}

function toJob(data: unknown): Job {
  const { id, name, status, conclusion, runner_name, html_url, steps } = asRecord(data)
  if (typeof id !== 'number' || typeof name !== 'string' || typeof status !== 'string') throw unexpected('job')
  return {
    id,
    name,
    status,
    conclusion: nonEmptyText(conclusion),
    runnerName: nonEmptyText(runner_name),
    link: nonEmptyText(html_url),
    steps: Array.isArray(steps) ? steps.map(toStep) : [],
  }
}

function toStep(data: unknown): Step {
  const { name, conclusion, started_at, completed_at } = asRecord(data)
  return {
    name: nonEmptyText(name) ?? '',
    conclusion: nonEmptyText(conclusion),
    startedAt: timeOf(started_at),
    completedAt: timeOf(completed_at),
  }
}

function toAnnotation(data: unknown): Annotation {
  const { annotation_level, message, path, start_line } = asRecord(data)
  if (annotation_level === undefined && message === undefined) throw unexpected('annotation')
  const file = nonEmptyText(path)
  const line = typeof start_line === 'number' && start_line > 0 ? start_line : undefined
  return {
    level: nonEmptyText(annotation_level) ?? '',
    message: nonEmptyText(message) ?? '',
    place: file === undefined || file === NO_FILE ? undefined : { path: file, line },
  }
}
