// STS API reference, AssumeRoleWithWebIdentity, RoleSessionName.
const MIN_CHARACTERS = 2
const MAX_CHARACTERS = 64
const OTHER_CHARACTERS = /[^\w+=,.@-]+/g

export const DEFAULT_SESSION_NAME = 'GitHubActions'

/**
 * A session name that STS takes, as near as can be to the given one. It is a label for people, and no reason to lose a
 * report: `${{ github.actor }}` may be `dependabot[bot]`.
 */
export function toSessionName(given: string): string {
  const isSpelt = given.search(OTHER_CHARACTERS) < 0
  const spelt = isSpelt ? given : given.replace(OTHER_CHARACTERS, '-').replace(/^-+|-+$/g, '')
  const name = spelt.slice(0, MAX_CHARACTERS)
  return name.length < MIN_CHARACTERS ? DEFAULT_SESSION_NAME : name
}
