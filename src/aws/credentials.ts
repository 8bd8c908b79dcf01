import { DataPipelineClient, type DataPipelineClientConfig } from '@aws-sdk/client-data-pipeline'
import type {
  AwsCredentialIdentity,
  HttpHandlerOptions,
  HttpRequest,
  HttpResponse,
  RequestHandler,
} from '@smithy/types'
import { systemClock } from '../util/clock.ts'
import { CredentialSearch } from './credential-search.ts'
import { environmentCredentials } from './environment-credentials.ts'
import { CredentialsError } from './errors.ts'
import type { AwsHttpHandler } from './http-handler.ts'
import type { OidcDependencies } from './role-credentials.ts'
import { type AwsSettings, DATA_PIPELINE_REGIONS } from './settings.ts'

/** Long enough for all servers of AWS to know a session. */
const NEW_SESSION_MS = 60_000

/** What the credentials of a client are made of. */
export interface CredentialOptions {
  readonly settings: AwsSettings
  /** Credentials to use instead of those of the settings and the environment. */
  readonly fixed: AwsCredentialIdentity | undefined
  readonly handler: AwsHttpHandler
  readonly dependencies: OidcDependencies
}

/**
 * The credentials of a client: the only place where credentials are obtained, and so where their secrets are masked, before
 * anything is signed with them.
 */
export class ClientCredentials {
  readonly #options: CredentialOptions
  readonly #search = new CredentialSearch()
  #client: DataPipelineClient | undefined
  #lastUsed: AwsCredentialIdentity | undefined
  #usedSince = 0

  constructor(options: CredentialOptions) {
    this.#options = options
  }

  /** The part of the client's configuration that credentials depend on. */
  get config(): Pick<DataPipelineClientConfig, 'credentials' | 'logger'> {
    const { settings, fixed, handler, dependencies } = this.#options
    const { role } = settings
    const given = (): DataPipelineClientConfig['credentials'] => {
      if (fixed) return fixed
      if (role) {
        return async () => {
          // A chunk of its own, as most jobs have credentials in the environment.
          const { assumeRole } = await import('./role-credentials.ts')
          return assumeRole(role, await this.#config.region(), handler, dependencies)
        }
      }
      return environmentCredentials(dependencies.env)
    }
    const credentials = given()
    return { ...chainSettings(handler), ...(credentials && { credentials }), logger: this.#search.logger }
  }

  /** To be called with the client that was made with `config`, before it is used. */
  attach(client: DataPipelineClient): void {
    const { settings, fixed, dependencies } = this.#options
    this.#client = client
    const isOfChain = !fixed && !settings.role && environmentCredentials(dependencies.env) === undefined
    maskCredentials(client, dependencies, isOfChain)
  }

  get #config(): DataPipelineClient['config'] {
    return (this.#client as DataPipelineClient).config
  }

  /** @throws CredentialsError */
  async get(forceRefresh = false): Promise<AwsCredentialIdentity> {
    try {
      return await this.#config.credentials({ forceRefresh })
    } catch (cause) {
      throw new CredentialsError('Could not get AWS credentials', { cause: this.#search.explain(cause) })
    }
  }

  /** Gets the credentials before a call gets them itself, so that their failure is told from that of the call. */
  async prepareCall(): Promise<void> {
    const current = await this.get()
    if (!areSame(this.#lastUsed, current)) this.#usedSince = systemClock.now()
    this.#lastUsed = current
  }

  /** Reads their source again. Gives whether they differ from those of the last call. @throws CredentialsError */
  async renew(): Promise<boolean> {
    // Not compared with those that the SDK has now: it may have renewed them itself after the call failed.
    const before = this.#lastUsed
    return !areSame(before, await this.get(true))
  }

  get isNewSession(): boolean {
    return this.#lastUsed?.sessionToken !== undefined && systemClock.now() - this.#usedSince < NEW_SESSION_MS
  }
}

/**
 * Settings of the SDK's default chain, which are not in the client's types. By default it keeps the first content of the
 * config and credentials files for the life of the process, and calls the service of a sign-in (`aws sso login`) without
 * the given handler.
 */
function chainSettings(requestHandler: RequestHandler<HttpRequest, HttpResponse, HttpHandlerOptions>) {
  return { ignoreCache: true, clientConfig: { requestHandler } }
}

/**
 * Masks the secrets of all credentials that a client gets. Its signer and this file get them by the same function, which also
 * renews them. The id of an access key is no secret, and shows which credentials a step has.
 *
 * @param isOfChain whether the SDK's chain provides them, possibly from keys in files
 */
function maskCredentials(
  { config }: DataPipelineClient,
  { env, hide }: Pick<OidcDependencies, 'env' | 'hide'>,
  isOfChain: boolean,
): void {
  const provide = config.credentials
  let areFilesMasked = !isOfChain
  const provideMasked: typeof provide = async (options) => {
    if (!areFilesMasked || (isOfChain && options?.forceRefresh)) {
      areFilesMasked = true
      const { secretsOfProfile } = await import('./profile-secrets.ts')
      hide(await secretsOfProfile(env))
    }
    const credentials = await provide(options)
    hide([credentials.secretAccessKey, credentials.sessionToken ?? ''])
    return credentials
  }
  // With the properties that keep the client from memoizing the result again.
  config.credentials = Object.assign(provideMasked, provide)
}

/** For credentials that are needed without a call: no text has the session of a role that is made only now. */
const NO_CALLS = {
  metadata: { handlerProtocol: 'http/1.1' },
  handle: async (): Promise<never> => {
    throw new Error('no service is called')
  },
  updateHttpClientConfig: () => undefined,
  httpHandlerConfigs: () => ({}),
}

/**
 * Masks the credentials that the environment, a profile or the machine has for the actions, as far as that needs no call to
 * AWS. Needs no region, never fails, and has no timeout.
 */
export async function maskLocalCredentials(dependencies: Pick<OidcDependencies, 'env' | 'hide'>): Promise<void> {
  const client = new DataPipelineClient({
    region: DATA_PIPELINE_REGIONS[0],
    requestHandler: NO_CALLS,
    ...chainSettings(NO_CALLS),
  })
  maskCredentials(client, dependencies, true)
  await client.config.credentials().catch(() => undefined)
}

function areSame(one: AwsCredentialIdentity | undefined, other: AwsCredentialIdentity): boolean {
  return (
    one?.accessKeyId === other.accessKeyId &&
    one.secretAccessKey === other.secretAccessKey &&
    one.sessionToken === other.sessionToken
  )
}
