import type { AwsSettings } from '../aws/settings.ts'
import { readAwsSettings } from './aws.ts'
import { invalidValue, type ReadInput, readBoolean, readOptional, readWholeNumber } from './readers.ts'
import {
  type ErrorInputs,
  type EvidenceInputs,
  type ReportingInputs,
  readErrorInputs,
  readEvidenceInputs,
  readJobStatus,
  readReportingInputs,
  readTaskId,
} from './reporting.ts'

/** What an activity does when the service cancels its task. */
export type OnCancel = 'ignore' | 'cancel-run'

/** The inputs of activity that its report at the end of the job needs, checked. */
export interface ActivityReportInputs {
  readonly taskId: string
  readonly precondition: boolean
  readonly error: ErrorInputs
  readonly aws: AwsSettings
  readonly reporting: ReportingInputs
  readonly report: boolean
}

/** The inputs of activity that only its heartbeats need, checked. */
export interface HeartbeatInputs {
  readonly evidence: EvidenceInputs
  /** The job's own token, never that of an app: it expires with the job. */
  readonly jobToken: string | undefined
  readonly heartbeatSeconds: number
  readonly onCancel: OnCancel
  readonly maxLifetimeMinutes: number
}

/**
 * Reads and checks the inputs that the report at the end of the job needs. These come first: an invalid value of another input
 * fails the job, which has to be reported.
 *
 * @throws ConfigurationError naming the input, its value and the valid ones
 */
export function readActivityReportInputs(read: ReadInput): ActivityReportInputs {
  return {
    taskId: readTaskId(read),
    precondition: readBoolean(read, 'precondition', false),
    error: readErrorInputs(read),
    aws: readAwsSettings(read),
    reporting: readReportingInputs(read),
    report: readBoolean(read, 'report', true),
  }
}

/**
 * Reads and checks the other inputs of activity.
 *
 * @throws ConfigurationError naming the input, its value and the valid ones
 */
export function readHeartbeatInputs(read: ReadInput): HeartbeatInputs {
  // The post step uses it. Checked here, before anything is done.
  readJobStatus(read)
  return {
    evidence: readEvidenceInputs(read),
    jobToken: readOptional(read, 'job-token'),
    heartbeatSeconds: readWholeNumber(read, 'heartbeat-seconds', 60, 5, 300),
    onCancel: readOnCancel(read),
    maxLifetimeMinutes: readWholeNumber(read, 'max-lifetime-minutes', MAX_JOB_MINUTES, 1, MAX_JOB_MINUTES),
  }
}

/** GitHub's longest job, on a runner of one's own: 5 days. */
export const MAX_JOB_MINUTES = 7200

function readOnCancel(read: ReadInput): OnCancel {
  const value = read('on-cancel') || 'ignore'
  if (value === 'ignore' || value === 'cancel-run') return value
  throw invalidValue('on-cancel', value, 'ignore or cancel-run')
}
