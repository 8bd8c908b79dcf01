import type { Operation } from './operations.ts'

/** What fails in a request, and for which requests. The functions below create it. */
export type Fault = FaultKind & {
  /** Only requests for this operation get the fault. */
  operation?: Operation
  /** Only requests with such a body get the fault. */
  when?: (body: Record<string, unknown>) => boolean
}

export type FaultKind =
  /** The service refuses the request. No effect. */
  | { kind: 'error'; code: string; message: string; status: number }
  /** Something other than the service responds, after some time. No effect. */
  | { kind: 'page'; status: number; contentType?: string; text: string; afterMs?: number }
  /** The connection is reset (RST), after some time. No effect, unless it is reset after that. */
  | { kind: 'reset'; moment: 'before reading' | 'after reading' | 'after the effect'; afterMs?: number }
  /** No response. No effect. */
  | { kind: 'hang' }
  /** The request takes effect. Its response is incomplete. */
  | { kind: 'cut'; where: 'head' | 'connection' | 'json' }
  /** The request takes effect. Its response arrives one byte at a time. */
  | { kind: 'dribble'; everyMs: number }
  /** The request takes effect. Its response is late. */
  | { kind: 'late'; byMs: number }
  /** The request takes effect. Its response is status 200 with this body. */
  | { kind: 'body'; text: string }

/** The same fault for the requests of one operation only. */
export function on(operation: Operation, fault: Fault): Fault {
  return { ...fault, operation }
}

/** Several times the same fault, for the queue. */
export function times(count: number, fault: Fault): Fault[] {
  return Array.from({ length: count }, () => fault)
}

/** Any error in the service's own form. */
export function error(code: string, message: string, status = 400): Fault {
  return { kind: 'error', code, message, status }
}

/** Codes AWS services use for "too fast". Which one Data Pipeline uses is unknown. */
export type ThrottlingCode = 'ThrottlingException' | 'Throttling' | 'TooManyRequestsException' | 'RequestLimitExceeded'

export function throttle(code: ThrottlingCode = 'ThrottlingException'): Fault {
  return error(code, 'Rate exceeded')
}

export function internalError(): Fault {
  return error('InternalServiceError', 'An internal service error occurred.', 500)
}

/** The response of IAM when no policy allows the call. */
export function accessDenied(operation: Operation = 'SetTaskStatus'): Fault {
  return error(
    'AccessDeniedException',
    'User: arn:aws:sts::123456789012:assumed-role/ci/github is not authorized to perform: ' +
      `datapipeline:${operation} because no identity-based policy allows the datapipeline:${operation} action`,
  )
}

export function expiredToken(): Fault {
  return error('ExpiredTokenException', 'The security token included in the request is expired')
}

export function unrecognizedClient(): Fault {
  return error('UnrecognizedClientException', 'The security token included in the request is invalid.')
}

export function invalidRequest(message = 'The request was not valid.'): Fault {
  return error('InvalidRequestException', message)
}

export function validationError(message = '1 validation error detected'): Fault {
  return error('ValidationException', message)
}

export function taskNotFound(): Fault {
  return error('TaskNotFoundException', 'The specified task was not found.')
}

export function pipelineNotFound(): Fault {
  return error('PipelineNotFoundException', 'The specified pipeline was not found.')
}

export function pipelineDeleted(): Fault {
  return error('PipelineDeletedException', 'The specified pipeline has been deleted.')
}

/** Refuses each SetTaskStatus whose errorStackTrace is longer, as a service with the SDKs' service model would. */
export function refuseLongStackTraces(limit = 1024): Fault {
  return {
    ...validationError(
      "1 validation error detected: Value at 'errorStackTrace' failed to satisfy constraint: " +
        `Member must have length less than or equal to ${limit}`,
    ),
    operation: 'SetTaskStatus',
    when: (body) => String(body['errorStackTrace'] ?? '').length > limit,
  }
}

/** Refuses each SetTaskStatus that has any error field. */
export function refuseErrorFields(): Fault {
  return {
    ...validationError('1 validation error detected'),
    operation: 'SetTaskStatus',
    when: (body) => ['errorId', 'errorMessage', 'errorStackTrace'].some((member) => body[member] !== undefined),
  }
}

/** A status without a body, as load balancers give it. */
export function bare(status: 500 | 502 | 503 | 504): Fault {
  return { kind: 'page', status, text: '' }
}

/** An HTML page: status 502 or 504 as from a gateway, 200 as from a captive portal. */
export function html(status: 200 | 502 | 504): Fault {
  const text = `<html><head><title>${status}</title></head><body><h1>Not the service you meant</h1></body></html>\n`
  return { kind: 'page', status, contentType: 'text/html', text }
}

/** Status 200 and the right content type, but no JSON. */
export function notJson(): Fault {
  return { kind: 'page', status: 200, contentType: 'application/x-amz-json-1.1', text: 'OK, thank you' }
}

export function reset(moment: 'before reading' | 'after reading' = 'after reading'): Fault {
  return { kind: 'reset', moment }
}

/** What a proxy does to a request that is idle for too long: it resets the connection, or responds as a gateway. No effect. */
export function cutOff(by: 'reset' | 'gateway', afterMs: number): Fault {
  return { ...(by === 'reset' ? reset() : html(504)), afterMs } as Fault
}

/** The request takes effect, but its sender sees a reset connection. */
export function lostReply(): Fault {
  return { kind: 'reset', moment: 'after the effect' }
}

export function hang(): Fault {
  return { kind: 'hang' }
}

/** The connection is closed before the announced length of the response was sent. */
export function truncated(): Fault {
  return { kind: 'cut', where: 'connection' }
}

/** The start of the response is missing, so that it is not HTTP. */
export function headless(): Fault {
  return { kind: 'cut', where: 'head' }
}

/** The response is complete HTTP, but its JSON is truncated. */
export function truncatedJson(): Fault {
  return { kind: 'cut', where: 'json' }
}

export function dribble(everyMs = 1000): Fault {
  return { kind: 'dribble', everyMs }
}

export function late(byMs: number): Fault {
  return { kind: 'late', byMs }
}

/** Status 200 and a response without members: `{}`, or no text. */
export function emptyResponse(text: '{}' | '' = '{}'): Fault {
  return { kind: 'body', text }
}
