import type { NeededJob } from '../needs.ts'

/** Why a task is reported as it is. */
export type Cause =
  /** The workflow said so. */
  | { readonly kind: 'given' }
  /** How this job stands. */
  | {
      readonly kind: 'job'
      readonly outcome: 'success' | 'failure' | 'cancelled'
      /** Why GitHub shows no step of this job that ended so; else it does, or will in a moment. */
      readonly unlisted?: 'composite-action' | 'continue-on-error'
    }
  /** Needed jobs that did not succeed, worst first, at least one; and the keys, if known, of those that are all right. */
  | { readonly kind: 'needs'; readonly jobs: readonly NeededJob[]; readonly fine: readonly string[] }

/** The error id of a failure that has none of the user's: stable, made for machines. */
export function errorIdOf(cause: Cause): string {
  return `GitHubActions:${nameOf(cause)}`
}

function nameOf(cause: Cause): string {
  switch (cause.kind) {
    case 'given':
      return 'ReportedFailed'
    case 'job':
      return cause.outcome === 'cancelled' ? 'JobCancelled' : 'JobFailed'
    case 'needs':
      switch (cause.jobs[0]?.result) {
        case 'cancelled':
          return 'NeededJobCancelled'
        case 'skipped':
          return 'NeededJobSkipped'
        default:
          return 'NeededJobFailed'
      }
  }
}
