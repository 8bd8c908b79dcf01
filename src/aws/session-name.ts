// STS API reference, AssumeRoleWithWebIdentity, RoleSessionName.
const MIN_CHARACTERS = 2
const MAX_CHARACTERS = 64
const OTHER_CHARACTERS = /[^\w+=,.@-]+/g

export const DEFAULT_SESSION_NAME = 'GitHubActions'

/**
 * A session name that STS accepts, as similar as possible to the given one. It is a label for people, and no reason to lose a
 * report: `${{ github.actor }}` may be `dependabot[bot]`.
 */
export function toSessionName(given: string): string {
  const isValid = given.search(OTHER_CHARACTERS) < 0
  const valid = isValid ? given : given.replace(OTHER_CHARACTERS, '-').replace(/^-+|-+$/g, '')
  const name = valid.slice(0, MAX_CHARACTERS)
  return name.length < MIN_CHARACTERS ? DEFAULT_SESSION_NAME : name
}
