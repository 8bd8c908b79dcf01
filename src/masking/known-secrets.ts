import { redact, redactFound } from '../text/redact.ts'
import { SecretFinder } from '../text/secret-finder.ts'

/** Far above the encrypted fields of tasks. To find more takes too long. */
const MAX_TEXT_CHARACTERS = 1_000_000

// One set for the process, as the runner has one for the job: whoever shows a text need not know where secrets come from.
const secrets = new Set<string>()
// Texts that are no credentials. They may contain anything, even the id of a task, so parts of them are not masked.
const texts = new Set<string>()
let textFinder = new SecretFinder()
let roomForTexts = MAX_TEXT_CHARACTERS

/** Masks these, and nothing that was masked before: at the start of a process. */
export function beginWithSecrets(first: Iterable<string>): void {
  secrets.clear()
  texts.clear()
  textFinder = new SecretFinder()
  roomForTexts = MAX_TEXT_CHARACTERS
  hideSecrets(first)
}

/** Masks these as well from now on, in everything that is shown or sent. */
export function hideSecrets(more: Iterable<string>): void {
  for (const secret of more) secrets.add(secret)
}

/**
 * Masks these texts as well from now on, as a whole only, in everything that is shown. More than a million characters in all are
 * not masked.
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

/** The secrets that are masked. */
export function knownSecrets(): ReadonlySet<string> {
  return secrets
}

/** The text with secrets masked. */
export function withoutSecrets(text: string): string {
  const safe = redact(text, secrets).text
  return texts.size === 0 ? safe : redactFound(safe, textFinder).text
}

/** A value of JSON with secrets masked in its texts. In its JSON text, a secret could start within an escape. */
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
