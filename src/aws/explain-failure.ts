import { errorMessageWithHint } from '../masking/error-message.ts'
import type { ErrorContext } from './explain-error.ts'

/** As `explainError`, by a chunk of its own, as few calls fail. Never fails. */
export async function explainFailure(error: unknown, context: ErrorContext): Promise<string> {
  try {
    const { explainError } = await import('./explain-error.ts')
    return explainError(error, context)
  } catch {
    // The folder of the action may be damaged.
    return errorMessageWithHint(error)
  }
}
