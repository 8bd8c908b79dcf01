import { OidcTokenError } from '../github/oidc-error.ts'
import { errorMessage } from '../masking/error-message.ts'
import { formatId, formatValue } from '../masking/format.ts'
import { causesOf } from '../util/errors.ts'
import { CallError } from './call-with-retry.ts'
import { CredentialsError, type Failure, type FailureKind, InvalidResponseError } from './errors.ts'

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

/** Anything that a call threw, or that was thrown before it, as a CallError. */
export function callErrorFrom(thrown: unknown): CallError {
  if (thrown instanceof CallError) return thrown
  return new CallError(classify(thrown), { attempts: 1, outcomeUnknown: false, cause: thrown })
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
