import type { AwsSettings } from '../aws/settings.ts'
import { ConfigurationError } from '../util/errors.ts'
import { MAX_JOB_MINUTES } from './activity.ts'
import { readAwsSettings } from './aws.ts'
import { type ReadInput, readApiText, readWholeNumber } from './readers.ts'
import { type ReportingInputs, readReportingInputs } from './reporting.ts'

/** The inputs of poll-for-task, checked. */
export interface PollForTaskInputs {
  readonly workerGroup: string
  readonly waitSeconds: number
  readonly maxTasks: number
  readonly hostname: string | undefined
  readonly taskrunnerId: string | undefined
  /** How many jobs of a matrix do this at the same time. */
  readonly jobTotal: number
  readonly aws: AwsSettings
  readonly reporting: ReportingInputs
}

/**
 * Reads and checks every input of poll-for-task. Nothing has been done when it throws.
 *
 * @throws ConfigurationError naming the input, its value and the valid ones
 */
export function readPollForTaskInputs(read: ReadInput): PollForTaskInputs {
  const workerGroup = readApiText(read, 'worker-group', MAX_NAME)
  if (workerGroup === undefined) {
    throw new ConfigurationError(
      'Input "worker-group" is empty. Expected the workerGroup of the activities, in the same case.',
    )
  }
  const jobTotal = Number(read('job-total'))
  return {
    workerGroup,
    waitSeconds: readWholeNumber(read, 'wait-seconds', 90, 0, MAX_WAIT_SECONDS),
    maxTasks: readWholeNumber(read, 'max-tasks', 1, 1, MAX_TASKS),
    hostname: readApiText(read, 'hostname', MAX_NAME),
    taskrunnerId: readApiText(read, 'taskrunner-id', MAX_NAME),
    // It only spreads the first polls, so an invalid one counts as none.
    jobTotal: jobTotal > 1 && jobTotal <= MAX_TASKS ? jobTotal : 1,
    aws: readAwsSettings(read),
    reporting: readReportingInputs(read),
  }
}

// API reference, PollForTask and ReportTaskRunnerHeartbeat: at most 1024 characters each.
const MAX_NAME = 1024
const MAX_WAIT_SECONDS = MAX_JOB_MINUTES * 60
/** GitHub's largest matrix. */
const MAX_TASKS = 256
