import { OidcTokenError } from '../github/oidc.ts'
import { errorMessage } from '../masking/error-message.ts'
import { formatId, formatValue } from '../masking/format.ts'
import { causesOf } from '../util/errors.ts'

/** The kind of a failure of a call to AWS, which decides about retries and hints. */
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

/** What the error of a call says about it. */
export interface Failure {
  readonly kind: FailureKind
  /** Whether the same call may succeed later. */
  readonly transient: boolean
  /**
   * Whether it is a refusal that may be temporary, because servers of IAM don't know a new role, policy or session yet. It is
   * worth a few more attempts.
   */
  readonly unsettled: boolean
  /** Whether the call may have succeeded, if it was sent: no response denies it. */
  readonly outcomeUnknown: boolean
  /** Whether getting credentials failed, so that the call was not made. */
  readonly gettingCredentials: boolean
  /** What went wrong, with the name of the error if AWS gave one. */
  readonly message: string
  readonly requestId: string | undefined
}

/** Thrown by the HTTP handler for a response that is not from AWS: HTML of a proxy, truncated JSON. */
export class InvalidResponseError extends Error {
  override readonly name = 'InvalidResponseError'
  readonly statusCode: number

  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

/** Thrown when one attempt got no response in time. */
export class AttemptTimeoutError extends Error {
  override readonly name = 'AttemptTimeoutError'
}

/** Thrown when there are no credentials. The cause decides whether another attempt may help. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
}

// Without "Exception" at their end, which the SDK adds to some names and AWS to others.
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

// The connection was made, and broke. What was sent before may have arrived.
const SENT_PERHAPS = new Set(['ECONNABORTED', 'ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ETIMEDOUT'])

// The response was no HTTP, or broken TLS. What was sent before may have arrived. These are names of Node's parser and of
// OpenSSL (https://nodejs.org/api/errors.html).
const GARBLED = /^(HPE_|ERR_SSL_)/

// Statuses of a proxy that may have passed the request on. 0 stands for a response that is too large.
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
 * Classifies what a call to AWS threw. Error names: "Common Errors" of the API reference, and SetTaskStatus. The codes for
 * throttling are those that the SDKs know, as the service does not document its own.
 */
export function classify(thrown: unknown): Failure {
  const causes = causesOf(thrown)
  const gettingCredentials = causes.some((cause) => cause instanceof CredentialsError)
  for (const cause of causes) {
    const found = recognize(cause as ErrorShape)
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
    // A credential provider fails with errors of its own.
    kind: gettingCredentials ? 'no-credentials' : 'unknown',
    transient: false,
    unsettled: false,
    outcomeUnknown: false,
    gettingCredentials,
    message: describe(causes.at(-1) ?? thrown),
    requestId: causes.map((cause) => (cause as ErrorShape).$metadata?.requestId).find((id) => id !== undefined),
  }
}

/** Whether the call may succeed with other credentials: these are missing, rejected, or have no permission. */
export function needsOtherCredentials({ kind, gettingCredentials }: Failure): boolean {
  return gettingCredentials || ['access-denied', 'credentials-expired', 'credentials-refused'].includes(kind)
}

/** Whether the task or its pipeline no longer exists. Both responses are final. */
export function isTaskGone({ kind }: Pick<Failure, 'kind'>): boolean {
  return kind === 'task-not-found' || kind === 'pipeline-gone'
}

/** Whether the service rejected the credentials of the call. It may accept others. */
export function rejectsCredentials({ kind, gettingCredentials }: Failure): boolean {
  return !gettingCredentials && (kind === 'credentials-expired' || kind === 'credentials-refused')
}

function recognize(error: ErrorShape): Pick<Failure, 'kind' | 'outcomeUnknown'> | undefined {
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
  // The SDK takes the service's time from the response, and signs the next attempt with it.
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
  // The SDK's name for a connection or a request that took too long.
  if (name === 'TimeoutError') return { kind: 'timeout', outcomeUnknown: true }
  if (name === 'AggregateError') {
    return (error as AggregateError).errors.map((inner) => recognize(inner)).find((inner) => inner !== undefined)
  }
  if (kind === 'no-credentials') {
    // A provider that failed because of the network has a cause. Without a cause, another attempt does not help.
    const cause = causesOf((error as { cause?: unknown }).cause)
      .map((inner) => recognize(inner as ErrorShape))
      .find((inner) => inner !== undefined)
    return cause ?? { kind, outcomeUnknown: false }
  }
  return undefined
}

// STS fetches the keys of the issuer, which fails temporarily when many jobs start at once.
const KEYS_NOT_FETCHED = /couldn't retrieve verification key/i
// Final until the account or the workflow changes.
const TOKEN_NOT_ACCEPTED = /no openidconnect provider|audience/i

function isInvalidIdentityToken({ name, code }: ErrorShape): boolean {
  return [name, code].some((each) => String(each ?? '').replace(/Exception$/, '') === 'InvalidIdentityToken')
}

function kindOfOidcError({ statusCode, cause }: OidcTokenError): FailureKind {
  if (statusCode === 401) return 'oidc-refused'
  if (statusCode !== undefined) return 'no-oidc-token'
  const kind = causesOf(cause)
    .map((each) => recognize(each as ErrorShape)?.kind)
    .find((each) => each !== undefined)
  if (kind === 'network' || kind === 'timeout') return 'oidc-unreachable'
  return kind === 'untrusted-certificate' ? kind : 'no-oidc-token'
}

/** Whether an error happened before the connection was ready. */
function isConnecting(error: ErrorShape): boolean {
  const isBefore = error.syscall === 'connect' || error.syscall === 'getaddrinfo'
  return isBefore || String(error.message).includes('before secure TLS connection')
}

function isTransient(kind: FailureKind, error: ErrorShape, gettingCredentials: boolean): boolean {
  if (kind === 'invalid-response' || kind === 'no-oidc-token') {
    // A refusal of a proxy (403, 407) is final. A proxy that is overloaded, or can't reach the service, may recover.
    const status = Number(error.statusCode ?? 0)
    return status < 400 || status >= 500 || status === 408 || status === 429
  }
  // The OIDC token expired on its way to STS. The next attempt has a new one.
  if (kind === 'credentials-expired') return gettingCredentials
  return TRANSIENT.has(kind)
}

function isUnsettled(kind: FailureKind, error: ErrorShape, gettingCredentials: boolean): boolean {
  if (kind === 'credentials-refused') return IS_UNKNOWN.has(String(error.name).replace(/Exception$/, ''))
  if (kind === 'oidc-refused' || kind === 'no-oidc-token') return !isTransient(kind, error, gettingCredentials)
  if (kind !== 'access-denied' || !gettingCredentials) return false
  return !(isInvalidIdentityToken(error) && TOKEN_NOT_ACCEPTED.test(String(error.message)))
}

// For a new session, until all servers know it: the name of the service, and that of STS.
const IS_UNKNOWN = new Set(['UnrecognizedClient', 'InvalidClientTokenId'])

function describe(error: unknown): string {
  const message = formatValue(errorMessage(error))
  // Only errors of AWS have meaningful names. The SDK adds $metadata to Node's errors and to ours as well.
  const isResponse =
    error instanceof Error && (error as ErrorShape).$metadata?.httpStatusCode !== undefined && error.name !== 'Error'
  return isResponse && !(error instanceof InvalidResponseError) ? `${formatId(error.name)}: ${message}` : message
}
