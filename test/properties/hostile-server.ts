import type { IncomingMessage, ServerResponse } from 'node:http'
import { LoopbackServer, readBody } from '../fakes/aws/loopback-server.ts'

/** A response to a request: anything that HTTP can carry, or a connection that breaks. */
export interface HostileResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
  /** Where the connection breaks; undefined: it does not. */
  readonly breaks?: 'before the response' | 'within the response' | undefined
}

/** A placeholder for the token of the request, which AWS shows where a signature does not match. */
export const ECHO = 'the-token-of-this-request'

/** A request and its response. */
export interface Exchange {
  readonly method: string
  readonly path: string
  /** The operation in X-Amz-Target without its prefix; else the called service. */
  readonly call: string
  readonly body: string
  readonly response: HostileResponse
}

/** Sends the given responses, whether or not they match the requests. */
export class HostileServer {
  readonly exchanges: Exchange[] = []
  /** The response to a request, by its call, its path and the number of earlier requests of this call. */
  reply: (call: string, path: string, before: number) => HostileResponse = () => success()
  #server!: LoopbackServer

  static async start(): Promise<HostileServer> {
    const hostile = new HostileServer()
    hostile.#server = await LoopbackServer.listen((request, response) => hostile.#receive(request, response))
    return hostile
  }

  get url(): string {
    return this.#server.url
  }

  async stop(): Promise<void> {
    await this.#server.stop()
  }

  /** Those of one call, in their order. */
  of(call: string): Exchange[] {
    return this.exchanges.filter((exchange) => exchange.call === call)
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request)
    const path = request.url ?? ''
    const call = callOf(request, path, body)
    const reply = echoing(this.reply(call, path, this.of(call).length), request, body)
    this.exchanges.push({ method: request.method ?? '', path, call, body, response: reply })
    // A response without a body can't break within it.
    const hasBody = reply.status !== 204 && reply.status !== 304
    if (reply.breaks !== undefined && !(hasBody && reply.breaks === 'within the response')) {
      response.socket?.resetAndDestroy()
      return
    }
    const bytes = Buffer.from(reply.body)
    const missing = reply.breaks === undefined ? 0 : 1
    response.writeHead(reply.status, { ...reply.headers, 'content-length': bytes.length + missing })
    if (reply.breaks === undefined) response.end(bytes)
    else response.write(bytes.subarray(0, bytes.length >> 1), () => response.socket?.destroy())
  }
}

function echoing(reply: HostileResponse, { headers }: IncomingMessage, sent: string): HostileResponse {
  if (typeof reply.body !== 'string') return reply
  const token = headers['x-amz-security-token'] ?? new URLSearchParams(sent).get('WebIdentityToken') ?? ''
  return { ...reply, body: reply.body.replaceAll(ECHO, String(token)) }
}

function callOf({ headers }: IncomingMessage, path: string, body: string): string {
  const operation = /^DataPipeline\.(\w+)$/.exec(String(headers['x-amz-target']))?.[1]
  if (operation !== undefined) return operation
  if (path.startsWith('/oidc')) return 'oidc'
  return body.includes('Action=AssumeRoleWithWebIdentity') ? 'sts' : 'github'
}

const REQUEST_ID = '5c1c6a7e-0000-4000-8000-000000000000'

/** The response of Data Pipeline to a call that succeeded. */
export function success(value: unknown = {}): HostileResponse {
  return json(200, value)
}

/** An error in Data Pipeline's form. */
export function refusal(code: string, status = 400): HostileResponse {
  return json(status, { __type: code, message: 'no' })
}

function json(status: number, value: unknown): HostileResponse {
  return {
    status,
    headers: { 'x-amzn-requestid': REQUEST_ID, 'content-type': 'application/x-amz-json-1.1' },
    body: JSON.stringify(value),
  }
}

/** Whether a response has the name of an error in one of the places that AWS uses. */
export function saysError({ headers, body }: HostileResponse, name: RegExp): boolean {
  return name.test(headers['x-amzn-errortype'] ?? '') || name.test(Buffer.from(body).toString('utf8'))
}

/**
 * Whether a response shows that the call succeeded: a status of success, a sign that it is from AWS, and no body or a
 * complete JSON object.
 */
export function saysSuccess({ status, headers, body, breaks }: HostileResponse): boolean {
  if (breaks !== undefined || status < 200 || status > 299) return false
  const isFromAws = 'x-amzn-requestid' in headers || /^application\/x-amz-json/.test(headers['content-type'] ?? '')
  const text = status === 204 ? '' : Buffer.from(body).toString('utf8')
  if (!isFromAws || text === '') return isFromAws
  try {
    return Object.prototype.toString.call(JSON.parse(text)) === '[object Object]'
  } catch {
    return false
  }
}
