import { blockingJobs, type NeededJob } from '../domain/needs.ts'
import { type ResolvedStatus, resolveStatus } from '../domain/resolve-status.ts'
import { JOB_STATUSES, type JobStatus, parseJobStatus, parseStatus, STATUS_WORDS } from '../domain/task-status.ts'
import { readAwsSettings } from './aws.ts'
import { checkAllowances, parseNeeds } from './needs.ts'
import { invalidValue, type ReadInput, readBoolean, readNames } from './readers.ts'
import {
  type ReportRequest,
  readErrorInputs,
  readEvidenceInputs,
  readJobStatus,
  readReportingInputs,
  readTaskId,
} from './reporting.ts'

/**
 * Reads and checks every input of the root action. Nothing has been done when it throws.
 *
 * @throws ConfigurationError naming the input, its value and the valid ones
 */
export function readSetTaskStatusInputs(read: ReadInput): ReportRequest {
  return {
    taskId: readTaskId(read),
    status: readStatus(read),
    error: readErrorInputs(read),
    evidence: readEvidenceInputs(read),
    aws: readAwsSettings(read),
    reporting: readReportingInputs(read),
  }
}

function readStatus(read: ReadInput): ResolvedStatus {
  const word = read('status')
  const precondition = readBoolean(read, 'precondition', false)
  const needs = readNeededJobs(read)
  if (word !== '') {
    const given = parseStatus(word)
    if (given === undefined) {
      throw invalidValue(
        'status',
        word,
        `one of: ${STATUS_WORDS.join(', ')}. Omit it to derive the status from job.status`,
      )
    }
    return resolveStatus({ given })
  }
  return resolveStatus({ job: readJobStatus(read), compositeAction: readActionStatus(read), needs, precondition })
}

/**
 * The status of the composite action that this step belongs to (`github.action_status`); success outside of one. A failed step
 * of a composite action changes the job status only when the whole action has ended (actions/runner#1682).
 */
function readActionStatus(read: ReadInput): JobStatus {
  const word = read('action-status')
  if (word === '') return 'success'
  const outcome = parseJobStatus(word)
  if (outcome !== undefined) return outcome
  throw invalidValue(
    'action-status',
    word,
    `one of: ${JOB_STATUSES.join(', ')}. Omit it to use \${{ github.action_status }}`,
  )
}

/** The needed jobs that block a success, and the keys of the others. */
function readNeededJobs(read: ReadInput): { blocking: NeededJob[]; passing: string[] } {
  const text = read('needs')
  const allowances = { skips: readNames(read, 'allowed-skips'), failures: readNames(read, 'allowed-failures') }
  const jobs = text === '' ? [] : parseNeeds(text)
  checkAllowances(allowances, jobs)
  const blocking = blockingJobs(jobs, allowances)
  return { blocking, passing: jobs.flatMap((job) => (blocking.includes(job) ? [] : (job.key ?? []))) }
}
