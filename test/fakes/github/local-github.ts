import type { IncomingMessage, ServerResponse } from 'node:http'
import { commitFault, type DelayFault, type Fault, type Response } from './faults.ts'
import { type Job, type JobInput, jobFrom } from './jobs.ts'
import { type Listener, listen } from './listener.ts'
import { type Download, LogStorage, type RangeSupport, type StorageFault, storageFaults } from './log-storage.ts'
import { assertResponse, type DescriptionName, ResponseViolation } from './openapi.ts'
import { type ApiRoute, errorResponse, type Found, findOperation, type Permission, type Run } from './rest-api.ts'

export type { Fault, FaultRule, Job, JobInput, Permission, RangeSupport, RecordedRequest, Route }

/** The calls that are served; `log-storage` is where `logs` redirects to. */
type Route = ApiRoute | 'log-storage'

export interface LocalGitHubOptions {
  /** `owner/name` */
  repository?: string
  runId?: number
  /** The run's latest attempt, the default of a job. */
  attempt?: number
  token?: string
  /** '' as on api.github.com, or '/api/v3' as on GitHub Enterprise Server. */
  basePath?: string
  /** The base of links for people. */
  serverUrl?: string
  /** The repository is private: without a token GitHub does not show that it exists, and sends 404 instead of 401. */
  private?: boolean
  permissions?: Permission[]
  /** See RangeSupport. Default `every-form`; github.com is `no-suffix`. */
  ranges?: RangeSupport
  logLinkLifetimeMs?: number
  /** The description that responses are checked against. Default: by the base path. False: no check. */
  description?: DescriptionName | false
}

/** A request to the API. */
interface RecordedRequest {
  /** Undefined for a path that is not served. */
  readonly route: Route | undefined
  /** Its number among the requests of its route, from 1. */
  readonly nth: number
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: IncomingMessage['headers']
  readonly authorization: 'valid' | 'wrong' | 'none'
  /** Milliseconds since 1970. */
  readonly at: number
  /** Of the response; undefined while there is none. */
  status: number | undefined
}

interface FaultRule {
  /** Default: every route but the log storage. */
  route?: Route | undefined
  /** How many requests it lasts. Default: until `behave()`. */
  times?: number | undefined
}

/**
 * The parts of GitHub that show why a job failed: jobs and their steps, logs, annotations; and cancelling.
 * Responses are checked against GitHub's own OpenAPI description. Faults can be injected.
 */
export class LocalGitHub {
  /** The requests to the API, in order. Downloads of logs are in `downloads`. */
  readonly requests: RecordedRequest[] = []
  /** Responses without a fault that GitHub's description does not allow: errors of this server or of the test's data. */
  readonly violations: string[] = []
  readonly jobs: Job[] = []
  readonly token: string
  readonly repository: string
  readonly runId: number
  /** The run's latest attempt. */
  attempt: number
  readonly #options: LocalGitHubOptions
  readonly #permissions = new Set<Permission>()
  readonly #rules: { fault: Fault; route: Route | undefined; left: number }[] = []
  readonly #listeners = new Set<(request: RecordedRequest) => void | Promise<void>>()
  readonly #counts = new Map<Route | undefined, number>()
  #api!: Listener
  #storage!: LogStorage

  private constructor(options: LocalGitHubOptions) {
    this.#options = options
    this.repository = options.repository ?? 'octo/pipes'
    this.runId = options.runId ?? 30_352_059_484
    this.attempt = options.attempt ?? 1
    this.token = options.token ?? 'ghs_localGitHubToken00000000000000000000'
    this.grant(options.permissions ?? ['actions: read', 'checks: read'])
  }

