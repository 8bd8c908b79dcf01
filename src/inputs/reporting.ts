import type { AwsSettings } from '../aws/settings.ts'
import type { ResolvedStatus } from '../domain/resolve-status.ts'
import { JOB_STATUSES, type JobStatus, parseJobStatus } from '../domain/task-status.ts'
import { quoteValue } from '../masking/format.ts'
import { ConfigurationError } from '../util/errors.ts'
import { invalidValue, isApiText, type ReadInput, readBoolean, readOptional, readWholeNumber } from './readers.ts'

/** What calls to GitHub's API need, for the evidence of a failure. */
export interface EvidenceInputs {
  readonly githubToken: string | undefined
  /** This job's id in the REST API; older runners and GitHub Enterprise Server don't give it. */
  readonly checkRunId: number | undefined
}

/** The texts that go with FAILED and FALSE, as they were given. */
export interface ErrorInputs {
  readonly errorId: string | undefined
  readonly errorMessage: string | undefined
  readonly errorStackTrace: string | undefined
  /** Relative to the workspace. */
  readonly errorStackTraceFile: string | undefined
}

/** How a report is made. Every action that reports has these inputs. */
export interface ReportingInputs {
  readonly timeoutSeconds: number
  readonly failOnError: boolean
  readonly dryRun: boolean
  readonly summary: boolean
}

/** The end of a task, and how to report it: from the inputs of the root action, or from what activity saved. */
export interface ReportRequest {
  readonly taskId: string
  readonly status: ResolvedStatus
  readonly error: ErrorInputs
  readonly evidence: EvidenceInputs
  readonly aws: AwsSettings
  readonly reporting: ReportingInputs
}

// API reference: 1 to 2048 characters of the pattern of isApiText.
const MAX_TASK_ID_CHARACTERS = 2048

/** @throws ConfigurationError */
export function readTaskId(read: ReadInput): string {
  const taskId = read('task-id')
  if (taskId === '') {
    throw new ConfigurationError('Input "task-id" is empty. Expected the task id from PollForTask.', {
      hint: 'If it comes from an output, as in ${{ steps.poll.outputs.task-id }}, check the names of the step and the output.',
    })
  }
  const length = [...taskId].length
  if (length > MAX_TASK_ID_CHARACTERS) {
    throw new ConfigurationError(
      `Input "task-id" has ${length} characters (it begins with ${quoteValue(taskId, 40)}). Expected at most ${MAX_TASK_ID_CHARACTERS}.`,
      { hint: 'Pass only the taskId of the response of PollForTask, not the whole response.' },
    )
  }
  if (!isApiText(taskId)) {
    throw new ConfigurationError(
      `Invalid value ${quoteValue(taskId, 40)} for input "task-id". Expected no control characters and no broken Unicode.`,
      { hint: 'Pass the taskId of the response of PollForTask unchanged.' },
    )
  }
  return taskId
}

/** The job status at this moment. @throws ConfigurationError */
export function readJobStatus(read: ReadInput): JobStatus {
  const word = read('job-status')
  const outcome = parseJobStatus(word)
  if (outcome !== undefined) return outcome
  throw invalidValue('job-status', word, `one of: ${JOB_STATUSES.join(', ')}. Omit it to use \${{ job.status }}`)
}

/** What calls to GitHub's API need. In a post step it may be missing. */
export function readEvidenceInputs(read: ReadInput): EvidenceInputs {
  return { githubToken: readOptional(read, 'github-token'), checkRunId: readCheckRunId(read) }
}

/** This job's id in the REST API. It only helps to find evidence and to make links, so an invalid one counts as none. */
export function readCheckRunId(read: ReadInput): number | undefined {
  const id = read('check-run-id')
  return /^[1-9]\d{0,15}$/.test(id) ? Number(id) : undefined
}

/** The error inputs as they were given. */
export function readErrorInputs(read: ReadInput): ErrorInputs {
  return {
    errorId: readOptional(read, 'error-id'),
    errorMessage: readOptional(read, 'error-message'),
    errorStackTrace: readOptional(read, 'error-stack-trace'),
    errorStackTraceFile: readOptional(read, 'error-stack-trace-file'),
  }
}

/** An hour: the last steps of a canceled job have five minutes in all, and nobody waits longer for a report. */
const MAX_TIMEOUT_SECONDS = 3600

/** @throws ConfigurationError */
export function readReportingInputs(read: ReadInput): ReportingInputs {
  return {
    timeoutSeconds: readWholeNumber(read, 'timeout-seconds', 120, 1, MAX_TIMEOUT_SECONDS),
    failOnError: readBoolean(read, 'fail-on-error', true),
    dryRun: readBoolean(read, 'dry-run', false),
    summary: readBoolean(read, 'summary', true),
  }
}
