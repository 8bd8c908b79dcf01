import { OidcTokenError } from '../github/oidc.ts'
import { errorMessage } from '../masking/error-message.ts'
import { formatId, formatValue } from '../masking/format.ts'
import { causesOf } from '../util/errors.ts'

/** What kind of failure a call to AWS met; hints and retries are decided by it. */
export type FailureKind =
  | 'access-denied'
  | 'invalid-response'
  | 'clock-corrected'
  | 'configuration'
  | 'credentials-expired'
  | 'credentials-refused'
  | 'invalid-request'
  | 'network'
  | 'no-credentials'
  | 'no-oidc-token'
  | 'oidc-refused'
  | 'oidc-unreachable'
  | 'pipeline-gone'
  | 'service-error'
  | 'task-not-found'
  | 'throttled'
  | 'timeout'
  | 'untrusted-certificate'
  | 'unknown'

/** A failed call, as far as its error tells. */
export interface Failure {
  readonly kind: FailureKind
  /** Whether the same call may succeed a little later. */
  readonly transient: boolean
  /**
   * Whether it is a refusal that may only come of IAM's servers not having heard yet of a role, a policy or a new session,
   * and so worth a few more tries.
   */
  readonly unsettled: boolean
  /** Whether the call may have taken effect all the same, if it was sent: no answer came that says otherwise. */
  readonly outcomeUnknown: boolean
  /** Whether it was getting credentials that failed; the call itself was not made then. */
  readonly gettingCredentials: boolean
  /** What went wrong, with the error's name where AWS gave it. */
  readonly message: string
  readonly requestId: string | undefined
}

