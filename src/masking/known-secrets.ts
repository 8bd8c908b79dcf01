import { redact, redactFound } from '../text/redact.ts'
import { SecretFinder } from '../text/secret-finder.ts'

/** Far above the encrypted fields of tasks; a finder of more takes time that a task may not have. */
const MAX_TEXT_CHARACTERS = 1_000_000

// One set for the process, as the runner's own is, and no parameter: who says a text need not know who got which secret.
const secrets = new Set<string>()
// What is no credential: it may have anything in it, also the id of a task, so no part of it is hidden.
const texts = new Set<string>()
let textFinder = new SecretFinder()
let roomForTexts = MAX_TEXT_CHARACTERS

/** Hides these, and nothing that was hidden before: for a process that begins. */
export function beginWithSecrets(first: Iterable<string>): void {
  secrets.clear()
  texts.clear()
  textFinder = new SecretFinder()
  roomForTexts = MAX_TEXT_CHARACTERS
  hideSecrets(first)
}

/** From now on these, too, are replaced by *** in all that is shown or sent. */
export function hideSecrets(more: Iterable<string>): void {
  for (const secret of more) secrets.add(secret)
}

/**
 * From now on these texts, as they are and as a whole, are replaced by *** in all that is shown. When they have a million
 * characters, more of them are not.
 *
 * @param more of 6 characters or more each
 */
export function hideTexts(more: Iterable<string>): void {
  for (const text of more) {
    if (texts.has(text)) continue
    texts.add(text)
    roomForTexts -= text.length
    if (roomForTexts >= 0) textFinder.addWhole(text)
  }
}

/** The secrets that are hidden. */
export function knownSecrets(): ReadonlySet<string> {
  return secrets
}

/** The text without what is hidden. */
export function withoutSecrets(text: string): string {
  const safe = redact(text, secrets).text
  return texts.size === 0 ? safe : redactFound(safe, textFinder).text
}

/** A value of JSON whose texts are without what is hidden. In its JSON, a secret might begin within an escape. */
export function withoutSecretsIn<T>(value: T): T {
  const json = JSON.stringify(value)
  return withoutSecrets(json) === json ? value : (safeValue(value) as T)
}

function safeValue(value: unknown): unknown {
  if (typeof value === 'string') return withoutSecrets(value)
  if (Array.isArray(value)) return value.map(safeValue)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [withoutSecrets(key), safeValue(each)]))
}
