import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LogSource } from './jobs.ts'
import { type Listener, listen } from './listener.ts'

/**
 * Which `Range` headers the storage supports.
 * - `every-form`: `bytes=a-b`, `bytes=a-` and `bytes=-N`, as most servers do.
 * - `no-suffix`: not `bytes=-N`, for which it sends the whole log. The logs of github.com are in Azure Blob
 *   Storage, whose documentation names the first two forms only
 *   (https://learn.microsoft.com/rest/api/storageservices/specifying-the-range-header-for-blob-service-operations),
 *   and whose clients refuse to send the third (object_store: "Azure does not support suffix range requests").
 * - `none`: the whole log, chunked, without a length.
 */
export type RangeSupport = 'every-form' | 'no-suffix' | 'none'

/** The faults of the storage, each with the response of Azure Blob Storage if there is one. */
export const storageFaults = [
  'not-found',
  'forbidden',
  'server-error',
  'hang',
  'hang-midway',
  'cut-off',
  'reset',
] as const
export type StorageFault = (typeof storageFaults)[number]

/** One download of a log. */
export interface Download {
  readonly jobId: number
  readonly method: string
  readonly range: string | undefined
  /** The `Authorization` of the request; there must be none. */
  readonly authorization: string | undefined
  status: number
  /** Bytes of the log passed to the operating system so far, including those that the reader has not read. */
  bytesSent: number
  /** Everything that was requested was sent. */
  complete: boolean
}

export interface LogStorageOptions {
  ranges: RangeSupport
  /** How long a link is valid. Those of GitHub last one minute. */
  linkLifetimeMs: number
  find(jobId: number): LogSource | undefined
  /** Called once for each request: the fault to inject, if any. */
  nextFault(): StorageFault | { delayMs: number } | undefined
}

/**
 * The storage that a job's log is downloaded from: another origin than the API. Its signed link works only without an
 * `Authorization` header
 * (https://github.com/KnpLabs/php-github-api/issues/1156, https://github.com/rapid7/metakitty/pull/30).
 */
export class LogStorage {
  readonly downloads: Download[] = []
  ranges: RangeSupport
  linkLifetimeMs: number
  readonly #options: LogStorageOptions
  readonly #key = randomBytes(32)
  readonly #sizes = new WeakMap<() => Iterable<string | Uint8Array>, number>()
  #listener: Listener | undefined

  private constructor(options: LogStorageOptions) {
    this.#options = options
    this.ranges = options.ranges
    this.linkLifetimeMs = options.linkLifetimeMs
  }

  static async start(options: LogStorageOptions): Promise<LogStorage> {
    const storage = new LogStorage(options)
    storage.#listener = await listen((request, response) => storage.#response(request, response))
    return storage
  }

  get origin(): string {
    if (!this.#listener) throw new Error('the log storage is not started')
    return this.#listener.origin
  }

  async stop(): Promise<void> {
    await this.#listener?.stop()
  }

  /** A link to the log, of the form that github.com redirects to. */
  link(jobId: number): string {
    const path = `/actions-results/2fdc9db5-fb27-458c-b3a3-dedd26b75184/workflow-job-run-${jobId}/logs/job/job-logs.txt`
    const expires = new Date(Date.now() + this.linkLifetimeMs).toISOString()
    const query = new URLSearchParams({
      rsct: 'text/plain',
      se: expires,
      sig: this.#signature(path, expires),
      sks: 'b',
      skv: '2025-11-05',
      sp: 'r',
      spr: 'https',
      sr: 'b',
      sv: '2025-11-05',
    })
    return `${this.origin}${path}?${query}`
  }

  #signature(path: string, expires: string): string {
    return createHmac('sha256', this.#key).update(`${path}\n${expires}`).digest('base64')
  }

  #isSigned(url: URL): boolean {
    const expires = url.searchParams.get('se') ?? ''
    const given = Buffer.from(url.searchParams.get('sig') ?? '')
    const right = Buffer.from(this.#signature(url.pathname, expires))
    return given.length === right.length && timingSafeEqual(given, right) && Date.parse(expires) > Date.now()
  }

  async #response(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin)
    const jobId = Number(/\/workflow-job-run-(\d+)\//.exec(url.pathname)?.[1])
    const download: Download = {
      jobId,
      method: request.method ?? '',
      range: request.headers.range,
      authorization: request.headers.authorization,
      status: 0,
      bytesSent: 0,
      complete: false,
    }
    this.downloads.push(download)
    const fault = this.#options.nextFault()
    if (fault === 'hang') return
    if (fault === 'reset') {
      request.socket.resetAndDestroy()
      return
    }
    if (typeof fault === 'object') await new Promise((resolve) => setTimeout(resolve, fault.delayMs).unref())
    const source = this.#options.find(jobId)
    // An `Authorization` header is refused before the signature in the link is checked.
    if (download.authorization !== undefined) {
      this.#refuse(download, response, 401, 'InvalidAuthenticationInfo')
    } else if (fault === 'forbidden' || !this.#isSigned(url)) {
      this.#refuse(download, response, 403, 'AuthenticationFailed')
    } else if (fault === 'server-error') {
      this.#refuse(download, response, 503, 'ServerBusy')
    } else if (fault === 'not-found' || source === undefined) {
      this.#refuse(download, response, 404, 'BlobNotFound')
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      this.#refuse(download, response, 405, 'UnsupportedHttpVerb')
    } else {
      await this.#serve(source, download, response, typeof fault === 'string' ? fault : undefined)
    }
  }

  #refuse(download: Download, response: ServerResponse, status: number, code: string): void {
    download.status = status
    response.writeHead(status, { 'content-type': 'application/xml', 'x-ms-error-code': code })
    response.end(`\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code></Error>`)
  }

