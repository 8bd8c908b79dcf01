import type { AwsCredentialIdentity } from '@smithy/types'
import { requestIdToken } from '../github/oidc.ts'
import { ConfigurationError } from '../util/errors.ts'
import type { AwsHttpHandler } from './http-handler.ts'
import type { RoleSettings } from './settings.ts'

/** A report takes minutes at the most; 15 is the least that STS gives. */
const SESSION_SECONDS = 900

export interface OidcDependencies {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Milliseconds that a single request may take. */
  readonly requestLimitMs: number
  /** Told every secret part of credentials when it is there, and before anything is sent with it. */
  readonly hide: (secrets: Iterable<string>) => void
}

/**
 * Credentials of an IAM role, by a new OIDC token of this job (AssumeRoleWithWebIdentity).
 *
 * @throws ConfigurationError when the job may not ask for a token
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
      'The input role-to-assume needs an OIDC token, and this job may not ask GitHub for one.',
      {
        hint: 'Add "permissions: id-token: write" to the job. Workflows of pull requests from forks never get a token.',
      },
    )
  }
  const webIdentityToken = await requestIdToken(role.audience, env, requestLimitMs)
  hide([webIdentityToken])
  // Loaded here, as most reports have credentials in the environment and need no STS client.
  const { fromWebToken } = await import('@aws-sdk/credential-provider-web-identity')
  return fromWebToken({
    roleArn: role.arn,
    roleSessionName: role.sessionName,
    durationSeconds: SESSION_SECONDS,
    webIdentityToken,
    // Retries are ours, under one budget for token, role and report.
    clientConfig: { region, requestHandler: transport, maxAttempts: 1 },
  })()
}
