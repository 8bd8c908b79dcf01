import { PUBLISHED_LIMITS } from '../domain/error-fields.ts'
import type { ErrorInputs } from '../inputs/reporting.ts'
import { quoteValue } from '../masking/format.ts'
import { sanitizeErrorFields } from '../report/sanitize-error-fields.ts'

/** Linux, limits.h: PATH_MAX. */
const MAX_PATH_CHARACTERS = 4096

/** Error inputs that can be saved, and a sentence for each change that was needed. */
export interface SanitizedErrorInputs {
  readonly error: ErrorInputs
  readonly adjustments: readonly string[]
}

/**
 * Makes the error inputs small enough for the state of the post step, which gets it as one environment variable: Linux
 * starts no process with a variable of more than 128 KiB (MAX_ARG_STRLEN). The texts are those that the report would send:
 * to sanitize them again changes nothing.
 *
 * @param secrets are replaced by `***`
 */
export function sanitizeErrorInputs(error: ErrorInputs, secrets: readonly string[]): SanitizedErrorInputs {
  const { errorId, errorMessage, errorStackTrace, errorStackTraceFile: path } = error
  const given = {
    ...(errorId !== undefined && { errorId }),
    ...(errorMessage !== undefined && { errorMessage }),
    ...(errorStackTrace !== undefined && { errorStackTrace }),
  }
  const { fields, adjustments } = sanitizeErrorFields(given, PUBLISHED_LIMITS, secrets)
  const isPathTooLong = path !== undefined && path.length > MAX_PATH_CHARACTERS
  return {
    error: {
      errorId: fields.errorId,
      errorMessage: fields.errorMessage,
      errorStackTrace: fields.errorStackTrace,
      errorStackTraceFile: isPathTooLong ? undefined : path,
    },
    adjustments: isPathTooLong ? [...adjustments, ignoredPath(path)] : adjustments,
  }
}

function ignoredPath(path: string): string {
  return (
    `error-stack-trace-file: ignored, because the path has ${path.length} characters (it begins with ` +
    `${quoteValue(path, 40)}). At most ${MAX_PATH_CHARACTERS} are allowed. Give a shorter path, relative to ` +
    'the workspace.'
  )
}
