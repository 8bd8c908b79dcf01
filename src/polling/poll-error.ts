import type { Operation } from '../aws/error-hints.ts'
import type { ErrorContext } from '../aws/explain-error.ts'
import { explainFailure } from '../aws/explain-failure.ts'
import { quoteValue } from '../masking/format.ts'

/** Why no task could be taken from a worker group, for the user. */
export async function explainPollError(
  error: unknown,
  workerGroup: string,
  context: ErrorContext & { readonly operation: Operation },
): Promise<string> {
  const what =
    context.operation === 'PollForTask'
      ? `Could not poll worker group ${quoteValue(workerGroup)} for tasks`
      : `Could not acknowledge a task of worker group ${quoteValue(workerGroup)}, which goes to another poll after two minutes`
  return `${what}: ${await explainFailure(error, context)}`
}
