import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { HttpHandlerOptions, HttpRequest, HttpResponse, RequestHandler } from '@smithy/types'
import { unsendableHeader } from '../http/header.ts'
import { proxyAgents } from '../http/proxy.ts'
import { formatValue, quoteValue } from '../masking/format.ts'
import { ConfigurationError, causesOf } from '../util/errors.ts'
import { formatSeconds } from '../util/format.ts'
import { checkEndpoint } from './endpoint.ts'
import { AttemptTimeoutError, InvalidResponseError } from './errors.ts'

/** A connection that takes longer is given up. The next attempt makes a new one. */
const MAX_CONNECTION_MS = 5_000

/** Far above any response. An endless response must not fill the memory. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024

/** Node's channel for each request before it is sent (https://nodejs.org/api/diagnostics_channel.html#http). */
const REQUEST_CREATED = 'http.client.request.created'

export interface HttpHandlerSettings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds for a request that has no abort signal. */
  readonly requestLimitMs: number
  /** Certificates to trust, in PEM; undefined for Node's own. */
  readonly ca: readonly string[] | undefined
  /** Called with the tokens in a request before it is sent. */
  readonly hide: (secrets: Iterable<string>) => void
}

/** The options of a call that the SDK passes on to its HTTP handler. */
export interface RequestOptions extends HttpHandlerOptions {
  /** Called when the request goes out on a connection that is ready. From then on it may succeed. */
  readonly onSend?: (() => void) | undefined
}

/**
 * The SDK's HTTP handler with what it lacks: proxies from the environment (by Node, since 24.5), no credentials over plain http,
 * a response body that is read under the same abort signal, a callback when a request goes out, and the rejection of
 * responses that are not from AWS.
 */
export class AwsHttpHandler implements RequestHandler<HttpRequest, HttpResponse, RequestOptions> {
  readonly metadata = { handlerProtocol: 'http/1.1' }
  readonly #env: HttpHandlerSettings['env']
  readonly #limitMs: number
  readonly #ca: HttpHandlerSettings['ca']
  readonly #hide: HttpHandlerSettings['hide']
  readonly #underWay = new Set<NodeHttpHandler>()
  #lastOrigin: string | undefined

  constructor({ env, requestLimitMs, ca, hide }: HttpHandlerSettings) {
    this.#env = env
    this.#limitMs = requestLimitMs
    this.#ca = ca
    this.#hide = hide
  }

  /** Where the last call of Data Pipeline went, as `https://host:port`; undefined before the first. */
  get lastOrigin(): string | undefined {
    return this.#lastOrigin
  }

