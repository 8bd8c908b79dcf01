import type { Response } from './faults.ts'
import { annotationResponse, type Job, jobResponse, type Place } from './jobs.ts'

/** A permission of the token, as `permissions:` in a workflow names it. `write` includes `read`. */
export type Permission = 'actions: read' | 'actions: write' | 'checks: read' | 'checks: write'

export type ApiRoute = 'job' | 'jobs' | 'logs' | 'annotations' | 'cancel'

/** The run of the responses. */
export interface Run extends Place {
  jobs: readonly Job[]
  /** The latest. */
  attempt: number
  logLink(jobId: number): string
}

export interface Operation {
  route: ApiRoute
  /** Method and path below the repository, with the ids as groups. */
  pattern: RegExp
  /** Its name in GitHub's OpenAPI description. */
  id: string
  documentationUrl: string
  permission: Permission
  response: (run: Run, ids: string[], query: URLSearchParams) => Response
}

/** The operation that serves a request, and the ids in its path. */
export interface Found {
  operation: Operation
  ids: string[]
}

const documentation = 'https://docs.github.com/rest'
const repositoryId = 1_296_269
const notFound: Response = { status: 404, json: { message: 'Not Found' } }

const operations: Operation[] = [
  {
    route: 'job',
    pattern: /^GET \/actions\/jobs\/(\d+)$/,
    id: 'actions/get-job-for-workflow-run',
    documentationUrl: `${documentation}/actions/workflow-jobs#get-a-job-for-a-workflow-run`,
    permission: 'actions: read',
    response(run, [id]) {
      const job = jobOf(run, id)
      return job ? { status: 200, json: jobResponse(job, run) } : notFound
    },
  },
  {
    route: 'jobs',
    pattern: /^GET \/actions\/runs\/(\d+)\/attempts\/(\d+)\/jobs$/,
    id: 'actions/list-jobs-for-workflow-run-attempt',
    documentationUrl: `${documentation}/actions/workflow-jobs#list-jobs-for-a-workflow-run-attempt`,
    permission: 'actions: read',
    response(run, [runId, attempt], query) {
      const nth = Number(attempt)
      if (Number(runId) !== run.runId || nth < 1 || nth > run.attempt) return notFound
      const jobs = run.jobs.filter((job) => job.runAttempt === nth)
      return jobList(run, jobs, `/actions/runs/${runId}/attempts/${nth}/jobs`, query)
    },
  },
  {
    route: 'jobs',
    pattern: /^GET \/actions\/runs\/(\d+)\/jobs$/,
    id: 'actions/list-jobs-for-workflow-run',
    documentationUrl: `${documentation}/actions/workflow-jobs#list-jobs-for-a-workflow-run`,
    permission: 'actions: read',
    response(run, [runId], query) {
      if (Number(runId) !== run.runId) return notFound
      const isLatest = (job: Job) =>
        run.jobs.every((other) => other.name !== job.name || other.runAttempt <= job.runAttempt)
      const jobs = query.get('filter') === 'all' ? run.jobs : run.jobs.filter(isLatest)
      return jobList(run, jobs, `/actions/runs/${runId}/jobs`, query)
    },
  },
  {
    route: 'logs',
    pattern: /^GET \/actions\/jobs\/(\d+)\/logs$/,
    id: 'actions/download-job-logs-for-workflow-run',
    documentationUrl: `${documentation}/actions/workflow-jobs#download-job-logs-for-a-workflow-run`,
    permission: 'actions: read',
    response(run, [id]) {
      const job = jobOf(run, id)
      if (job?.logExpired) return { status: 410, json: { message: 'Gone' } }
      if (job?.status !== 'completed' || job.log === undefined) return notFound
      return { status: 302, headers: { location: run.logLink(job.id) } }
    },
  },
  {
    route: 'annotations',
    pattern: /^GET \/check-runs\/(\d+)\/annotations$/,
    id: 'checks/list-annotations',
    documentationUrl: `${documentation}/checks/runs#list-check-run-annotations`,
    permission: 'checks: read',
    response(run, [id], query) {
      const job = jobOf(run, id)
      if (!job) return notFound
      const annotations = job.status === 'completed' ? job.annotations : []
      const { items, headers } = page(run, annotations, `/check-runs/${id}/annotations`, query)
      return { status: 200, headers, json: items.map((annotation) => annotationResponse(annotation, run)) }
    },
  },
  {
    route: 'cancel',
    pattern: /^POST \/actions\/runs\/(\d+)\/cancel$/,
    id: 'actions/cancel-workflow-run',
    documentationUrl: `${documentation}/actions/workflow-runs#cancel-a-workflow-run`,
    permission: 'actions: write',
    response: (run, [runId]) => (Number(runId) === run.runId ? { status: 202, json: {} } : notFound),
  },
]

/** The operation for a path below the API's base; undefined where none is served, or not for this repository. */
export function findOperation(method: string, path: string, repository: string): Found | undefined {
  // Links to further pages always have the id of the repository.
  const parts = /^\/(?:repos\/([^/]+\/[^/]+)|repositories\/(\d+))(\/.*)$/.exec(path)
  if (!parts) return undefined
  const [, name, id, rest] = parts
  // Owner and name are not case-sensitive.
  if (name ? name.toLowerCase() !== repository.toLowerCase() : Number(id) !== repositoryId) return undefined
  for (const operation of operations) {
    const match = operation.pattern.exec(`${method} ${rest}`)
    if (match) return { operation, ids: match.slice(1) }
  }
  return undefined
}

/** An error in GitHub's form. */
export function errorResponse(status: number, message: string, documentationUrl = documentation): Response {
  return { status, json: { message, documentation_url: documentationUrl, status: String(status) } }
}

const jobOf = (run: Run, id: string | undefined) => run.jobs.find((job) => job.id === Number(id))

function jobList(run: Run, jobs: readonly Job[], path: string, query: URLSearchParams): Response {
  const { items, headers } = page(run, jobs, path, query)
  return {
    status: 200,
    headers,
    json: { total_count: jobs.length, jobs: items.map((job) => jobResponse(job, run)) },
  }
}

/** One page, and the `Link` to the others. 30 items by default, 100 at most. */
function page<Item>(run: Run, all: readonly Item[], path: string, query: URLSearchParams) {
  const size = Math.min(100, Number(query.get('per_page')) || 30)
  const nth = Math.max(1, Number(query.get('page')) || 1)
  const last = Math.max(1, Math.ceil(all.length / size))
  const links: string[] = []
  const link = (relation: string, to: number) => {
    const others = new URLSearchParams(query)
    others.set('page', String(to))
    links.push(`<${run.apiUrl}/repositories/${repositoryId}${path}?${others}>; rel="${relation}"`)
  }
  if (nth > 1) link('prev', nth - 1)
  if (nth < last) {
    link('next', nth + 1)
    link('last', last)
  }
  if (nth > 1) link('first', 1)
  const headers: Record<string, string> = links.length ? { link: links.join(', ') } : {}
  return { items: all.slice((nth - 1) * size, nth * size), headers }
}
