// The services of AWS and GitHub that a role needs, as local servers.
import { CredentialStore } from './credentials.ts'
import { LocalDataPipeline } from './data-pipeline.ts'
import { LocalOidc } from './oidc.ts'
import { LocalSts, type LocalStsOptions } from './sts.ts'

/** Variables of a step that has no keys in its environment. */
export const NO_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: undefined,
  AWS_SECRET_ACCESS_KEY: undefined,
  AWS_SESSION_TOKEN: undefined,
}

/** A Data Pipeline that accepts the credentials that an STS issues for the tokens of an OIDC issuer. */
export interface Cloud extends AsyncDisposable {
  readonly service: LocalDataPipeline
  readonly sts: LocalSts
  readonly oidc: LocalOidc
  readonly credentials: CredentialStore
  /** The environment of a step that can reach all of them, and has no keys. */
  readonly env: Readonly<Record<string, string | undefined>>
}

export async function startCloud(options: Partial<LocalStsOptions> = {}): Promise<Cloud> {
  const credentials = new CredentialStore([])
  const oidc = await LocalOidc.start()
  const sts = await LocalSts.start({ issuer: oidc, credentials, ...options })
  const service = await LocalDataPipeline.start({ credentials })
  return {
    service,
    sts,
    oidc,
    credentials,
    env: { ...sts.env(), ...oidc.env(), ...NO_CREDENTIALS },
    async [Symbol.asyncDispose]() {
      await Promise.all([service.stop(), sts.stop(), oidc.stop()])
    },
  }
}