  /** Closes all connections, including those in use. */
  destroy(): void {
    for (const handler of this.#underWay) handler.destroy()
  }

  async handle(request: HttpRequest, { onSend, ...options }: RequestOptions = {}): Promise<{ response: HttpResponse }> {
    if (formOf(request) === 'JSON') this.#lastOrigin = originOf(request)
    checkEndpoint(request)
    checkHeaders(request)
    this.#hide(tokensIn(request))
    // One for each request, which its agent identifies. Connections are not kept anyway.
    const agents = proxyAgents(this.#env, this.#ca)
    const handler = new NodeHttpHandler({
      httpAgent: agents.http,
      httpsAgent: agents.https,
      // Well before the timeout of the request, so that there is time for another attempt.
      connectionTimeout: Math.min(MAX_CONNECTION_MS, this.#limitMs / 2),
    })
    const onCreated = (message: unknown): void => {
      const { request: created } = message as { request: ClientRequest & { agent?: unknown } }
      if (onSend && Object.values(agents).includes(created.agent as never)) onConnectionReady(created, onSend)
    }
    this.#underWay.add(handler)
    subscribe(REQUEST_CREATED, onCreated)
    try {
      const given = options.abortSignal as AbortSignal | undefined
      if (given !== undefined) return await exchange(handler, request, options, given)
      // Credential providers have no timeout of their own.
      return await this.#withinLimit(request, (signal) => exchange(handler, request, options, signal))
    } finally {
      unsubscribe(REQUEST_CREATED, onCreated)
      this.#underWay.delete(handler)
    }
  }

  /** @throws AttemptTimeoutError when the timeout ended the request, and any other error as it is, however late */
  async #withinLimit<T>({ hostname }: HttpRequest, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = new AbortController()
    const late = new AttemptTimeoutError(`no response from ${hostname} within ${formatSeconds(this.#limitMs)}`)
    const timer = setTimeout(() => limit.abort(late), this.#limitMs)
    try {
      return await work(limit.signal)
    } catch (error) {
      throw causesOf(error).includes(late) ? late : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Part of the SDK's handler interface. The settings of this handler don't change. */
  updateHttpClientConfig(): void {}

  /** Part of the SDK's handler interface. */
  httpHandlerConfigs(): Record<string, never> {
    return {}
  }
}

/** Sends a request and reads its response. The reason of the signal is the error, or its cause. */
async function exchange(
  handler: NodeHttpHandler,
  request: HttpRequest,
  options: HttpHandlerOptions,
  abortSignal: AbortSignal,
): Promise<{ response: HttpResponse }> {
  const { response } = await handler.handle(request as Parameters<NodeHttpHandler['handle']>[0], {
    ...(options as object),
    abortSignal,
  })
  response.body = await readWhole(response.body as Readable, abortSignal)
  const form = formOf(request)
  if (form !== undefined) rejectNonAwsResponse(response, response.body, form)
  return { response }
}

/** Calls `onReady` when a request can be sent: when TCP, the tunnel of a proxy and TLS are connected. */
function onConnectionReady(request: ClientRequest, onReady: () => void): void {
  request.once('socket', (socket: Socket) => {
    // The handshake sets both at its end (https://nodejs.org/api/tls.html#tlssocketauthorized).
    const isHandshaking = socket instanceof TLSSocket && !socket.authorized && !socket.authorizationError
    if (isHandshaking) socket.once('secureConnect', onReady)
    else if (socket.connecting) socket.once('connect', onReady)
    else onReady()
  })
}

/** Where the value of a header comes from, by its name. */
const SOURCE_OF_HEADER: Readonly<Record<string, string>> = {
  authorization: 'the access key id: AWS_ACCESS_KEY_ID, or that of the profile',
  'x-amz-security-token': 'the session token: AWS_SESSION_TOKEN, or that of the profile',
  'x-amzn-trace-id': '_X_AMZN_TRACE_ID',
}

function checkHeaders({ headers }: HttpRequest): void {
  const name = unsendableHeader(headers)
  if (name === undefined) return
  const source = SOURCE_OF_HEADER[name.toLowerCase()]
  throw new ConfigurationError(`A character in the header ${name} can't be sent.`, {
    ...(source && { hint: `Check ${source}. It must be the value alone, without quotes or line ends.` }),
  })
}

function originOf({ protocol, hostname, port }: HttpRequest): string {
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`
}

/**
 * The tokens in a request. Those of the calls by which a profile gets its credentials (of its source profile, a sign-in or a
 * token file) appear nowhere else.
 */
function tokensIn({ headers, body }: HttpRequest): string[] {
  const form = headers['content-type']?.startsWith('application/x-www-form-urlencoded') ? String(body) : ''
  const tokens = [
    headers['x-amz-security-token'],
    headers['x-amz-sso_bearer_token'],
    new URLSearchParams(form).get('WebIdentityToken'),
  ]
  return tokens.filter((token) => typeof token === 'string')
}

async function readWhole(body: Readable, signal: AbortSignal): Promise<Uint8Array> {
  const abort = (): void => void body.destroy(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    // By events: an async iterator of Node takes 1 ms for its first stream.
    return await new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = []
      let size = 0
      body.on('data', (chunk: Uint8Array) => {
        size += chunk.byteLength
        chunks.push(chunk)
        if (size > MAX_RESPONSE_BYTES) {
          body.destroy(new InvalidResponseError(0, `the response is larger than ${MAX_RESPONSE_BYTES} bytes`))
        }
      })
      body.on('end', () => resolve(Buffer.concat(chunks)))
      body.on('error', reject)
      // After the end, this changes nothing.
      body.on('close', () =>
        reject(Object.assign(new Error('the response ended early'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })),
      )
    })
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

type Form = 'JSON' | 'XML'

/** The form of a response: that of AWS Data Pipeline, or of STS, which credential providers call. */
function formOf({ headers }: HttpRequest): Form | undefined {
  if (headers['x-amz-target']?.startsWith('DataPipeline.')) return 'JSON'
  return headers['content-type']?.startsWith('application/x-www-form-urlencoded') ? 'XML' : undefined
}

/**
 * Responses of AWS are a JSON object or empty (AWS Data Pipeline), or XML (STS). Anything else comes from a proxy (its error
 * page, a sign-in page with status 200) or is truncated, and must not count as a report that succeeded.
 */
function rejectNonAwsResponse(response: HttpResponse, body: Uint8Array, form: Form): void {
  const text = Buffer.from(body).toString('utf8')
  // Untrimmed, as the SDK reads it. An error of its parser would look final.
  if (form === 'JSON' ? isDataPipelines(response, text) : isXmlResponse(text.trim())) return
  const type = formatValue(response.headers['content-type'] ?? 'no content type', 100)
  const start = text === '' ? 'an empty body' : `a body that begins with ${quoteValue(text, 80)}`
  throw new InvalidResponseError(
    response.statusCode,
    `the response is not from AWS, or is truncated: status ${response.statusCode}, ${type}, ${start}`,
  )
}

function isDataPipelines({ statusCode, headers }: HttpResponse, text: string): boolean {
  // Every response of AWS has a request id. A proxy that drops unknown headers keeps the type.
  const isFromAws =
    headers['x-amzn-requestid'] !== undefined || headers['content-type']?.startsWith('application/x-amz-json') === true
  if (text === '') return isFromAws && (statusCode < 300 || headers['x-amzn-errortype'] !== undefined)
  return isJsonObject(text) && (isFromAws || statusCode >= 300)
}

function isXmlResponse(text: string): boolean {
  return /^(?:<\?xml[^>]*\?>\s*)?<(\w*Response)[\s>][\s\S]*<\/\1>$/.test(text)
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
