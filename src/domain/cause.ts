import type { NeededJob } from './needs.ts'
import type { JobStatus } from './task-status.ts'

/** Why a task is reported as it is. */
export type Cause =
  /** The workflow said so. */
  | { readonly kind: 'given' }
  /** How this job stands. */
  | {
      readonly kind: 'job'
      readonly outcome: JobStatus
      /** Why GitHub shows no step of this job that ended so; else it does, or will in a moment. */
      readonly unlisted?: 'composite-action' | 'continue-on-error'
    }
  /** Needed jobs that did not succeed, worst first, at least one; and the keys, if known, of those that are all right. */
  | { readonly kind: 'needs'; readonly jobs: readonly NeededJob[]; readonly passing: readonly string[] }