  static async start(options: LocalGitHubOptions = {}): Promise<LocalGitHub> {
    const github = new LocalGitHub(options)
    github.#storage = await LogStorage.start({
      ranges: options.ranges ?? 'every-form',
      linkLifetimeMs: options.logLinkLifetimeMs ?? 60_000,
      find: (jobId) => github.jobs.find((job) => job.id === jobId)?.log,
      nextFault: () => github.#nextStorageFault(),
    })
    github.#api = await listen((request, response) => github.#receive(request, response))
    return github
  }

  /** The value of `GITHUB_API_URL`. */
  get apiUrl(): string {
    return `${this.#api.origin}${this.#basePath}`
  }

  /** The value of `GITHUB_SERVER_URL`. */
  get serverUrl(): string {
    return this.#options.serverUrl ?? (this.#basePath ? 'https://github.example.com' : 'https://github.com')
  }

  get runUrl(): string {
    return `${this.serverUrl}/${this.repository}/actions/runs/${this.runId}`
  }

  /** The origin that logs are downloaded from. */
  get storageOrigin(): string {
    return this.#storage.origin
  }

  /** The variables that the runner would set for this run. */
  get environment(): Record<string, string> {
    return {
      GITHUB_API_URL: this.apiUrl,
      GITHUB_SERVER_URL: this.serverUrl,
      GITHUB_REPOSITORY: this.repository,
      GITHUB_RUN_ID: String(this.runId),
      GITHUB_RUN_ATTEMPT: String(this.attempt),
    }
  }

  /** The downloads of logs, in order. */
  get downloads(): readonly Download[] {
    return this.#storage.downloads
  }

  /** Bytes of logs that were sent to all downloads together. */
  get logBytesSent(): number {
    return this.downloads.reduce((sum, download) => sum + download.bytesSent, 0)
  }

  /** The accepted requests to cancel. */
  get cancellations(): readonly RecordedRequest[] {
    return this.requests.filter((request) => request.route === 'cancel' && request.status === 202)
  }

  set ranges(ranges: RangeSupport) {
    this.#storage.ranges = ranges
  }

  get #basePath(): string {
    return this.#options.basePath ?? ''
  }

  get #run(): Run {
    const { apiUrl, serverUrl, repository, runId, jobs, attempt } = this
    return { apiUrl, serverUrl, repository, runId, jobs, attempt, logLink: (jobId) => this.#storage.link(jobId) }
  }

  addJob(input: JobInput): Job {
    const job = jobFrom(input, this.jobs.length + 1, this.attempt, this.#run)
    this.jobs.push(job)
    return job
  }

  /** Replaces the permissions of the token. */
  grant(permissions: Permission[]): void {
    this.#permissions.clear()
    for (const permission of permissions) {
      this.#permissions.add(permission)
      this.#permissions.add(permission.replace('write', 'read') as Permission)
    }
  }

  /** Adds a fault. Of those that apply to a request, the first added one is injected. */
  injectFault(fault: Fault, { route, times = Number.POSITIVE_INFINITY }: FaultRule = {}): void {
    if (route === 'log-storage' && !isStorageFault(fault)) {
      throw new Error(`The log storage has the faults ${storageFaults.join(', ')}, and delays`)
    }
    this.#rules.push({ fault, route, left: times })
  }

  /** Ends all faults. */
  clearFaults(): void {
    this.#rules.length = 0
  }

  /** Calls `listener` for each request of the API before its response, which shows what the listener changes. */
  onRequest(listener: (request: RecordedRequest) => void | Promise<void>): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Stops the server and ends every connection at once, including hanging ones. */
  async stop(): Promise<void> {
    await Promise.all([this.#api.stop(), this.#storage.stop()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #nextFault(route: Route | undefined): Fault | undefined {
    const applies = (to: Route | undefined) => (to === undefined ? route !== 'log-storage' : to === route)
    const rule = this.#rules.find((rule) => rule.left > 0 && applies(rule.route))
    if (rule) rule.left -= 1
    return rule?.fault
  }

  #nextStorageFault(): StorageFault | DelayFault | undefined {
    const fault = this.#nextFault('log-storage')
    return fault !== undefined && isStorageFault(fault) ? fault : undefined
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume()
    const url = new URL(request.url ?? '/', this.#api.origin)
    const found = this.#find(request.method ?? '', url)
    const route = found?.operation.route
    const nth = (this.#counts.get(route) ?? 0) + 1
    this.#counts.set(route, nth)
    const record: RecordedRequest = {
      route,
      nth,
      method: request.method ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      authorization: this.#authorization(request.headers.authorization),
      at: Date.now(),
      status: undefined,
    }
    this.requests.push(record)
    for (const listener of this.#listeners) await listener(record)

    const send = (reply: Response) => {
      record.status = reply.status
      this.#send(reply, response)
    }
    const wellBehaved = () => this.#wellBehaved(found, record, url)
    const fault = this.#nextFault(route)
    if (fault === undefined) {
      send(await wellBehaved())
    } else if (typeof fault === 'object' && 'delayMs' in fault) {
      await new Promise((resolve) => setTimeout(resolve, fault.delayMs).unref())
      send(await wellBehaved())
    } else {
      await commitFault(fault, { response, documentationUrl: found?.operation.documentationUrl, wellBehaved, send })
    }
  }

  #authorization(header: string | undefined): RecordedRequest['authorization'] {
    if (header === undefined) return 'none'
    return /^(?:token|bearer) (.+)$/i.exec(header)?.[1] === this.token ? 'valid' : 'wrong'
  }

  #find(method: string, url: URL): Found | undefined {
    if (!url.pathname.startsWith(`${this.#basePath}/`)) return undefined
    return findOperation(method, url.pathname.slice(this.#basePath.length), this.repository)
  }

  /** The right response, checked; a 500 with the violations where GitHub's description does not allow it. */
  async #wellBehaved(found: Found | undefined, record: RecordedRequest, url: URL): Promise<Response> {
    if (!url.pathname.startsWith(`${this.#basePath}/`)) {
      // The response of a GitHub Enterprise Server without the base path.
      return { status: 404, raw: { type: 'text/html; charset=utf-8', text: '<!DOCTYPE html><title>404</title>' } }
    }
    const reply = this.#reply(found, record, url.searchParams)
    return found ? this.#checked(found.operation.id, reply) : reply
  }

  #reply(found: Found | undefined, record: RecordedRequest, query: URLSearchParams): Response {
    const documentationUrl = found?.operation.documentationUrl
    if (record.authorization === 'wrong') return errorResponse(401, 'Bad credentials')
    if (record.authorization === 'none') {
      return this.#options.private ? errorResponse(404, 'Not Found') : errorResponse(401, 'Requires authentication')
    }
    if (!found) return errorResponse(404, 'Not Found')
    const { operation, ids } = found
    if (!this.#permissions.has(operation.permission)) {
      const reply = errorResponse(403, 'Resource not accessible by integration', documentationUrl)
      return { ...reply, headers: { 'x-accepted-github-permissions': operation.permission.replace(': ', '=') } }
    }
    const reply = operation.response(this.#run, ids, query)
    if (reply.status < 400) return reply
    return errorResponse(reply.status, (reply.json as { message: string }).message, documentationUrl)
  }

  async #checked(operationId: string, reply: Response): Promise<Response> {
    const description = this.#options.description ?? (this.#basePath ? 'ghes-3.19' : 'api.github.com')
    if (description === false) return reply
    try {
      const asSent = reply.json === undefined ? undefined : JSON.parse(JSON.stringify(reply.json))
      await assertResponse(operationId, reply.status, asSent, description)
      return reply
    } catch (error) {
      if (!(error instanceof ResponseViolation)) throw error
      this.violations.push(error.message)
      return { status: 500, json: { message: error.message } }
    }
  }

  #send(reply: Response, response: ServerResponse): void {
    if (response.destroyed) return
    const remaining = String(Math.max(0, 1000 - this.requests.length))
    const body = reply.raw?.text ?? (reply.json === undefined ? '' : JSON.stringify(reply.json))
    response.writeHead(reply.status, {
      server: 'github.com',
      'x-github-request-id': `F00D:${this.requests.length.toString(16).toUpperCase().padStart(4, '0')}`,
      'x-ratelimit-limit': '1000',
      'x-ratelimit-remaining': remaining,
      'x-ratelimit-reset': String(Math.floor(Date.now() / 1000) + 3600),
      'x-ratelimit-resource': 'core',
      ...(body ? { 'content-type': reply.raw?.type ?? 'application/json; charset=utf-8' } : {}),
      'content-length': Buffer.byteLength(body),
      ...reply.headers,
    })
    response.end(body)
  }
}

function isStorageFault(fault: Fault): fault is StorageFault | DelayFault {
  return typeof fault === 'string' ? storageFaults.some((known) => known === fault) : 'delayMs' in fault
}
