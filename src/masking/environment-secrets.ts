import { passwordIn } from '../util/address.ts'

/** The environment variables with credentials of the job, whose values are never shown or sent. */
const SECRET_VARIABLES: ReadonlySet<string> = new Set([
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_SECURITY_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
  'ACTIONS_RUNTIME_TOKEN',
  'GITHUB_TOKEN',
  'GH_TOKEN',
  'GH_ENTERPRISE_TOKEN',
  'GITHUB_ENTERPRISE_TOKEN',
  'INPUT_GITHUB-TOKEN',
  'INPUT_JOB-TOKEN',
])

/** The environment variables with addresses, which may have a password. */
const ADDRESS_VARIABLES = [
  'ACTIONS_ID_TOKEN_REQUEST_URL',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_EC2_METADATA_SERVICE_ENDPOINT',
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_DATA_PIPELINE',
  'AWS_ENDPOINT_URL_SIGNIN',
  'AWS_ENDPOINT_URL_SSO',
  'AWS_ENDPOINT_URL_SSO_OIDC',
  'AWS_ENDPOINT_URL_STS',
  'GITHUB_API_URL',
  'GITHUB_SERVER_URL',
  'ALL_PROXY',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'all_proxy',
  'http_proxy',
  'https_proxy',
]

/** Whether an environment variable has a credential. In any case, as on Windows names have no case. */
export function isSecretVariable(name: string): boolean {
  return SECRET_VARIABLES.has(name.toUpperCase())
}

/** The credentials in an environment, and the passwords in its addresses, as they are and decoded. */
export function secretsIn(env: Readonly<Record<string, string | undefined>>): string[] {
  const values = [...SECRET_VARIABLES].map((name) => env[name]?.trim() ?? '')
  const passwords = ADDRESS_VARIABLES.flatMap((name) => passwordIn(env[name] ?? '') ?? [])
  return [...new Set([...values, ...passwords, ...passwords.map(decoded)])].filter((value) => value !== '')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // A literal %.
    return text
  }
}
