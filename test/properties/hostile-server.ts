import type { IncomingMessage, ServerResponse } from 'node:http'
import { LoopbackServer, readBody } from '../fakes/aws/loopback-server.ts'

/** An answer to a request: anything that HTTP can carry, or a connection that breaks. */
export interface HostileResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
  /** Where the connection breaks; undefined: it does not. */
  readonly breaks?: 'before the answer' | 'within the answer' | undefined
}

/** Stands for the token that a request was sent with: AWS shows it where a signature does not match. */
export const ECHO = 'the-token-of-this-request'

/** A request, and what it got. */
export interface Exchange {
  readonly method: string
  readonly path: string
  /** What X-Amz-Target names, without its prefix; else whose call it is. */
  readonly call: string
  readonly body: string
  readonly response: HostileResponse
}

/** Answers what it is told to, whether or not it is an answer to the question. */
export class HostileServer {
  readonly exchanges: Exchange[] = []
  /** What is answered to the request, by its call, its path and how many of that call there were before. */
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
    // What has no body can't break within it.
    const hasBody = reply.status !== 204 && reply.status !== 304
    if (reply.breaks !== undefined && !(hasBody && reply.breaks === 'within the answer')) {
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

/** What Data Pipeline answers to a call that succeeded. */
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

/** Whether an answer has a name of an error in one of the places where AWS has it. */
export function saysError({ headers, body }: HostileResponse, name: RegExp): boolean {
  return name.test(headers['x-amzn-errortype'] ?? '') || name.test(Buffer.from(body).toString('utf8'))
}

/**
 * Whether an answer says that the call succeeded: a status of success, a sign that it is from AWS, and nothing or a
 * whole JSON object in it.
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
