import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CredentialStore, Credentials } from './credentials.ts'
import { type Response, respond, type Sent } from './delivery.ts'
import { error, type FaultKind } from './faults.ts'
import { LocalService, type LocalServiceOptions } from './local-service.ts'
import { readBody } from './loopback-server.ts'
import { ISSUER, type LocalOidc } from './oidc.ts'
import { ServiceError } from './service-error.ts'
import { verifySignature } from './signature.ts'

/** A role, and who may assume it. */
export interface Role {
  arn: string
  /** The `sub` claims that its trust policy allows. Default all. */
  subject?: RegExp
  /** Default one hour, as IAM's. */
  maxSessionSeconds?: number
}

export const TEST_ROLE: Role = { arn: 'arn:aws:iam::123456789012:role/ci' }

export interface LocalStsOptions extends LocalServiceOptions {
  /** The issuer that it trusts. */
  issuer: LocalOidc
  /** The store for new credentials, shared with the LocalDataPipeline that accepts them. */
  credentials: CredentialStore
  /** Default TEST_ROLE alone. */
  roles?: Role[]
  /** Default `sts.amazonaws.com`. */
  audience?: string
  /** How long sessions last, regardless of the request. Default DurationSeconds of the request, else one hour. */
  sessionMs?: number
}

export interface StsRequest {
  readonly parameters: Readonly<Record<string, string>>
  readonly at: number
  /** Undefined when no response was sent. */
  readonly response?: Sent
  /** The access key that was issued. */
  readonly accessKeyId?: string
  /** Who signed it: AssumeRole only. */
  readonly signedBy?: string
}

type OpenStsRequest = { -readonly [K in keyof StsRequest]: StsRequest[K] }

/** The trust policy of the role does not allow the token. */
export function notAuthorized(): FaultKind {
  return error('AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity', 403)
}

export function webTokenExpired(): FaultKind {
  return error('ExpiredTokenException', 'Token expired: current date/time must be before the expiration date/time', 400)
}

/** STS could not fetch the keys of the issuer, as can happen briefly when many jobs call at once. */
export function keysNotFetched(): FaultKind {
  const text =
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
  return error('InvalidIdentityToken', text, 400)
}

/** The account has no identity provider for the issuer. */
export function noIdentityProvider(): FaultKind {
  return error('InvalidIdentityToken', `No OpenIDConnect provider found in your account for ${ISSUER}`, 400)
}

export function internalFailure(): FaultKind {
  return error('InternalFailure', 'The request processing has failed because of an unknown error.', 500)
}

/** STS with AssumeRoleWithWebIdentity and AssumeRole: AWS query protocol, responses in XML. */
export class LocalSts extends LocalService {
  readonly requests: StsRequest[] = []
  readonly #options: LocalStsOptions

  private constructor(options: LocalStsOptions) {
    super(options)
    this.#options = options
  }

  static async start(options: LocalStsOptions): Promise<LocalSts> {
    return new LocalSts(options).listen(options.port)
  }

  /** The environment that a process needs to call this service. */
  env(): Record<string, string> {
    return { AWS_ENDPOINT_URL_STS: this.url }
  }

  protected async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request)
    const parameters = Object.fromEntries(new URLSearchParams(body))
    const received: OpenStsRequest = { parameters, at: this.clock() }
    this.requests.push(received)
    const sent = await respond(response, this.faults.take(), {
      carryOut: () => {
        if (parameters['Action'] === 'AssumeRole') received.signedBy = this.#signerOf(request, body)
        return xml(200, this.#assumeRole(received))
      },
      refuse,
    })
    if (sent) received.response = sent
  }

  /** API reference of STS, AssumeRoleWithWebIdentity and AssumeRole. */
  #assumeRole(received: OpenStsRequest): string {
    const { action, roleArn, sessionName, seconds, token } = readParameters(received.parameters)
    const claims = action === 'AssumeRole' ? undefined : this.#readToken(token)
    const role = (this.#options.roles ?? [TEST_ROLE]).find(({ arn }) => arn === roleArn)
    if (!role || (claims && role.subject?.test(claims.subject) === false)) {
      throw new ServiceError('AccessDenied', `Not authorized to perform sts:${action}`, 403)
    }
    if (seconds > (role.maxSessionSeconds ?? 3600)) {
      const text = 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.'
      throw new ServiceError('ValidationError', text)
    }
    const session = newSession(this.clock() + (this.#options.sessionMs ?? seconds * 1000))
    this.#options.credentials.add(session)
    received.accessKeyId = session.accessKeyId
    return assumedRole(session, { action, role, sessionName, claims })
  }

  /** STS has its own codes for invalid keys of a signature. */
  #signerOf(request: IncomingMessage, body: string): string {
    const { credentials } = this.#options
    try {
      return verifySignature(request, body, { credentials, service: 'sts', now: this.clock() }).accessKeyId
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error
      throw new ServiceError(STS_CODES[error.code] ?? error.code, error.message, 403)
    }
  }

  #readToken(token: string): { subject: string; audience: string } {
    const claims = this.#options.issuer.read(token)
    if (!claims) throw new ServiceError('InvalidIdentityToken', 'The ID Token provided is not a valid JWT.')
    const now = Math.floor(this.clock() / 1000)
    const expires = Number(claims['exp'])
    if (expires <= now) {
      const text = `Token expired: current date/time ${now} must be before the expiration date/time ${expires}`
      throw new ServiceError('ExpiredTokenException', text)
    }
    if (claims['aud'] !== (this.#options.audience ?? 'sts.amazonaws.com')) {
      throw new ServiceError('InvalidIdentityToken', 'Incorrect token audience')
    }
    return { subject: String(claims['sub']), audience: String(claims['aud']) }
  }
}

