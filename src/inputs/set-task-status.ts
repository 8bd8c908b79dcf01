import { blockingJobs, type NeededJob } from '../domain/needs.ts'
import { type ResolvedStatus, resolveStatus } from '../domain/resolve-status.ts'
import { JOB_STATUSES, type JobStatus, parseJobStatus, parseStatus, STATUS_WORDS } from '../domain/task-status.ts'
import { readAwsSettings } from './aws.ts'
import { checkAllowances, parseNeeds } from './needs.ts'
import { type ReadInput, readBoolean, readNames, unknownValue } from './readers.ts'
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
      throw unknownValue('status', word, `${STATUS_WORDS.join(', ')}, or nothing to derive it from job.status`)
    }
    return resolveStatus({ given })
  }
  return resolveStatus({ job: readJobStatus(read), compositeAction: readActionStatus(read), needs, precondition })
}

/**
 * How the composite action that this step is a part of stands, as `github.action_status` tells; success outside of one.
 * A failed step of a composite action changes the status of the job only when all of the action has ended
 * (actions/runner#1682).
 */
function readActionStatus(read: ReadInput): JobStatus {
  const word = read('action-status')
  if (word === '') return 'success'
  const outcome = parseJobStatus(word)
  if (outcome !== undefined) return outcome
  throw unknownValue(
    'action-status',
    word,
    `${JOB_STATUSES.join(', ')}; leave it out to use \${{ github.action_status }}`,
  )
}

/** The needed jobs that did not succeed and may not do so, and the keys of the others. */
function readNeededJobs(read: ReadInput): { blocking: NeededJob[]; passing: string[] } {
  const text = read('needs')
  const allowances = { skips: readNames(read, 'allowed-skips'), failures: readNames(read, 'allowed-failures') }
  const jobs = text === '' ? [] : parseNeeds(text)
  checkAllowances(allowances, jobs)
  const blocking = blockingJobs(jobs, allowances)
  return { blocking, passing: jobs.flatMap((job) => (blocking.includes(job) ? [] : (job.key ?? []))) }
}
