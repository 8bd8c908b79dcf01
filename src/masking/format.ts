import { sanitize } from '../text/sanitize.ts'
import { truncateMiddle } from '../text/truncate.ts'
import { withoutSecrets } from './known-secrets.ts'

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
export function formatValue(text: string, limit = MESSAGE_CHARACTERS): string {
  return formatLines(text, limit)
    .replace(/\s*[\r\n\u2028\u2029]+\s*/g, ' ')
    .trim()
}

/** An id as it can be shown; one in an answer may be any text. */
export function formatId(id: string): string {
  return formatValue(id, MAX_ID_CHARACTERS)
}

/** As `shown`, with the lines that the text has. */
export function formatLines(text: string, limit = MESSAGE_CHARACTERS): string {
  const looked = Math.max(LOOKED_AT_CHARACTERS, 2 * limit)
  const missing = Math.max(0, text.length - looked)
  const ends = missing === 0 ? text : text.slice(0, looked / 2) + text.slice(-looked / 2)
  return truncateMiddle(readable(ends), { characters: limit, bytes: Number.POSITIVE_INFINITY }, missing)
}

/**
 * A value as it is shown in an error: quoted, on one line, without secrets, only its beginning. Characters that can't be
 * seen are shown as escapes, as they may be what is wrong with it.
 */
export function quoteValue(value: string, limit = 200): string {
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
  const clean = sanitize(safe).text.replace(DIRECTIONS, '')
  return clean === safe ? safe : withoutSecrets(clean)
}
