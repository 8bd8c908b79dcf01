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
