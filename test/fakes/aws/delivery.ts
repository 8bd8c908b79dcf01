import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { FaultKind } from './faults.ts'
import { ServiceError } from './service-error.ts'

/** What is sent for a request. */
export interface Answer {
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
   * @param gone says that the client has gone
   * @throws ServiceError when the service refuses it
   */
  carryOut(gone: AbortSignal): Answer | Promise<Answer>
  /** Puts an error into the form of the service. */
  refuse(error: ServiceError): Answer
}

/** Answers a request, in the way the fault wants it if there is one. Gives what was sent; undefined for nothing. */
export async function respond(
  response: ServerResponse,
  fault: FaultKind | undefined,
  work: Work,
): Promise<Sent | undefined> {
  const client = new AbortController()
  const gone = client.signal
  response.on('close', () => client.abort())

  const answer = fault && !hasEffect(fault) ? answerInstead(fault, work) : await properAnswer(work, gone)
  const waitMs = waitOf(fault)
  if (waitMs > 0) await delay(waitMs, undefined, { signal: gone })
  if (fault?.kind === 'reset') response.socket?.resetAndDestroy()
  if (fault?.kind === 'reset' || fault?.kind === 'hang' || !answer || gone.aborted) return undefined

  switch (fault?.kind) {
    case 'cut':
      if (fault.where === 'head') response.socket?.end(answer.text)
      else if (fault.where === 'connection') sendHalf(response, answer)
      else send(response, { ...answer, text: allButTheEnd(answer.text) })
      break
    case 'dribble':
      sendSlowly(response, answer, fault.everyMs)
      break
    case 'answer':
      send(response, { ...answer, status: 200, text: fault.text })
      return { status: 200 }
    default:
      send(response, answer)
  }
  const { status, error } = answer
  return error === undefined ? { status } : { status, error }
}

/** The milliseconds after which something is done about a request that meets the fault. */
function waitOf(fault: FaultKind | undefined): number {
  if (fault?.kind === 'late') return fault.byMs
  return fault?.kind === 'reset' || fault?.kind === 'page' ? (fault.afterMs ?? 0) : 0
}

/** Whether a request that meets the fault is carried out all the same. */
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
    case 'answer':
      return true
  }
}

async function properAnswer({ carryOut, refuse }: Work, gone: AbortSignal): Promise<Answer> {
  try {
    return await carryOut(gone)
  } catch (error) {
    if (error instanceof ServiceError) return refuse(error)
    throw error
  }
}

/** What a fault without an effect answers; undefined when it sends nothing. */
function answerInstead(fault: FaultKind, { refuse }: Work): Answer | undefined {
  if (fault.kind === 'error') return refuse(new ServiceError(fault.code, fault.message, fault.status))
  if (fault.kind !== 'page') return undefined
  const { status, contentType, text } = fault
  return { status, headers: contentType === undefined ? {} : { 'Content-Type': contentType }, text }
}

function send(response: ServerResponse, answer: Answer): void {
  writeHead(response, answer)
  response.end(answer.text)
}

/** Announces more than it sends, then closes the connection. */
function sendHalf(response: ServerResponse, answer: Answer): void {
  writeHead(response, answer, { missing: 1 })
  response.write(allButTheEnd(answer.text), () => response.socket?.end())
}

/** A byte at a time, beginning after the first pause. */
function sendSlowly(response: ServerResponse, answer: Answer, everyMs: number): void {
  const bytes = Buffer.from(answer.text)
  writeHead(response, answer)
  response.flushHeaders()
  let sent = 0
  const timer = setInterval(() => {
    if (sent < bytes.length) response.write(bytes.subarray(sent, ++sent))
    if (sent >= bytes.length) response.end()
  }, everyMs)
  response.on('close', () => clearInterval(timer))
}

function writeHead(response: ServerResponse, answer: Answer, { missing = 0 } = {}): void {
  response.sendDate = false // the Date header, if any, is the service's own
  response.writeHead(answer.status, { ...answer.headers, 'Content-Length': Buffer.byteLength(answer.text) + missing })
}

function allButTheEnd(json: string): string {
  return json.slice(0, -1) || '{'
}
