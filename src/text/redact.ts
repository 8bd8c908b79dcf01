/** What stands in place of a secret, as in GitHub's own logs. */
export const MASK = '***'

// Shorter "secrets" are placeholders of local set-ups (AWS_SECRET_ACCESS_KEY=x); masking them would shred every text.
export const SHORTEST_SECRET = 6

/** A text without secrets, and how many were taken out of it. */
export interface RedactedText {
  readonly text: string
  readonly secrets: number
}

/**
 * The text with every occurrence of each secret replaced by `***`: its exact value, and its URL-encoded form, in which
 * a key with `/` or `+` stands in a logged request. Longer secrets go first, so that one inside another leaves no rest.
 */
export function redact(text: string, secrets: Iterable<string>): RedactedText {
  const forms = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < SHORTEST_SECRET) continue
    forms.add(secret)
    forms.add(encodeForUrl(secret))
  }
  let count = 0
  let redacted = text
  for (const form of [...forms].sort((a, b) => b.length - a.length)) {
    const parts = redacted.split(form)
    count += parts.length - 1
    redacted = parts.join(MASK)
  }
  return { text: redacted, secrets: count }
}

function encodeForUrl(secret: string): string {
  try {
    return encodeURIComponent(secret)
  } catch {
    // A lone surrogate can't be encoded; such a value can't be sent either.
    return secret
  }
}
