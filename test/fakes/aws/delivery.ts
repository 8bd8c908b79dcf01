import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { FaultKind } from './faults.ts'
import { ServiceError } from './service-error.ts'

/** What is sent for a request. */
export interface Response {
  status: number
  headers: Record<string, string>
  text: string
  /** The code, when it is an error of the service. */
  error?: string
}

/** What reached the wire, in short. */
export interface Sent {
  readonly status: number
  readonly error?: string
}

export interface Work {
  /**
   * Carries the request out.
   * @param gone aborts when the client disconnects
   * @throws ServiceError when the service refuses it
   */
  carryOut(gone: AbortSignal): Response | Promise<Response>
  /** Puts an error into the form of the service. */
  refuse(error: ServiceError): Response
}

/** Responds to a request, with the fault if there is one. Returns what was sent; undefined for nothing. */
export async function respond(
  response: ServerResponse,
  fault: FaultKind | undefined,
  work: Work,
): Promise<Sent | undefined> {
  const client = new AbortController()
  const gone = client.signal
  response.on('close', () => client.abort())

  const reply = fault && !hasEffect(fault) ? responseInstead(fault, work) : await properResponse(work, gone)
  const waitMs = waitOf(fault)
  if (waitMs > 0) await delay(waitMs, undefined, { signal: gone })
  if (fault?.kind === 'reset') response.socket?.resetAndDestroy()
  if (fault?.kind === 'reset' || fault?.kind === 'hang' || !reply || gone.aborted) return undefined

  switch (fault?.kind) {
    case 'cut':
      if (fault.where === 'head') response.socket?.end(reply.text)
      else if (fault.where === 'connection') sendHalf(response, reply)
      else send(response, { ...reply, text: allButTheEnd(reply.text) })
      break
    case 'dribble':
      sendSlowly(response, reply, fault.everyMs)
      break
    case 'body':
      send(response, { ...reply, status: 200, text: fault.text })
      return { status: 200 }
    default:
      send(response, reply)
  }
  const { status, error } = reply
  return error === undefined ? { status } : { status, error }
}

/** The milliseconds before the response or the reset that the fault causes. */
function waitOf(fault: FaultKind | undefined): number {
  if (fault?.kind === 'late') return fault.byMs
  return fault?.kind === 'reset' || fault?.kind === 'page' ? (fault.afterMs ?? 0) : 0
}

/** Whether a request with this fault is still carried out. */
function hasEffect(fault: FaultKind): boolean {
  switch (fault.kind) {
    case 'error':
    case 'page':
    case 'hang':
      return false
    case 'reset':
      return fault.moment === 'after the effect'
    case 'cut':
    case 'dribble':
    case 'late':
    case 'body':
      return true
  }
}

async function properResponse({ carryOut, refuse }: Work, gone: AbortSignal): Promise<Response> {
  try {
    return await carryOut(gone)
  } catch (error) {
    if (error instanceof ServiceError) return refuse(error)
    throw error
  }
}

/** The response of a fault without an effect; undefined when it sends nothing. */
function responseInstead(fault: FaultKind, { refuse }: Work): Response | undefined {
  if (fault.kind === 'error') return refuse(new ServiceError(fault.code, fault.message, fault.status))
  if (fault.kind !== 'page') return undefined
  const { status, contentType, text } = fault
  return { status, headers: contentType === undefined ? {} : { 'Content-Type': contentType }, text }
}

function send(response: ServerResponse, reply: Response): void {
  writeHead(response, reply)
  response.end(reply.text)
}

/** Announces more than it sends, then closes the connection. */
function sendHalf(response: ServerResponse, reply: Response): void {
  writeHead(response, reply, { missing: 1 })
  response.write(allButTheEnd(reply.text), () => response.socket?.end())
}

/** One byte at a time, starting after the first pause. */
function sendSlowly(response: ServerResponse, reply: Response, everyMs: number): void {
  const bytes = Buffer.from(reply.text)
  writeHead(response, reply)
  response.flushHeaders()
  let sent = 0
  const timer = setInterval(() => {
    if (sent < bytes.length) response.write(bytes.subarray(sent, ++sent))
    if (sent >= bytes.length) response.end()
  }, everyMs)
  response.on('close', () => clearInterval(timer))
}

function writeHead(response: ServerResponse, reply: Response, { missing = 0 } = {}): void {
  response.sendDate = false // The service sets its own Date header.
  response.writeHead(reply.status, { ...reply.headers, 'Content-Length': Buffer.byteLength(reply.text) + missing })
}

function allButTheEnd(json: string): string {
  return json.slice(0, -1) || '{'
}
