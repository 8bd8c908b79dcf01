import type { ErrorFields } from '../domain/error-fields.ts'
import { isFixedValue } from '../domain/fixed-values.ts'
import type { TaskStatus } from '../domain/task-status.ts'
import { redact } from '../text/redact.ts'

/**
 * Who decides how a task ended: the root action (`step`), the post step of activity, or the heartbeat process when the runner
 * is lost.
 */
export type Reporter = 'step' | 'post' | 'loss'

/** How a task ended, as one of them decided. */
export interface Decision {
  readonly by: Reporter
  readonly status: TaskStatus
  /** The error fields to send. Further versions are for a service that rejects the request as invalid. */
  readonly versions: readonly [ErrorFields, ...ErrorFields[]]
}

/**
 * The decision that a post step reports when the service may not have an earlier one, whose step was ended. That of the root
 * action prevails, except for a success when the rest of the job failed.
 */
export function prevailing(open: Decision | undefined, post: Decision): Decision {
  if (open?.by !== 'step') return post
  return open.status === 'FINISHED' && post.status !== 'FINISHED' ? post : open
}

/** The texts of a decision without these secrets: the sender may have others than the step that decided. */
export function versionsWithout({ versions }: Decision, secrets: readonly string[]): Decision['versions'] {
  const clean = (fields: ErrorFields): ErrorFields =>
    Object.fromEntries(
      Object.entries(fields).map(([name, text]) => [name, isFixedValue(text) ? text : redact(text, secrets).text]),
    )
  const [first, ...others] = versions
  return [clean(first), ...others.map(clean)]
}
