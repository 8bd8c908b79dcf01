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

/** How a task of task-runner failed. For machines, so these never change. */
export const TASK_RUNNER_ERROR_IDS = {
  /** The command ended with another exit code than 0. */
  exitCode: 'TaskRunner:ExitCode',
  /** A signal ended the command. */
  signal: 'TaskRunner:Signal',
  /** The command could not be started. */
  couldNotStart: 'TaskRunner:CouldNotStart',
  /** The task can't be run as it is defined. */
  definition: 'TaskRunner:Definition',
  /** Its script or its inputs could not be fetched, or its outputs not be stored. */
  staging: 'TaskRunner:Staging',
  /** The job was cancelled, or its step ran out of time. */
  jobCancelled: 'TaskRunner:JobCancelled',
} as const
export type TaskRunnerErrorId = (typeof TASK_RUNNER_ERROR_IDS)[keyof typeof TASK_RUNNER_ERROR_IDS]

/** All of them. */
export const ERROR_IDS: readonly string[] = [...NAMES.map(errorId), ...Object.values(TASK_RUNNER_ERROR_IDS)]

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
