import type { Cause } from './cause.ts'
import { mostSevere, type NeededJob } from './needs.ts'
import { deriveStatus, type JobStatus, type TaskStatus } from './task-status.ts'

/** The status to report, and why. */
export interface ResolvedStatus {
  readonly status: TaskStatus
  readonly cause: Cause
}

/** What is known about the end of a job. */
export type JobFacts =
  /** The workflow names the status. */
  | { readonly given: TaskStatus }
  | {
      /** `job.status` */
      readonly job: JobStatus
      /** `github.action_status`, in a composite action. */
      readonly compositeAction?: JobStatus
      readonly needs?: {
        /** Those that block a success, most severe first. */
        readonly blocking: readonly NeededJob[]
        /** The keys of the others. */
        readonly passing: readonly string[]
      }
      readonly precondition: boolean
      /**
       * What went wrong in a main step that had to take the task: it failed before the work began, or could not save the state for
       * the post step. Default: nothing.
       */
      readonly mainStep?: 'failed' | 'unsaved'
    }

/** The status to report for a job, and its cause. The only place where either is decided. */
export function resolveStatus(facts: JobFacts): ResolvedStatus {
  if ('given' in facts) return { status: facts.given, cause: { kind: 'given' } }
  const { job, compositeAction = 'success', needs, precondition, mainStep } = facts
  if (mainStep === 'unsaved') {
    // The task was not held. If the job is a success, the main step was allowed to fail.
    const cause: Cause =
      job === 'success'
        ? { kind: 'job', outcome: 'failure', unlisted: 'continue-on-error' }
        : { kind: 'job', outcome: job }
    return { status: 'FAILED', cause }
  }
  const blocking = needs?.blocking ?? []
  const own = mostSevere([job, compositeAction])
  const outcome = mostSevere([own, ...blocking.map(({ result }) => result)])
  // After a main step that failed, it is not known whether the precondition holds.
  const status = deriveStatus(outcome, precondition && mainStep === undefined)
  // If both have this outcome, this job may have failed because of the needed one.
  if (needs !== undefined && blocking[0]?.result === outcome) {
    return { status, cause: { kind: 'needs', jobs: blocking, passing: needs.passing } }
  }
  return { status, cause: { kind: 'job', outcome: own, ...(own !== job && { unlisted: 'composite-action' }) } }
}
