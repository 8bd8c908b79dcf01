import { generateKeyPairSync, randomBytes, randomUUID, sign, verify } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Response, respond } from './delivery.ts'
import { LocalService, type LocalServiceOptions } from './local-service.ts'

export interface LocalOidcOptions extends LocalServiceOptions {
  /** Claims to add or replace, such as `sub`. */
  claims?: Record<string, unknown>
  /** How long a token is valid. Default 5 minutes, as on GitHub. */
  lifetimeMs?: number
}

/** A request for a token. */
export interface TokenRequest {
  readonly audience: string | undefined
  readonly at: number
  /** Undefined when no response was sent. */
  readonly status?: number
}

/** GitHub's issuer. */
export const ISSUER = 'https://token.actions.githubusercontent.com'

const SIGNING = { dsaEncoding: 'ieee-p1363' } as const

/**
 * The endpoint at which a GitHub job asks for its OIDC token:
 * `GET $ACTIONS_ID_TOKEN_REQUEST_URL&audience=…` with `Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
 */
export class LocalOidc extends LocalService {
  /** Every request, also the refused ones. */
  readonly requests: TokenRequest[] = []
  readonly #options: LocalOidcOptions
  readonly #requestToken = randomBytes(32).toString('hex')
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  #tokensIssued = 0

  private constructor(options: LocalOidcOptions) {
    super(options)
    this.#options = options
  }

  static async start(options: LocalOidcOptions = {}): Promise<LocalOidc> {
    return new LocalOidc(options).listen(options.port)
  }

  /** The number of issued tokens. */
  get tokensIssued(): number {
    return this.#tokensIssued
  }

  /** The variables that the runner sets in a job with `id-token: write`. */
  env(): Record<string, string> {
    return {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${this.url}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: this.#requestToken,
    }
  }

  /** A signed token for the audience, as a job would get it. */
  token(audience: string): string {
    const now = Math.floor(this.clock() / 1000)
    const lifetimeMs = this.#options.lifetimeMs ?? 5 * 60_000
    const claims = {
      iss: ISSUER,
      aud: audience,
      sub: 'repo:octo-org/octo-repo:ref:refs/heads/main',
      repository: 'octo-org/octo-repo',
      ref: 'refs/heads/main',
      workflow: 'ci',
      run_id: '1658821493',
      run_attempt: '1',
      jti: randomUUID(),
      iat: now,
      nbf: now,
      exp: now + Math.floor(lifetimeMs / 1000),
      ...this.#options.claims,
    }
    const text = [{ alg: 'ES256', typ: 'JWT', kid: 'local' }, claims].map(encode).join('.')
    const signature = sign('sha256', Buffer.from(text), { key: this.#keys.privateKey, ...SIGNING })
    return `${text}.${signature.toString('base64url')}`
  }

  /** The claims of a token that this issuer signed, expired or not; undefined for any other text. */
  read(token: string): Record<string, unknown> | undefined {
    const [header, claims, signature] = token.split('.')
    if (!header || !claims || !signature) return undefined
    const signed = Buffer.from(`${header}.${claims}`)
    const key = { key: this.#keys.publicKey, ...SIGNING }
    if (!verify('sha256', signed, key, Buffer.from(signature, 'base64url'))) return undefined
    return JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'))
  }

  protected async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const audience = new URL(request.url ?? '/', this.url).searchParams.get('audience') ?? undefined
    const received: { -readonly [K in keyof TokenRequest]: TokenRequest[K] } = { audience, at: this.clock() }
    this.requests.push(received)
    const sent = await respond(response, this.faults.take(), {
      carryOut: () => this.#response(request, audience),
      refuse: ({ status, message }) => json(status, { message }),
    })
    if (sent) received.status = sent.status
  }

  #response(request: IncomingMessage, audience: string | undefined): Response {
    if (request.headers.authorization?.replace(/^bearer /i, '') !== this.#requestToken) {
      return json(401, { message: 'Unauthorized' })
    }
    this.#tokensIssued += 1
    return json(200, { value: this.token(audience ?? 'https://github.com/octo-org') })
  }
}

function json(status: number, value: unknown): Response {
  return { status, headers: { 'Content-Type': 'application/json; charset=utf-8' }, text: JSON.stringify(value) }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
