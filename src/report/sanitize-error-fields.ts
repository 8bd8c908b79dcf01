import {
  ERROR_FIELD_NAMES,
  type ErrorFieldLimits,
  type ErrorFieldName,
  type ErrorFields,
  INPUT_OF_FIELD,
  PUBLISHED_LIMITS,
  REDUCED_LIMITS,
} from '../domain/error-fields.ts'
import { isFixedValue } from '../domain/fixed-values.ts'
import { redact } from '../text/redact.ts'
import { sanitize } from '../text/sanitize.ts'
import { fits, sizeOf, truncateMiddle } from '../text/truncate.ts'
import type { Limit } from '../util/limit.ts'

// Developer Guide, dp-limits: bytes of UTF-8 for an object, which gets the three fields.
const OBJECT_BYTES = 15_360

/** "It should not start with string "Service_" which is reserved by the system" (API reference, SetTaskStatus). */
const RESERVED_PREFIX = 'Service_'
const OWN_PREFIX = 'GitHubActions:'

/** Fields within the limits, and a sentence for each change that was needed. */
export interface SanitizedFields {
  readonly fields: ErrorFields
  readonly adjustments: readonly string[]
}

/**
 * Makes error fields that the API accepts. Removes characters that it rejects, replaces secrets with `***`, adds a prefix to
 * reserved `Service_` ids, and truncates fields that are too long, alone or together. Omits empty fields. To sanitize them
 * again changes nothing.
 *
 * @param missing characters of a field that were never read (of a huge stack trace file)
 */
export function sanitizeErrorFields(
  raw: ErrorFields,
  limits: ErrorFieldLimits,
  secrets: readonly string[],
  missing: Readonly<Partial<Record<ErrorFieldName, number>>> = {},
): SanitizedFields {
  const fields: { -readonly [name in ErrorFieldName]?: string } = {}
  const adjustments: string[] = []
  let bytesLeft = OBJECT_BYTES
  for (const name of ERROR_FIELD_NAMES) {
    const given = raw[name]
    if (given === undefined) continue
    const input = INPUT_OF_FIELD[name]
    let text = isFixedValue(given) ? given : removeSecrets(input, given, secrets, adjustments)
    if (name === 'errorId') text = leaveReservedNames(input, text, adjustments)
    // The stack trace comes last: it is truncated when the three are too large together.
    const { characters, bytes } = limits[name]
    text = truncate(input, text, { characters, bytes: Math.min(bytes, bytesLeft) }, missing[name] ?? 0, adjustments)
    bytesLeft -= sizeOf(text).bytes
    if (text !== '') fields[name] = text
  }
  return { fields, adjustments }
}

/** The versions of error fields to send, and the changes that the first one needed. */
export interface ErrorFieldVersions {
  /** At least one, all different. */
  readonly versions: readonly [ErrorFields, ...ErrorFields[]]
  readonly adjustments: readonly string[]
}

/**
 * The error fields to send, one version after the other while the service rejects the request as invalid: within the published
 * limits, within the reduced limits, and none.
 */
export function errorFieldVersions(
  raw: ErrorFields,
  secrets: readonly string[],
  missing: Readonly<Partial<Record<ErrorFieldName, number>>> = {},
): ErrorFieldVersions {
  const { fields, adjustments } = sanitizeErrorFields(raw, PUBLISHED_LIMITS, secrets, missing)
  // From the original, so that its mark counts all missing characters.
  const { fields: reduced } = sanitizeErrorFields(raw, REDUCED_LIMITS, secrets, missing)
  const versions: [ErrorFields, ...ErrorFields[]] = [fields]
  // Their fields are in one order.
  for (const next of [reduced, {}]) if (JSON.stringify(next) !== JSON.stringify(versions.at(-1))) versions.push(next)
  return { versions, adjustments }
}

/**
 * Sanitizes a text and redacts secrets, before and after: what is removed may include the start of a secret, or stand between
 * two parts of one.
 */
function removeSecrets(input: string, given: string, secrets: readonly string[], adjustments: string[]): string {
  const before = redact(given, secrets)
  const text = removeForbidden(input, before.text, adjustments)
  const after = text === before.text ? { text, secrets: 0 } : redact(text, secrets)
  const count = before.secrets + after.secrets
  if (count > 0) adjustments.push(`${input}: replaced ${counted(count, 'credential')} of this job by ***.`)
  return after.text
}

function removeForbidden(input: string, text: string, adjustments: string[]): string {
  const cleaned = sanitize(text)
  const removed = [
    counted(cleaned.ansiSequences, 'ANSI escape sequence'),
    counted(cleaned.controlCharacters, 'control character'),
    counted(cleaned.loneSurrogates, 'lone surrogate'),
  ].filter((part) => part !== undefined)
  if (removed.length > 0) {
    adjustments.push(`${input}: removed ${removed.join(', ')}, which AWS Data Pipeline rejects.`)
  }
  return cleaned.text
}

function leaveReservedNames(input: string, text: string, adjustments: string[]): string {
  // Space around an id is an accident, and could hide the reserved prefix.
  const id = text.trim()
  if (!id.startsWith(RESERVED_PREFIX)) return id
  adjustments.push(
    `${input}: added the prefix ${OWN_PREFIX}, because AWS reserves ids that begin with ${RESERVED_PREFIX}.`,
  )
  return OWN_PREFIX + id
}

function truncate(input: string, text: string, limit: Limit, missing: number, adjustments: string[]): string {
  if (text === '' || (missing === 0 && fits(text, limit))) return text
  const cut = truncateMiddle(text, limit, missing)
  const before = sizeOf(text)
  const after = sizeOf(cut)
  // The limit that the truncated text is nearer to.
  const isOfBytes = limit.bytes - after.bytes < limit.characters - after.characters
  const allowed = isOfBytes ? `${limit.bytes} bytes` : `${limit.characters} characters`
  adjustments.push(
    `${input}: truncated from ${missing > 0 ? 'about ' : ''}${before.characters + missing} to ${after.characters} characters ` +
      `(${after.bytes} bytes), keeping start and end. The limit is ${allowed}.`,
  )
  return cut
}

function counted(count: number, noun: string): string | undefined {
  if (count === 0) return undefined
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