const STS_CODES: Readonly<Record<string, string>> = {
  ExpiredTokenException: 'ExpiredToken',
  InvalidSignatureException: 'SignatureDoesNotMatch',
  UnrecognizedClientException: 'InvalidClientTokenId',
}

function readParameters(parameters: Readonly<Record<string, string>>) {
  const { Action, RoleArn = '', RoleSessionName = '', WebIdentityToken = '', DurationSeconds = '3600' } = parameters
  if (Action !== 'AssumeRoleWithWebIdentity' && Action !== 'AssumeRole') {
    throw new ServiceError('InvalidAction', `Could not find operation ${Action} for version 2011-06-15`)
  }
  if (!/^[\w+=,.@-]{2,64}$/.test(RoleSessionName)) {
    throw invalid(RoleSessionName, 'roleSessionName', 'Member must satisfy regular expression pattern: [\\w+=,.@-]*')
  }
  const seconds = Number(DurationSeconds)
  if (!(seconds >= 900 && seconds <= 43_200)) {
    throw invalid(DurationSeconds, 'durationSeconds', 'Member must have value between 900 and 43200')
  }
  return { action: Action, roleArn: RoleArn, sessionName: RoleSessionName, seconds, token: WebIdentityToken }
}

function newSession(expiresAt: number): Required<Credentials> {
  return {
    accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64'),
    sessionToken: randomBytes(300).toString('base64'),
    expiresAt,
  }
}

interface Assumption {
  readonly action: string
  readonly role: Role
  readonly sessionName: string
  /** The subject of the token, if there is one. */
  readonly claims: { readonly subject: string; readonly audience: string } | undefined
}

function assumedRole(session: Required<Credentials>, { action, role, sessionName, claims }: Assumption): string {
  const user = `${role.arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${sessionName}`
  const ofToken =
    claims &&
    `<SubjectFromWebIdentityToken>${escapeXml(claims.subject)}</SubjectFromWebIdentityToken>
    <Audience>${escapeXml(claims.audience)}</Audience>
    <Provider>arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com</Provider>`
  return `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <${action}Result>
    ${ofToken ?? ''}
    <AssumedRoleUser>
      <Arn>${escapeXml(user)}</Arn>
      <AssumedRoleId>AROACLKWSDQRAOEXAMPLE:${escapeXml(sessionName)}</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <SessionToken>${session.sessionToken}</SessionToken>
      <SecretAccessKey>${session.secretAccessKey}</SecretAccessKey>
      <Expiration>${new Date(session.expiresAt).toISOString()}</Expiration>
      <AccessKeyId>${session.accessKeyId}</AccessKeyId>
    </Credentials>
  </${action}Result>
  <ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata>
</${action}Response>`
}

function refuse({ code, message, status }: ServiceError): Response {
  const text = `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error>
    <Type>${status < 500 ? 'Sender' : 'Receiver'}</Type>
    <Code>${escapeXml(code)}</Code>
    <Message>${escapeXml(message)}</Message>
  </Error>
  <RequestId>${randomUUID()}</RequestId>
</ErrorResponse>`
  return { ...xml(status, text), error: code }
}

function xml(status: number, text: string): Response {
  return { status, headers: { 'Content-Type': 'text/xml', 'x-amzn-RequestId': randomUUID() }, text }
}

function invalid(value: string, member: string, rule: string): ServiceError {
  return new ServiceError(
    'ValidationError',
    `1 validation error detected: Value '${value}' at '${member}' failed to satisfy constraint: ${rule}`,
  )
}

function escapeXml(text: string): string {
  return text.replace(/[<>&]/g, (each) => ({ '<': '&lt;', '>': '&gt;', '&': '&amp;' })[each] as string)
}
