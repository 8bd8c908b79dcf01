import type { Limit } from '../util/limit.ts'

/** The texts of FAILED and FALSE, which the attempt object has and people read. */
export interface ErrorFields {
  readonly errorId?: string
  readonly errorMessage?: string
  readonly errorStackTrace?: string
}

export type ErrorFieldName = keyof ErrorFields

/** The input of each field, for messages. */
export const INPUT_OF_FIELD: Readonly<Record<ErrorFieldName, string>> = {
  errorId: 'error-id',
  errorMessage: 'error-message',
  errorStackTrace: 'error-stack-trace',
}

export const ERROR_FIELD_NAMES = Object.keys(INPUT_OF_FIELD) as ErrorFieldName[]

/** The limits of the three fields. */
export type ErrorFieldLimits = Readonly<Record<ErrorFieldName, Limit>>

// Developer Guide, dp-limits: bytes of UTF-8 for a field of an object.
const FIELD_BYTES = 10_240

/** errorId: SDK service model; errorStackTrace: API reference SetTaskStatus; bytes: Developer Guide, dp-limits. */
export const PUBLISHED_LIMITS: ErrorFieldLimits = {
  errorId: { characters: 1024, bytes: FIELD_BYTES },
  errorMessage: { characters: Number.POSITIVE_INFINITY, bytes: FIELD_BYTES },
  errorStackTrace: { characters: 4095, bytes: FIELD_BYTES },
}

/**
 * For a service that rejects texts within the published limits: the SDK's service model allows 1024 characters of stack trace,
 * and the attempt object, whose other content is not known, may have 15,360 bytes (Developer Guide, dp-limits).
 */
export const REDUCED_LIMITS: ErrorFieldLimits = {
  errorId: { characters: 1024, bytes: FIELD_BYTES },
  errorMessage: { characters: Number.POSITIVE_INFINITY, bytes: 2048 },
  errorStackTrace: { characters: 1024, bytes: FIELD_BYTES },
}