  async #serve(source: LogSource, download: Download, response: ServerResponse, fault: StorageFault | undefined) {
    const size = this.#size(source)
    const range =
      this.ranges === 'none' ? undefined : requestedRange(download.range, size, this.ranges === 'every-form')
    if (range === 'unsatisfiable') {
      response.setHeader('content-range', `bytes */${size}`)
      this.#refuse(download, response, 416, 'InvalidRange')
      return
    }
    const { first, last } = range ?? { first: 0, last: size - 1 }
    download.status = range ? 206 : 200
    response.writeHead(download.status, {
      'content-type': 'text/plain',
      server: 'Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0',
      ...(this.ranges === 'none' ? {} : { 'accept-ranges': 'bytes', 'content-length': last + 1 - first }),
      ...(range ? { 'content-range': `bytes ${first}-${last}/${size}` } : {}),
    })
    if (download.method === 'HEAD') {
      response.end()
      return
    }
    const until = fault === 'cut-off' || fault === 'hang-midway' ? Math.floor((first + last) / 2) : last
    for (const part of slices(piecesOf(source), first, until + 1)) {
      const drained = response.write(part, (error) => {
        if (!error) download.bytesSent += part.length
      })
      if (!drained) await roomIn(response)
      if (response.destroyed) return
    }
    if (fault === 'hang-midway') return
    if (fault === 'cut-off') {
      response.socket?.end()
      return
    }
    response.end(() => {
      download.complete = true
    })
  }

  #size(source: LogSource): number {
    if (typeof source === 'string') return Buffer.byteLength(source)
    const known = this.#sizes.get(source)
    if (known !== undefined) return known
    let size = 0
    for (const piece of source()) size += typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length
    this.#sizes.set(source, size)
    return size
  }
}

/** Resolves when the response can take more, or has closed. */
function roomIn(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

function requestedRange(header: string | undefined, size: number, suffixes: boolean) {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (from === '') {
    if (to === '' || !suffixes) return undefined
    const length = Math.min(Number(to), size)
    return length === 0 ? ('unsatisfiable' as const) : { first: size - length, last: size - 1 }
  }
  const first = Number(from)
  if (first >= size) return 'unsatisfiable' as const
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  return last < first ? undefined : { first, last }
}

/** A log's pieces, with small ones joined, so that a log of a million lines does not need a million writes. */
function* piecesOf(source: LogSource): Iterable<Buffer> {
  const gathered = 64 * 1024
  let waiting: Buffer[] = []
  let length = 0
  for (const piece of typeof source === 'string' ? [source] : source()) {
    const bytes = Buffer.from(piece)
    waiting.push(bytes)
    length += bytes.length
    if (length < gathered) continue
    yield* cut(Buffer.concat(waiting), gathered)
    waiting = []
    length = 0
  }
  if (length) yield Buffer.concat(waiting)
}

function* cut(bytes: Buffer, length: number): Iterable<Buffer> {
  for (let from = 0; from < bytes.length; from += length) yield bytes.subarray(from, from + length)
}

/** The bytes [from, until) of the pieces. */
function* slices(pieces: Iterable<Buffer>, from: number, until: number): Iterable<Buffer> {
  let at = 0
  for (const piece of pieces) {
    if (at >= until) return
    const part = piece.subarray(Math.max(0, from - at), Math.max(0, until - at))
    at += piece.length
    if (part.length) yield part
  }
}