/** Thrown by the transport for an answer that Data Pipeline can't have given: HTML of a proxy, JSON cut short. */
export class InvalidResponseError extends Error {
  override readonly name = 'InvalidResponseError'
  readonly statusCode: number

  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

/** Thrown when a single try, out of several, had no answer in time. */
export class AttemptTimeoutError extends Error {
  override readonly name = 'AttemptTimeoutError'
}

/** Thrown when no credentials could be had; the cause says why, and decides whether it is worth another try. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
}

// Without the "Exception" at their end, which the SDK adds to some names and AWS to others.
const KIND_OF_NAME: ReadonlyMap<string, FailureKind> = new Map([
  ['Throttling', 'throttled'],
  ['Throttled', 'throttled'],
  ['TooManyRequests', 'throttled'],
  ['RequestLimitExceeded', 'throttled'],
  ['RequestThrottled', 'throttled'],
  ['SlowDown', 'throttled'],
  ['InternalServiceError', 'service-error'],
  ['InternalFailure', 'service-error'],
  ['InternalServerError', 'service-error'],
  ['ServiceUnavailable', 'service-error'],
  ['IDPCommunicationError', 'service-error'],
  ['TaskNotFound', 'task-not-found'],
  ['PipelineNotFound', 'pipeline-gone'],
  ['PipelineDeleted', 'pipeline-gone'],
  ['InvalidRequest', 'invalid-request'],
  ['Validation', 'invalid-request'],
  ['ValidationError', 'invalid-request'],
  ['AccessDenied', 'access-denied'],
  ['IDPRejectedClaim', 'access-denied'],
  ['OptInRequired', 'access-denied'],
  ['RegionDisabled', 'access-denied'],
  ['UnauthorizedOperation', 'access-denied'],
  ['ExpiredToken', 'credentials-expired'],
  ['IncompleteSignature', 'credentials-refused'],
  ['InvalidAccessKeyId', 'credentials-refused'],
  ['InvalidClientTokenId', 'credentials-refused'],
  ['InvalidSignature', 'credentials-refused'],
  ['MissingAuthenticationToken', 'credentials-refused'],
  ['NotAuthorized', 'credentials-refused'],
  ['RequestExpired', 'credentials-refused'],
  ['SignatureDoesNotMatch', 'credentials-refused'],
  ['UnrecognizedClient', 'credentials-refused'],
  ['CredentialsProviderError', 'no-credentials'],
  ['ConfigurationError', 'configuration'],
  ['InvalidResponseError', 'invalid-response'],
  ['AttemptTimeoutError', 'timeout'],
])

function kindOf(name: string): FailureKind | undefined {
  return KIND_OF_NAME.get(name.replace(/Exception$/, ''))
}

const TRANSIENT: ReadonlySet<FailureKind> = new Set([
  'invalid-response',
  'clock-corrected',
  'network',
  'oidc-unreachable',
  'service-error',
  'throttled',
  'timeout',
])

// The connection was never made, so nothing was sent.
const NOT_SENT = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPROTO',
  'ERR_PROXY_TUNNEL',
])

// The connection was there, and broke; what was sent before may have arrived.
const SENT_PERHAPS = new Set(['ECONNABORTED', 'ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ETIMEDOUT'])

// What came was no HTTP, or broken TLS; what was sent before may have arrived. Node's names for what its parser and OpenSSL
// find (https://nodejs.org/api/errors.html).
const GARBLED = /^(HPE_|ERR_SSL_)/

// Statuses of answers that came from something on the way after it had perhaps passed the request on; 0 is one too large.
const PASSED_ON = new Set([0, 200, 502, 504])

// https://nodejs.org/api/tls.html#x509-certificate-error-codes
const UNTRUSTED_CERTIFICATE =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|ERR_TLS_CERT_ALTNAME)/

interface ErrorShape {
  readonly name?: unknown
  readonly message?: unknown
  readonly code?: unknown
  readonly syscall?: unknown
  readonly statusCode?: unknown
  readonly $metadata?: { httpStatusCode?: number; requestId?: string; clockSkewCorrected?: boolean }
}

/**
 * Sorts what a call to AWS threw. Error names: "Common Errors" of the API reference, and SetTaskStatus; the codes for
 * throttling are those the SDKs know, as the service's own is not documented.
 */
export function classify(thrown: unknown): Failure {
  const causes = causesOf(thrown)
  const gettingCredentials = causes.some((cause) => cause instanceof CredentialsError)
  for (const cause of causes) {
    const found = recognise(cause as ErrorShape)
    if (found === undefined) continue
    return {
      kind: found.kind,
      transient: isTransient(found.kind, cause as ErrorShape, gettingCredentials),
      unsettled: isUnsettled(found.kind, cause as ErrorShape, gettingCredentials),
      outcomeUnknown: found.outcomeUnknown && !gettingCredentials,
      gettingCredentials,
      message: describe(cause),
      requestId: (cause as ErrorShape).$metadata?.requestId,
    }
  }
  return {
    // A provider of credentials fails in its own words.
    kind: gettingCredentials ? 'no-credentials' : 'unknown',
    transient: false,
    unsettled: false,
    outcomeUnknown: false,
    gettingCredentials,
    message: describe(causes.at(-1) ?? thrown),
    requestId: causes.map((cause) => (cause as ErrorShape).$metadata?.requestId).find((id) => id !== undefined),
  }
}

/** Whether other credentials may get the call through: these are missing, rejected, or not allowed to make it. */
export function needsOtherCredentials({ kind, gettingCredentials }: Failure): boolean {
  return gettingCredentials || ['access-denied', 'credentials-expired', 'credentials-refused'].includes(kind)
}

/** Whether there is nothing left to work for or to report to; both answers are final. */
export function isTaskGone({ kind }: Pick<Failure, 'kind'>): boolean {
  return kind === 'task-not-found' || kind === 'pipeline-gone'
}

/** Whether the service rejected the credentials that signed the call. It may accept others. */
export function rejectsCredentials({ kind, gettingCredentials }: Failure): boolean {
  return !gettingCredentials && (kind === 'credentials-expired' || kind === 'credentials-refused')
}

function recognise(error: ErrorShape): Pick<Failure, 'kind' | 'outcomeUnknown'> | undefined {
  const name = String(error.name ?? '')
  const code = String(error.code ?? '')
  const status = error.$metadata?.httpStatusCode ?? 0
  if (error instanceof OidcTokenError) return { kind: kindOfOidcError(error), outcomeUnknown: false }
  if (isInvalidIdentityToken(error)) {
    return {
      kind: KEYS_NOT_FETCHED.test(String(error.message)) ? 'service-error' : 'access-denied',
      outcomeUnknown: false,
    }
  }
  const kind = kindOf(name) ?? kindOf(code)
  // The SDK has learnt the service's time from the refusal, and signs the next try with it.
  if (kind === 'credentials-refused' && error.$metadata?.clockSkewCorrected) {
    return { kind: 'clock-corrected', outcomeUnknown: false }
  }
  if (kind === 'invalid-response') return { kind, outcomeUnknown: PASSED_ON.has(Number(error.statusCode)) }
  if (kind !== undefined && kind !== 'no-credentials') {
    return { kind, outcomeUnknown: kind === 'timeout' }
  }
  if (status === 429) return { kind: 'throttled', outcomeUnknown: false }
  if (status >= 500) return { kind: 'service-error', outcomeUnknown: false }
  if (NOT_SENT.has(code) || isConnecting(error)) return { kind: 'network', outcomeUnknown: false }
  if (SENT_PERHAPS.has(code) || GARBLED.test(code)) return { kind: 'network', outcomeUnknown: true }
  if (UNTRUSTED_CERTIFICATE.test(code)) return { kind: 'untrusted-certificate', outcomeUnknown: false }
  // The SDK's own name for a connection that took too long, and for a request that did.
  if (name === 'TimeoutError') return { kind: 'timeout', outcomeUnknown: true }
  if (name === 'AggregateError') {
    return (error as AggregateError).errors.map((inner) => recognise(inner)).find((inner) => inner !== undefined)
  }
  if (kind === 'no-credentials') {
    // A provider that failed on the network says so in its cause; without one, there is nothing to wait for.
    const cause = causesOf((error as { cause?: unknown }).cause)
      .map((inner) => recognise(inner as ErrorShape))
      .find((inner) => inner !== undefined)
    return cause ?? { kind, outcomeUnknown: false }
  }
  return undefined
}

// What STS says of a token. It fetches the keys of the issuer, and fails at that for a moment when many jobs ask at once.
const KEYS_NOT_FETCHED = /couldn't retrieve verification key/i
// These stay as they are until somebody changes the account or the workflow.
const TOKEN_NOT_ACCEPTED = /no openidconnect provider|audience/i

function isInvalidIdentityToken({ name, code }: ErrorShape): boolean {
  return [name, code].some((each) => String(each ?? '').replace(/Exception$/, '') === 'InvalidIdentityToken')
}

function kindOfOidcError({ statusCode, cause }: OidcTokenError): FailureKind {
  if (statusCode === 401) return 'oidc-refused'
  if (statusCode !== undefined) return 'no-oidc-token'
  const kind = causesOf(cause)
    .map((each) => recognise(each as ErrorShape)?.kind)
    .find((each) => each !== undefined)
  if (kind === 'network' || kind === 'timeout') return 'oidc-unreachable'
  return kind === 'untrusted-certificate' ? kind : 'no-oidc-token'
}

/** Whether an error came before the connection was ready to send anything. */
function isConnecting(error: ErrorShape): boolean {
  const isBefore = error.syscall === 'connect' || error.syscall === 'getaddrinfo'
  return isBefore || String(error.message).includes('before secure TLS connection')
}

function isTransient(kind: FailureKind, error: ErrorShape, gettingCredentials: boolean): boolean {
  if (kind === 'invalid-response' || kind === 'no-oidc-token') {
    // A proxy that says no (403, 407) goes on saying no; one that is overloaded, or can't reach the service, may recover.
    const status = Number(error.statusCode ?? 0)
    return status < 400 || status >= 500 || status === 408 || status === 429
  }
  // It was the OIDC token that expired on its way to STS: the next try has a new one.
  if (kind === 'credentials-expired') return gettingCredentials
  return TRANSIENT.has(kind)
}

function isUnsettled(kind: FailureKind, error: ErrorShape, gettingCredentials: boolean): boolean {
  if (kind === 'credentials-refused') return IS_UNKNOWN.has(String(error.name).replace(/Exception$/, ''))
  if (kind === 'oidc-refused' || kind === 'no-oidc-token') return !isTransient(kind, error, gettingCredentials)
  if (kind !== 'access-denied' || !gettingCredentials) return false
  return !(isInvalidIdentityToken(error) && TOKEN_NOT_ACCEPTED.test(String(error.message)))
}

// Of a session that was just made, until all servers have heard of it: the service's name for it, and that of STS.
const IS_UNKNOWN = new Set(['UnrecognizedClient', 'InvalidClientTokenId'])

function describe(error: unknown): string {
  const message = formatValue(errorMessage(error))
  // Only answers of AWS have names that say something; the SDK gives $metadata to Node's errors and to ours as well.
  const isResponse =
    error instanceof Error && (error as ErrorShape).$metadata?.httpStatusCode !== undefined && error.name !== 'Error'
  return isResponse && !(error instanceof InvalidResponseError) ? `${formatId(error.name)}: ${message}` : message
}
