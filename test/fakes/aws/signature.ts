import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { CredentialStore, Credentials } from './credentials.ts'
import { ServiceError } from './service-error.ts'

/** IAM User Guide, "Signature Version 4": a request is valid for five minutes around the time of its signature. */
const VALID_FOR_MS = 5 * 60_000

/** The parts of a request that are signed. */
export type SignedRequest = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'headersDistinct'>

export interface SignatureRules {
  credentials: CredentialStore
  /** The service name in the credential scope, here `datapipeline`. */
  service: string
  /** The only region accepted in the credential scope; any region when undefined. */
  region?: string | undefined
  /** Milliseconds since 1970, by the clock of the service. */
  now: number
}

export interface Signer {
  accessKeyId: string
  region: string
}

interface Authorization {
  accessKeyId: string
  date: string
  region: string
  service: string
  signedHeaders: string[]
  signature: string
}

/**
 * Checks a Signature Version 4 in the Authorization header and returns the signer.
 * Source: IAM User Guide, "Create a signed AWS API request".
 * @throws ServiceError with the code and the text that AWS uses
 */
export function verifySignature(request: SignedRequest, body: string, rules: SignatureRules): Signer {
  const authorization = parseAuthorization(request.headers.authorization)
  const { accessKeyId, region, signature } = authorization
  checkScope(authorization, rules)
  const credentials = findCredentials(accessKeyId, request.headers['x-amz-security-token'], rules)
  const required = ['host', 'x-amz-date', ...(credentials.sessionToken === undefined ? [] : ['x-amz-security-token'])]
  checkSignedHeaders(required, authorization, request)
  checkTime(authorization, String(request.headers['x-amz-date']), rules.now)
  if (!isSame(expectedSignature(request, body, authorization, credentials.secretAccessKey), signature)) {
    throw invalid(
      'The request signature we calculated does not match the signature you provided. ' +
        'Check your AWS Secret Access Key and signing method. Consult the service documentation for details.',
    )
  }
  return { accessKeyId, region }
}

function parseAuthorization(header: string | undefined): Authorization {
  if (!header) throw new ServiceError('MissingAuthenticationTokenException', 'Missing Authentication Token')
  const [algorithm, ...rest] = header.split(' ')
  const parts = new Map(rest.flatMap((part) => part.split(',')).map((part) => part.split(/=(.*)/s) as [string, string]))
  const [accessKeyId, date, region, service, end] = parts.get('Credential')?.split('/') ?? []
  const signedHeaders = parts.get('SignedHeaders')?.split(';')
  const signature = parts.get('Signature')
  const isWhole = algorithm === 'AWS4-HMAC-SHA256' && end === 'aws4_request'
  if (!isWhole || !accessKeyId || !date || !region || !service || !signedHeaders || !signature) {
    throw incomplete(
      "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. " +
        `Authorization header requires 'SignedHeaders' parameter. Authorization=${algorithm}`,
    )
  }
  return { accessKeyId, date, region, service, signedHeaders, signature }
}

function checkScope({ service, region }: Authorization, rules: SignatureRules): void {
  if (service !== rules.service) throw invalid(`Credential should be scoped to correct service: '${rules.service}'.`)
  if (rules.region !== undefined && region !== rules.region) {
    throw invalid('Credential should be scoped to a valid region.')
  }
}

function findCredentials(accessKeyId: string, token: unknown, { credentials, now }: SignatureRules): Credentials {
  const found = credentials.find(accessKeyId)
  if (!found || found.sessionToken !== token) {
    throw new ServiceError('UnrecognizedClientException', 'The security token included in the request is invalid.')
  }
  if (found.expiresAt !== undefined && found.expiresAt <= now) {
    throw new ServiceError('ExpiredTokenException', 'The security token included in the request is expired')
  }
  return found
}

function checkSignedHeaders(required: string[], { signedHeaders }: Authorization, { headers }: SignedRequest): void {
  for (const name of required) {
    if (!signedHeaders.includes(name) || headers[name] === undefined) {
      throw invalid(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`)
    }
  }
}

function checkTime({ date }: Authorization, signedAt: string, now: number): void {
  const [, year, month, day, time] = /^(\d{4})(\d\d)(\d\d)T(\d{6})Z$/.exec(signedAt) ?? []
  if (!time) throw incomplete(`Date must be in ISO-8601 'basic format'. Got '${signedAt}'.`)
  if (!signedAt.startsWith(`${date}T`)) {
    throw invalid(`Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: '${signedAt}'.`)
  }
  const signed = Date.parse(`${year}-${month}-${day}T${time.replace(/(..)(..)(..)/, '$1:$2:$3')}Z`)
  const [earliest, latest] = [now - VALID_FOR_MS, now + VALID_FOR_MS]
  if (signed < earliest) {
    const why = `${basicTime(earliest)} (${basicTime(now)} - 5 min.)`
    throw invalid(`Signature expired: ${signedAt} is now earlier than ${why}`)
  }
  if (signed > latest) {
    const why = `${basicTime(latest)} (${basicTime(now)} + 5 min.)`
    throw invalid(`Signature not yet current: ${signedAt} is still later than ${why}`)
  }
}

function expectedSignature(
  request: SignedRequest,
  body: string,
  { date, region, service, signedHeaders }: Authorization,
  secretAccessKey: string,
): string {
  const canonicalRequest = [
    request.method,
    ...canonicalTarget(request.url ?? '/'),
    ...signedHeaders.map((name) => `${name}:${canonicalHeader(request, name)}`),
    '',
    signedHeaders.join(';'),
    sha256(body),
  ].join('\n')
  const scope = [date, region, service, 'aws4_request']
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`)
  const signedAt = request.headers['x-amz-date']
  const text = ['AWS4-HMAC-SHA256', signedAt, scope.join('/'), sha256(canonicalRequest)].join('\n')
  return hmac(key, text).toString('hex')
}

function canonicalTarget(target: string): [path: string, query: string] {
  const { pathname, searchParams } = new URL(target, 'http://127.0.0.1')
  const query = [...searchParams].map((pair) => pair.map(encodeStrictly).join('='))
  return [pathname, query.sort().join('&')]
}

function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
}

function canonicalHeader(request: SignedRequest, name: string): string {
  return (request.headersDistinct[name] ?? []).map((value) => value.trim().replace(/ +/g, ' ')).join(',')
}

function basicTime(time: number): string {
  return new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, '')
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest()
}

function isSame(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)]
  return first.length === second.length && timingSafeEqual(first, second)
}

function invalid(message: string): ServiceError {
  return new ServiceError('InvalidSignatureException', message)
}

function incomplete(message: string): ServiceError {
  return new ServiceError('IncompleteSignatureException', message)
}
