import { isDeepStrictEqual } from 'node:util'
import { ERROR_FIELD_NAMES, type ErrorFieldName, type ErrorFields, INPUT_OF_FIELD } from '../domain/error-fields.ts'
import { isFixedValue } from '../domain/fixed-values.ts'
import { redact } from '../text/redact.ts'
import { sanitize } from '../text/sanitize.ts'
import { fits, type Limit, sizeOf, truncateMiddle } from '../text/truncate.ts'

/** The limits of the three fields. */
export type ErrorFieldLimits = Readonly<Record<ErrorFieldName, Limit>>

// Developer Guide, dp-limits: bytes of UTF-8 for a field of an object, and for an object, which gets the three fields.
const FIELD_BYTES = 10_240
const OBJECT_BYTES = 15_360

/** errorId: SDK service model; errorStackTrace: API reference SetTaskStatus; bytes: Developer Guide, dp-limits. */
export const PUBLISHED_LIMITS: ErrorFieldLimits = {
  errorId: { characters: 1024, bytes: FIELD_BYTES },
  errorMessage: { characters: Number.POSITIVE_INFINITY, bytes: FIELD_BYTES },
  errorStackTrace: { characters: 4095, bytes: FIELD_BYTES },
}

/**
 * For a service that refuses the published ones: the SDK's service model allows 1024 characters of trace, and the
 * attempt object, of whose size nobody knows what it has already, may hold 15,360 bytes (Developer Guide, dp-limits).
 */
export const REDUCED_LIMITS: ErrorFieldLimits = {
  errorId: { characters: 1024, bytes: FIELD_BYTES },
  errorMessage: { characters: Number.POSITIVE_INFINITY, bytes: 2048 },
  errorStackTrace: { characters: 1024, bytes: FIELD_BYTES },
}

/** "It should not start with string "Service_" which is reserved by the system" (API reference, SetTaskStatus). */
const RESERVED_PREFIX = 'Service_'
const OWN_PREFIX = 'GitHubActions:'

/** Fields that keep the limits, and a sentence for each thing that had to be changed for it. */
export interface SanitizedFields {
  readonly fields: ErrorFields
  readonly adjustments: readonly string[]
}

/**
 * Makes error fields sendable: removes what the API does not allow, replaces secrets by `***`, moves an id out of the
 * reserved `Service_` names and cuts what is too long, by itself or with the others. Fitting twice changes nothing. An empty field is left out.
 *
 * @param missing characters of a field that were never read (a huge stack trace file)
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
    // The trace comes last: where the three are too large together, it is what gives way.
    const { characters, bytes } = limits[name]
    text = shorten(input, text, { characters, bytes: Math.min(bytes, bytesLeft) }, missing[name] ?? 0, adjustments)
    bytesLeft -= sizeOf(text).bytes
    if (text !== '') fields[name] = text
  }
  return { fields, adjustments }
}

/** The versions of error fields that are worth trying, and what had to be changed for the first. */
export interface ErrorFieldVersions {
  /** At least one; none of them twice. */
  readonly versions: readonly [ErrorFields, ...ErrorFields[]]
  readonly adjustments: readonly string[]
}

/**
 * The error fields to send, one version after the other as long as the service finds the request invalid: within the
 * published limits, within the reduced ones, and none at all.
 */
export function errorFieldVersions(
  raw: ErrorFields,
  secrets: readonly string[],
  missing: Readonly<Partial<Record<ErrorFieldName, number>>> = {},
): ErrorFieldVersions {
  const { fields, adjustments } = sanitizeErrorFields(raw, PUBLISHED_LIMITS, secrets, missing)
  // From the original, so that its mark counts what is missing of that.
  const { fields: reduced } = sanitizeErrorFields(raw, REDUCED_LIMITS, secrets, missing)
  const versions: [ErrorFields, ...ErrorFields[]] = [fields]
  for (const next of [reduced, {}]) if (!isDeepStrictEqual(next, versions.at(-1))) versions.push(next)
  return { versions, adjustments }
}

/**
 * Cleans a text and takes secrets out of it. Before and after: what is removed may take the beginning of a secret with it, or
 * make one of two parts.
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
    adjustments.push(`${input}: removed ${removed.join(', ')}, which Data Pipeline does not accept.`)
  }
  return cleaned.text
}

function leaveReservedNames(input: string, text: string, adjustments: string[]): string {
  // The id is one word for machines; space around it is an accident, and could hide the reserved prefix.
  const id = text.trim()
  if (!id.startsWith(RESERVED_PREFIX)) return id
  adjustments.push(
    `${input}: ids that begin with ${RESERVED_PREFIX} are reserved by AWS; reported with ${OWN_PREFIX} before it.`,
  )
  return OWN_PREFIX + id
}

function shorten(input: string, text: string, limit: Limit, missing: number, adjustments: string[]): string {
  if (text === '' || (missing === 0 && fits(text, limit))) return text
  const cut = truncateMiddle(text, limit, missing)
  const before = sizeOf(text)
  const after = sizeOf(cut)
  // Of the two limits, the one that the cut text is nearer to.
  const isOfBytes = limit.bytes - after.bytes < limit.characters - after.characters
  const allowed = isOfBytes ? `${limit.bytes} bytes` : `${limit.characters} characters`
  adjustments.push(
    `${input}: cut from ${missing > 0 ? 'about ' : ''}${before.characters + missing} to ${after.characters} characters ` +
      `(${after.bytes} bytes); its beginning and its end are kept. The limit is ${allowed}.`,
  )
  return cut
}

function counted(count: number, noun: string): string | undefined {
  if (count === 0) return undefined
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
