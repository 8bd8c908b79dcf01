import { fromWebToken } from '@aws-sdk/credential-provider-web-identity'
import type { AwsCredentialIdentity } from '@smithy/types'
import { requestIdToken } from '../github/oidc.ts'
import { ConfigurationError } from '../util/errors.ts'
import type { AwsHttpHandler } from './http-handler.ts'
import type { RoleSettings } from './settings.ts'

/** STS gives no less. */
const MIN_SESSION_SECONDS = 900

export interface OidcDependencies {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds that a single request may take. */
  readonly requestLimitMs: number
  /** Called with every secret part of credentials before anything is sent with it. */
  readonly hide: (secrets: Iterable<string>) => void
}

/**
 * Gets credentials of an IAM role with a new OIDC token of this job (AssumeRoleWithWebIdentity).
 *
 * @throws ConfigurationError when the job has no permission to request a token
 * @throws OidcTokenError when GitHub gave none
 */
export async function assumeRole(
  role: RoleSettings,
  region: string,
  transport: AwsHttpHandler,
  { env, requestLimitMs, hide }: OidcDependencies,
): Promise<AwsCredentialIdentity> {
  if (!env['ACTIONS_ID_TOKEN_REQUEST_URL'] || !env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']) {
    throw new ConfigurationError(
      'Input "role-to-assume" needs an OIDC token, which this job has no permission to request.',
      {
        hint: 'Add "permissions: id-token: write" to the job. Workflows of pull requests from forks never get a token.',
      },
    )
  }
  const webIdentityToken = await requestIdToken(role.audience, env, requestLimitMs)
  hide([webIdentityToken])
  return fromWebToken({
    roleArn: role.arn,
    roleSessionName: role.sessionName,
    durationSeconds: role.sessionSeconds ?? MIN_SESSION_SECONDS,
    webIdentityToken,
    // `callWithRetry` retries, under one budget for token, role and report.
    clientConfig: { region, requestHandler: transport, maxAttempts: 1 },
  })()
}
