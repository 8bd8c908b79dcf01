import type { ErrorFields } from '../domain/error-fields.ts'
import { isFixedValue } from '../domain/fixed-values.ts'
import type { TaskStatus } from '../domain/task-status.ts'
import { redact } from '../text/redact.ts'

/**
 * Who decides how a task ended: the root action, for which the user asked; the post step of activity; or the heartbeat
 * process, when the runner is lost.
 */
export type Reporter = 'step' | 'post' | 'loss'

/** How a task ended, as one of them decided. */
export interface Decision {
  readonly by: Reporter
  readonly status: TaskStatus
  /** The error fields to send; the further ones are for a service that finds the request invalid. */
  readonly versions: readonly [ErrorFields, ...ErrorFields[]]
}

/**
 * Which decision a post step reports, where an earlier one was made and the service may not have it: its step was ended
 * while it tried. What the root action said stays, except for a success that the rest of the job did not have.
 */
export function prevailing(open: Decision | undefined, post: Decision): Decision {
  if (open?.by !== 'step') return post
  return open.status === 'FINISHED' && post.status !== 'FINISHED' ? post : open
}

/** The texts of a decision with these secrets replaced by `***`, as who sends it may have others than who made it. */
export function versionsWithout({ versions }: Decision, secrets: readonly string[]): Decision['versions'] {
  const clean = (fields: ErrorFields): ErrorFields =>
    Object.fromEntries(
      Object.entries(fields).map(([name, text]) => [name, isFixedValue(text) ? text : redact(text, secrets).text]),
    )
  const [first, ...others] = versions
  return [clean(first), ...others.map(clean)]
}
