/** The environment variables that hold credentials of the job; the action may send none of their values anywhere. */
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

/** Whether an environment variable holds a credential; in any case, as Windows knows no other. */
export function isSecretVariable(name: string): boolean {
  return SECRET_VARIABLES.has(name.toUpperCase())
}

/** The values of the credentials in an environment. */
export function secretsIn(env: Readonly<Record<string, string | undefined>>): string[] {
  return [...SECRET_VARIABLES].map((name) => env[name]?.trim() ?? '').filter((value) => value !== '')
}
