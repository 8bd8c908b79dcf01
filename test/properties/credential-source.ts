import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from '@jest/globals'
import fc from 'fast-check'
import type { Exchange, HostileResponse } from './hostile-server.ts'

/** The source of a step's credentials. */
export type CredentialSource = 'environment' | 'profile' | 'role'

export const credentialSource = fc.constantFrom<CredentialSource>('environment', 'profile', 'role')

const PROFILE = { key: 'profileKeyProfileKey/ProfileKey+12345678', token: 'profileToken//ProfileToken+ProfileToken==' }
const ROLE = { key: 'stsSecretStsSecretStsSecret', token: 'stsSession//Token+StsSession' }
const ID_TOKEN = 'eyJhbGciOiJub25lIn0.id-token.signature'

/** The secrets that a step gets from its source and not from its environment. */
export const SECRETS_OF_SOURCE: Readonly<Record<CredentialSource, readonly string[]>> = {
  environment: [],
  profile: [PROFILE.key, PROFILE.token],
  role: [ROLE.key, ROLE.token, ID_TOKEN],
}

export const GIVEN_SECRETS: readonly string[] = Object.values(SECRETS_OF_SOURCE).flat()

const folder = mkdtempSync(join(tmpdir(), 'profile-'))
const file = join(folder, 'credentials')
writeFileSync(
  file,
  `[default]\naws_access_key_id = ASIA0123456789PROFIL\naws_secret_access_key = ${PROFILE.key}\n` +
    `aws_session_token = ${PROFILE.token}\n`,
)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The secrets that a step has got from its source, which may be none. */
export function secretsHad(source: CredentialSource, exchanges: readonly Exchange[]): readonly string[] {
  if (source !== 'role') return exchanges.some(({ call }) => call !== 'github') ? SECRETS_OF_SOURCE[source] : []
  const had = exchanges.flatMap(({ call, response }) =>
    response.breaks === undefined && response.status === 200 && GOOD_RESPONSES[call]?.body === response.body
      ? [call]
      : [],
  )
  const { key, token } = ROLE
  return [...(had.includes('oidc') ? [ID_TOKEN] : []), ...(had.includes('sts') ? [key, token] : [])]
}

/** The environment of a step with credentials of this source. It always has a key without an id, and a token. */
export function environmentOf(source: CredentialSource, url: string): Record<string, string> {
  return {
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_DATA_PIPELINE: url,
    AWS_ENDPOINT_URL_STS: url,
    ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/oidc?x=1`,
    GITHUB_API_URL: url,
    RUNNER_DEBUG: '1',
    ...(source === 'profile' ? { AWS_SHARED_CREDENTIALS_FILE: file } : { AWS_ACCESS_KEY_ID: 'AKIA0123456789ABCDEF' }),
  }
}

/** The inputs of a step with credentials of this source. */
export function inputsOf(source: CredentialSource): Record<string, string> {
  return source === 'role' ? { 'role-to-assume': 'arn:aws:iam::123456789012:role/pipeline' } : {}
}

/** Successful responses of GitHub's token service and STS. */
export const GOOD_RESPONSES: Readonly<Record<string, HostileResponse>> = {
  oidc: { status: 200, headers: {}, body: JSON.stringify({ value: ID_TOKEN }) },
  sts: { status: 200, headers: { 'content-type': 'text/xml' }, body: sessionXml() },
}

/** The response of STS with the session of the role. */
export function sessionXml(): string {
  return (
    '<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>' +
    `<AccessKeyId>ASIA0123456789ABCDEF</AccessKeyId><SecretAccessKey>${ROLE.key}</SecretAccessKey>` +
    `<SessionToken>${ROLE.token}</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>` +
    '</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>'
  )
}
