import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { HttpHandlerOptions, HttpRequest, HttpResponse, RequestHandler } from '@smithy/types'
import { ConfigurationError } from '../errors.ts'
import { BrokenAnswerError } from './failure.ts'

/** A connection that takes longer is given up, and made anew by the next try. */
const CONNECTION_TIMEOUT_MS = 5_000

/** Far above any answer of the calls we make; a stream without end must not fill the memory. */
const LARGEST_ANSWER_BYTES = 16 * 1024 * 1024

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The SDK's HTTP handler, and what it lacks: proxies from the environment (Node's own, since 24.5), no credentials
 * over plain http, answers read to their end under the same abort signal, and answers that can't be Data Pipeline's
 * told from those that are.
 */
export class Transport implements RequestHandler<HttpRequest, HttpResponse, HttpHandlerOptions> {
  readonly metadata = { handlerProtocol: 'http/1.1' }
  readonly #handler: NodeHttpHandler

  constructor(env: Environment) {
    // One report is one or two requests; sockets kept for later would only keep the process from ending.
    const options = { keepAlive: false, proxyEnv: env } as const
    this.#handler = new NodeHttpHandler({
      httpAgent: new HttpAgent(options),
      httpsAgent: new HttpsAgent(options),
      connectionTimeout: CONNECTION_TIMEOUT_MS,
    })
  }

  /** Ends every connection, also those in use. */
  destroy(): void {
    this.#handler.destroy()
  }

  async handle(request: HttpRequest, options: HttpHandlerOptions = {}): Promise<{ response: HttpResponse }> {
    refusePlainHttp(request)
    const { response } = await this.#handler.handle(
      request as Parameters<NodeHttpHandler['handle']>[0],
      options as object,
    )
    const body = await readWhole(
      response.body as AsyncIterable<Uint8Array> & { destroy?(error?: Error): void },
      options,
    )
    // Other services (STS, from a credential provider) have answers of other forms, and their own parsers.
    const isDataPipeline = (request.headers['x-amz-target'] ?? '').startsWith('DataPipeline.')
    if (isDataPipeline) refuseForeignAnswer(response, body)
    response.body = body
    return { response }
  }

  /** Part of the SDK's handler interface; the settings of this handler don't change. */
  updateHttpClientConfig(): void {}

  /** Part of the SDK's handler interface. */
  httpHandlerConfigs(): Record<string, never> {
    return {}
  }
}

/** Whether a host name of a URL is this machine. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function refusePlainHttp(request: HttpRequest): void {
  if (request.protocol === 'https:' || isLoopback(request.hostname)) return
  throw new ConfigurationError(
    `The endpoint ${request.protocol}//${request.hostname} is plain http, which would show the session token to everyone on the way.`,
    {
      hint: 'Use an https:// address in AWS_ENDPOINT_URL_DATA_PIPELINE, AWS_ENDPOINT_URL or the profile; plain http is for this machine (127.0.0.1, localhost) only.',
    },
  )
}

async function readWhole(
  body: AsyncIterable<Uint8Array> & { destroy?(error?: Error): void },
  options: HttpHandlerOptions,
): Promise<Uint8Array> {
  const signal = options.abortSignal as AbortSignal | undefined
  const abort = (): void => body.destroy?.(new Error('aborted while the answer was being read'))
  signal?.addEventListener('abort', abort)
  try {
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of body) {
      size += chunk.byteLength
      if (size > LARGEST_ANSWER_BYTES)
        throw new BrokenAnswerError(0, `the answer is larger than ${LARGEST_ANSWER_BYTES} bytes`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/**
 * Data Pipeline answers with a JSON object, or with nothing. Anything else comes from something on the way (a proxy's
 * page, a sign-in page with status 200) or was cut short, and must not pass for a report that arrived.
 */
function refuseForeignAnswer(response: HttpResponse, body: Uint8Array): void {
  const text = Buffer.from(body).toString('utf8').trim()
  const namesItsError = response.headers['x-amzn-errortype'] !== undefined
  if (text === '' && (response.statusCode < 300 || namesItsError)) return
  if (isJsonObject(text)) return
  const type = response.headers['content-type'] ?? 'no content type'
  const start = text === '' ? 'an empty body' : `a body that begins with ${JSON.stringify(text.slice(0, 80))}`
  throw new BrokenAnswerError(
    response.statusCode,
    `the answer is not from Data Pipeline, or was cut short: status ${response.statusCode}, ${type}, ${start}`,
  )
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
