import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { HttpHandlerOptions, HttpRequest, HttpResponse, RequestHandler } from '@smithy/types'
import { proxyAgents } from '../proxy-agents.ts'
import { checkEndpoint } from './endpoint.ts'
import { BrokenAnswerError, TryTimeoutError } from './failure.ts'

/** A connection that takes longer is given up, and made anew by the next try. */
const LONGEST_CONNECTION_MS = 5_000

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
  readonly #limitMs: number

  /** @param limitMs milliseconds that a request may take which comes without an abort signal */
  constructor(env: Environment, limitMs: number) {
    this.#limitMs = limitMs
    const agents = proxyAgents(env)
    this.#handler = new NodeHttpHandler({
      httpAgent: agents.http,
      httpsAgent: agents.https,
      // Well before the request's own limit, so that what was never sent is not taken for what had no answer.
      connectionTimeout: Math.min(LONGEST_CONNECTION_MS, limitMs / 2),
    })
  }

  /** Ends every connection, also those in use. */
  destroy(): void {
    this.#handler.destroy()
  }

  async handle(request: HttpRequest, options: HttpHandlerOptions = {}): Promise<{ response: HttpResponse }> {
    checkEndpoint(request)
    // Credential providers set no limit of their own.
    const limit = AbortSignal.timeout(this.#limitMs)
    const signal = (options.abortSignal as AbortSignal | undefined) ?? limit
    try {
      const { response } = await this.#handler.handle(request as Parameters<NodeHttpHandler['handle']>[0], {
        ...(options as object),
        abortSignal: signal,
      })
      response.body = await readWhole(response.body as Body, signal)
      const form = formOf(request)
      if (form !== undefined) refuseForeignAnswer(response, response.body, form)
      return { response }
    } catch (error) {
      if (limit.aborted)
        throw new TryTimeoutError(`no answer from ${request.hostname} within ${this.#limitMs / 1000} s`)
      throw error
    }
  }

  /** Part of the SDK's handler interface; the settings of this handler don't change. */
  updateHttpClientConfig(): void {}

  /** Part of the SDK's handler interface. */
  httpHandlerConfigs(): Record<string, never> {
    return {}
  }
}

type Body = AsyncIterable<Uint8Array> & { destroy?(error?: Error): void }

async function readWhole(body: Body, signal: AbortSignal): Promise<Uint8Array> {
  const abort = (): void => body.destroy?.(new Error('aborted while the answer was being read'))
  signal.addEventListener('abort', abort)
  try {
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of body) {
      size += chunk.byteLength
      if (size > LARGEST_ANSWER_BYTES) {
        throw new BrokenAnswerError(0, `the answer is larger than ${LARGEST_ANSWER_BYTES} bytes`)
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

type Form = 'JSON' | 'XML'

/** The form that the answer must have: that of Data Pipeline, or that of STS, which credential providers call. */
function formOf({ headers }: HttpRequest): Form | undefined {
  if (headers['x-amz-target']?.startsWith('DataPipeline.')) return 'JSON'
  return headers['content-type']?.startsWith('application/x-www-form-urlencoded') ? 'XML' : undefined
}

/**
 * AWS answers with a JSON object, or with nothing (Data Pipeline), or with an XML response (STS). Anything else comes
 * from something on the way (a proxy's page, a sign-in page with status 200) or was cut short, and must not pass for a
 * report that arrived.
 */
function refuseForeignAnswer(response: HttpResponse, body: Uint8Array, form: Form): void {
  const text = Buffer.from(body).toString('utf8')
  // Untrimmed: the SDK reads it so, and what it can't read it would take for something that no retry mends.
  if (form === 'JSON' ? isDataPipelines(response, text) : isXmlResponse(text.trim())) return
  const type = response.headers['content-type'] ?? 'no content type'
  const start = text === '' ? 'an empty body' : `a body that begins with ${JSON.stringify(text.slice(0, 80))}`
  throw new BrokenAnswerError(
    response.statusCode,
    `the answer is not from AWS, or was cut short: status ${response.statusCode}, ${type}, ${start}`,
  )
}

function isDataPipelines({ statusCode, headers }: HttpResponse, text: string): boolean {
  // Every answer of AWS names its request; a proxy that lets through known headers only would still leave the type.
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
