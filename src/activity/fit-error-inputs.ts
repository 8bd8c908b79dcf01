import type { ErrorInputs } from '../inputs/reporting.ts'
import { quoteValue } from '../masking/format.ts'
import { PUBLISHED_LIMITS, sanitizeErrorFields } from '../report/sanitize-error-fields.ts'

/** Linux, limits.h: PATH_MAX. */
const MAX_PATH_CHARACTERS = 4096

/** Error inputs that can be saved, and a sentence for each thing that had to be changed for it. */
export interface SanitizedErrorInputs {
  readonly error: ErrorInputs
  readonly adjustments: readonly string[]
}

/**
 * Makes the error inputs small enough to be saved for the post step, which gets all that is saved as one environment
 * variable: Linux starts no process with one of more than 128 KiB (MAX_ARG_STRLEN). The texts are what the report would
 * send anyway: fitting them again changes nothing.
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
