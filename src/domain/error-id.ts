import type { Cause } from './cause.ts'

const PREFIX = 'GitHubActions:'

/**
 * The error ids of failures without an input error-id, without their prefix. They are for machines, so they never change.
 */
const NAMES = [
  'JobCancelled',
  'JobFailed',
  'NeededJobCancelled',
  'NeededJobFailed',
  'NeededJobSkipped',
  'ReportedFailed',
  'RunnerLost',
] as const
type Name = (typeof NAMES)[number]

/** All of them. */
export const ERROR_IDS: readonly string[] = NAMES.map(errorId)

/** The runner was lost, or the job was force-terminated. */
export const RUNNER_LOST_ID = errorId('RunnerLost')

/** The error id of a cause. */
export function errorIdOf(cause: Cause): string {
  return errorId(nameOf(cause))
}

function errorId(name: Name): string {
  return PREFIX + name
}

function nameOf(cause: Cause): Name {
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
