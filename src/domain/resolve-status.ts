import type { Cause } from './cause.ts'
import { mostSevere, type NeededJob } from './needs.ts'
import { deriveStatus, type JobStatus, type TaskStatus } from './task-status.ts'

/** The status to report, and why. */
export interface ResolvedStatus {
  readonly status: TaskStatus
  readonly cause: Cause
}

/** What is known of how a job ended. */
export type JobFacts =
  /** The workflow names the status. */
  | { readonly given: TaskStatus }
  | {
      /** `job.status` */
      readonly job: JobStatus
      /** `github.action_status`, in a composite action. */
      readonly compositeAction?: JobStatus
      readonly needs?: {
        /** Those that did not succeed and may not do so, most severe first. */
        readonly blocking: readonly NeededJob[]
        /** The keys of the others. */
        readonly passing: readonly string[]
      }
      readonly precondition: boolean
      /**
       * What became of a main step that had to take the task first: it failed before the work began, or it could not
       * even save what the post step needs. Default: nothing went wrong.
       */
      readonly mainStep?: 'failed' | 'unsaved'
    }

/** The status to report for a job, and its cause. The only place where either is decided. */
export function resolveStatus(facts: JobFacts): ResolvedStatus {
  if ('given' in facts) return { status: facts.given, cause: { kind: 'given' } }
  const { job, compositeAction = 'success', needs, precondition, mainStep } = facts
  if (mainStep === 'unsaved') {
    // Nobody held the task. A main step that failed and left no mark on its job was allowed to.
    const cause: Cause =
      job === 'success'
        ? { kind: 'job', outcome: 'failure', unlisted: 'continue-on-error' }
        : { kind: 'job', outcome: job }
    return { status: 'FAILED', cause }
  }
  const blocking = needs?.blocking ?? []
  const own = mostSevere([job, compositeAction])
  const outcome = mostSevere([own, ...blocking.map(({ result }) => result)])
  // A main step that failed has ended the job before it was seen whether the precondition holds.
  const status = deriveStatus(outcome, precondition && mainStep === undefined)
  // Of two that are alike, the needed job came first, and this one perhaps failed for it.
  if (needs !== undefined && blocking[0]?.result === outcome) {
    return { status, cause: { kind: 'needs', jobs: blocking, passing: needs.passing } }
  }
  return { status, cause: { kind: 'job', outcome: own, ...(own !== job && { unlisted: 'composite-action' }) } }
}
