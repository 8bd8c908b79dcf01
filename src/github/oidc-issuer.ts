/**
 * The issuer of this job's OIDC tokens, as the name of an identity provider at AWS: on github.com, GHE.com and GitHub Enterprise
 * Server (https://docs.github.com/actions/reference/security/oidc).
 */
export function issuerOf({ GITHUB_SERVER_URL: url = '' }: Readonly<Record<string, string | undefined>>): string {
  const host = URL.canParse(url) ? new URL(url).host : 'github.com'
  if (host === 'github.com') return 'token.actions.githubusercontent.com'
  return host.endsWith('.ghe.com') ? `token.actions.${host}` : `${host}/_services/token`
}
