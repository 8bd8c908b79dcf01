import type { NeededJob } from './needs.ts'
import type { JobStatus } from './task-status.ts'

/** The reason for a status. */
export type Cause =
  /** The workflow names it. */
  | { readonly kind: 'given' }
  /** The status of this job. */
  | {
      readonly kind: 'job'
      readonly outcome: JobStatus
      /** Why GitHub's API lists no step with this outcome. If undefined, it does, at once or soon. */
      readonly unlisted?: 'composite-action' | 'continue-on-error'
    }
  /** At least one needed job that blocks a success, most severe first, and the known keys of those that pass. */
  | { readonly kind: 'needs'; readonly jobs: readonly NeededJob[]; readonly passing: readonly string[] }
