import { sanitize } from '../text/sanitize.ts'
import { truncateMiddle } from '../text/truncate.ts'
import { withoutSecrets } from './known-secrets.ts'

/** Longer messages of services, proxies and programs are pages, or attacks. Their ends have what matters. */
const MESSAGE_CHARACTERS = 2_048

/** Ids of objects, requests and errors are shorter. */
const MAX_ID_CHARACTERS = 200

/**
 * This much of both ends of a text is read, and only the outer part of it is shown: not what the cut leaves of a secret.
 */
const READ_CHARACTERS = 32 * MESSAGE_CHARACTERS

/**
 * A text of others as one line that can be shown: sanitized, with secrets masked, and then truncated. A text that is truncated
 * first may keep a part of a secret that is not recognized.
 *
 * @param limit characters, of which start and end are kept
 */
export function formatValue(text: string, limit = MESSAGE_CHARACTERS): string {
  return formatLines(text, limit)
    .replace(/\s*[\r\n\u2028\u2029]+\s*/g, ' ')
    .trim()
}

/** An id as it can be shown. In a response it may be any text. */
export function formatId(id: string): string {
  return formatValue(id, MAX_ID_CHARACTERS)
}

/** As `formatValue`, with the lines of the text. */
export function formatLines(text: string, limit = MESSAGE_CHARACTERS): string {
  const read = Math.max(READ_CHARACTERS, 2 * limit)
  const missing = Math.max(0, text.length - read)
  const ends = missing === 0 ? text : text.slice(0, read / 2) + text.slice(-read / 2)
  return truncateMiddle(sanitizeAndMask(ends), { characters: limit, bytes: Number.POSITIVE_INFINITY }, missing)
}

/**
 * A value for an error message: in quotes, on one line, with secrets masked, truncated at the end. Invisible characters are shown as
 * escapes, as they may be the mistake.
 */
export function quoteValue(value: string, limit = 200): string {
  const safe = withoutSecrets(value.slice(0, READ_CHARACTERS))
  const start = safe.length > limit ? `${safe.slice(0, limit)}…` : safe
  return JSON.stringify(start).replace(HIDDEN_CHARACTERS, escapeOf)
}

/** Marks of direction change how a line looks. Line separators are line ends for some programs. */
const HIDDEN_CHARACTERS = /[\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Sanitized, with secrets masked before and after: an escape sequence may include the start of a secret. */
function sanitizeAndMask(text: string): string {
  const safe = withoutSecrets(text)
  const clean = sanitize(safe).text.replace(DIRECTIONS, '')
  return clean === safe ? safe : withoutSecrets(clean)
}
