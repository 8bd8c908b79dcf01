import { cleanText } from './text/clean.ts'
import { cutMiddle } from './text/cut.ts'
import { redact, redactFound } from './text/redact.ts'
import { SecretFinder } from './text/secret-finder.ts'

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

/** Longer messages of services, proxies and programs are pages, or attacks; what they mean stands at an end of them. */
const MESSAGE_CHARACTERS = 2_048

/** Ids of objects, requests and errors are shorter. */
const MAX_ID_CHARACTERS = 200

/**
 * So much of both ends of a text is looked at, and only the outer part of that is shown: what this cut leaves of a secret is
 * not.
 */
const LOOKED_AT_CHARACTERS = 32 * MESSAGE_CHARACTERS

/**
 * A text from outside as one line that can be shown: cleaned, without secrets, and cut, in this order. A text that is cut
 * first may keep a part of a secret that nobody recognizes any more.
 *
 * @param limit characters; the beginning and the end are kept
 */
export function shown(text: string, limit = MESSAGE_CHARACTERS): string {
  return shownLines(text, limit)
    .replace(/\s*[\r\n\u2028\u2029]+\s*/g, ' ')
    .trim()
}

/** An id as it can be shown; one in an answer may be any text. */
export function shownId(id: string): string {
  return shown(id, MAX_ID_CHARACTERS)
}

/** As `shown`, with the lines that the text has. */
export function shownLines(text: string, limit = MESSAGE_CHARACTERS): string {
  const looked = Math.max(LOOKED_AT_CHARACTERS, 2 * limit)
  const missing = Math.max(0, text.length - looked)
  const ends = missing === 0 ? text : text.slice(0, looked / 2) + text.slice(-looked / 2)
  return cutMiddle(readable(ends), { characters: limit, bytes: Number.POSITIVE_INFINITY }, missing)
}

/**
 * A value as it is shown in an error: quoted, on one line, without secrets, only its beginning. Characters that can't be
 * seen are shown as escapes, as they may be what is wrong with it.
 */
export function quoted(value: string, limit = 200): string {
  const safe = withoutSecrets(value.slice(0, LOOKED_AT_CHARACTERS))
  const start = safe.length > limit ? `${safe.slice(0, limit)}…` : safe
  return JSON.stringify(start).replace(HIDDEN_CHARACTERS, escapeOf)
}

/** Marks of direction make a line seem another one; the line separators are line ends for some programs. */
const HIDDEN_CHARACTERS = /[\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Cleaned, and without secrets. Also before it is cleaned, as an escape sequence may take the beginning of a secret. */
function readable(text: string): string {
  const safe = withoutSecrets(text)
  const clean = cleanText(safe).text.replace(DIRECTIONS, '')
  return clean === safe ? safe : withoutSecrets(clean)
}
