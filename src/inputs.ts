import type { OnCancel } from './activity/heartbeat-settings.ts'
import { DEFAULT_SESSION_NAME, toSessionName } from './aws/session-name.ts'
import type { AwsSettings } from './aws/settings.ts'
import { ConfigurationError } from './errors.ts'
import type { Cause } from './evidence/cause.ts'
import { quoted } from './known-secrets.ts'
import { badJobs, checkAllowances, type NeededJob, parseNeeds, worst } from './needs.ts'
import { deriveStatus, JOB_STATUSES, parseJobStatus, parseStatus, STATUS_WORDS, type TaskStatus } from './status.ts'

/** Gives an input as the runner passes it: a trimmed string, empty when it isn't given. */
export type ReadInput = (name: string) => string

/** The status to report, and why. */
export interface StatusInput {
  readonly status: TaskStatus
  readonly cause: Cause
}

/** How GitHub may be asked for the evidence of a failure. */
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

/** How a report is made; the same for every action that reports. */
export interface ReportingInputs {
  readonly timeoutSeconds: number
  readonly failOnError: boolean
  readonly dryRun: boolean
  readonly summary: boolean
}

/** The inputs of the root action, checked. */
export interface SetTaskStatusInputs {
  readonly taskId: string
  readonly status: StatusInput
  readonly error: ErrorInputs
  readonly evidence: EvidenceInputs
  readonly aws: AwsSettings
  readonly reporting: ReportingInputs
}

/**
 * Reads and checks every input of the root action. Nothing has been done when it throws.
 *
 * @throws ConfigurationError naming the input, its value and the valid ones
 */
export function readSetTaskStatusInputs(read: ReadInput): SetTaskStatusInputs {
  return {
    taskId: readTaskId(read),
    status: readStatus(read),
    error: readErrorInputs(read),
    evidence: readEvidenceInputs(read),
    aws: readAwsSettings(read),
    reporting: readReportingInputs(read),
  }
}

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
  /** The job's own token, never that of an app: it dies with the job. */
  readonly jobToken: string | undefined
  readonly heartbeatSeconds: number
  readonly onCancel: OnCancel
  readonly maxLifetimeMinutes: number
}

/**
 * Reads and checks the inputs that the report at the end of the job needs: first, as a mistake in one of the others
 * fails the job, and that must be reported.
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
 * Reads and checks the other inputs of activity. Nothing has been done when it throws.
 *
 * @throws ConfigurationError naming the input, its value and the valid ones
 */
export function readHeartbeatInputs(read: ReadInput): HeartbeatInputs {
  // Used by the post step; checked here, where nothing has been done yet.
  readJobStatus(read)
  return {
    evidence: readEvidenceInputs(read),
    jobToken: optional(read, 'job-token'),
    heartbeatSeconds: readWholeNumber(read, 'heartbeat-seconds', 60, 5, 300),
    onCancel: readOnCancel(read),
    maxLifetimeMinutes: readWholeNumber(read, 'max-lifetime-minutes', LONGEST_JOB_MINUTES, 1, LONGEST_JOB_MINUTES),
  }
}

/** GitHub's longest job, on a runner of one's own: 5 days. */
const LONGEST_JOB_MINUTES = 7200

function readOnCancel(read: ReadInput): OnCancel {
  const value = read('on-cancel') || 'ignore'
  if (value === 'ignore' || value === 'cancel-run') return value
  throw unknownValue('on-cancel', value, 'ignore, cancel-run')
}

/** How the job stands at this moment. */
export function readJobStatus(read: ReadInput): (typeof JOB_STATUSES)[number] {
  const word = read('job-status')
  const outcome = parseJobStatus(word)
  if (outcome !== undefined) return outcome
  throw unknownValue('job-status', word, `${JOB_STATUSES.join(', ')}; leave it out to use \${{ job.status }}`)
}

/**
 * How the composite action that this step is a part of stands, as `github.action_status` tells; success outside of one.
 * A failed step of a composite action changes the status of the job only when all of the action has ended
 * (actions/runner#1682).
 */
function readActionStatus(read: ReadInput): (typeof JOB_STATUSES)[number] {
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
  const workerGroup = readApiText(read, 'worker-group', LONGEST_NAME)
  if (workerGroup === undefined) {
    throw new ConfigurationError(
      'The input worker-group is empty; it must be the workerGroup of the activities, in the same case.',
    )
  }
  const jobTotal = Number(read('job-total'))
  return {
    workerGroup,
    waitSeconds: readWholeNumber(read, 'wait-seconds', 90, 0, LONGEST_WAIT_SECONDS),
    maxTasks: readWholeNumber(read, 'max-tasks', 1, 1, MOST_TASKS),
    hostname: readApiText(read, 'hostname', LONGEST_NAME),
    taskrunnerId: readApiText(read, 'taskrunner-id', LONGEST_NAME),
    // It only spreads the first calls, so a strange one is as good as none.
    jobTotal: jobTotal > 1 && jobTotal <= MOST_TASKS ? jobTotal : 1,
    aws: readAwsSettings(read),
    reporting: readReportingInputs(read),
  }
}

// API reference, PollForTask and ReportTaskRunnerHeartbeat: at most 1024 characters each.
const LONGEST_NAME = 1024
const LONGEST_WAIT_SECONDS = LONGEST_JOB_MINUTES * 60
/** GitHub's largest matrix. */
const MOST_TASKS = 256

function readApiText(read: ReadInput, name: string, longest: number): string | undefined {
  const value = read(name)
  return value === '' ? undefined : checkApiText(name, value, longest)
}

function checkApiText(name: string, value: string, max: number): string {
  if ([...value].length > max || !API_TEXT.test(value)) {
    throw unknownValue(name, value, `1 to ${max} characters, no control characters`)
  }
  return value
}

// API reference: 1 to 2048 characters of this pattern.
const LONGEST_TASK_ID = 2048
const API_TEXT = /^(?:[\u0020-\ud7ff\ue000-\ufffd\r\n\t]|[\ud800-\udbff][\udc00-\udfff])*$/

function readTaskId(read: ReadInput): string {
  const taskId = read('task-id')
  if (taskId === '') {
    throw new ConfigurationError('The input task-id is empty; it must be the task id that PollForTask gave.', {
      hint: 'If it comes from an output, as in ${{ steps.poll.outputs.task-id }}, check the names of the step and the output.',
    })
  }
  const length = [...taskId].length
  if (length > LONGEST_TASK_ID) {
    throw new ConfigurationError(
      `The input task-id has ${length} characters (it begins with ${quoted(taskId, 40)}); at most ${LONGEST_TASK_ID} are allowed.`,
      { hint: 'Pass only the taskId of the answer of PollForTask, not the whole answer.' },
    )
  }
  if (!API_TEXT.test(taskId)) {
    throw new ConfigurationError(
      `The input task-id (${quoted(taskId, 40)}) has characters that no task id has: control characters or broken Unicode.`,
      { hint: 'Pass the taskId of the answer of PollForTask as it is.' },
    )
  }
  return taskId
}

function readStatus(read: ReadInput): StatusInput {
  const word = read('status')
  const precondition = readBoolean(read, 'precondition', false)
  const { bad: needed, fine } = readNeededJobs(read)
  if (word !== '') {
    const status = parseStatus(word)
    if (status === undefined) {
      throw unknownValue('status', word, `${STATUS_WORDS.join(', ')}, or nothing to derive it from job.status`)
    }
    return { status, cause: { kind: 'given' } }
  }
  const jobStatus = readJobStatus(read)
  const own = worst([jobStatus, readActionStatus(read)])
  const outcome = worst([own, ...needed.map(({ result }) => result)])
  const status = deriveStatus(outcome, precondition)
  // Of two that are alike, the needed job came first, and this one perhaps failed for it.
  if (needed[0]?.result === outcome) return { status, cause: { kind: 'needs', jobs: needed, fine } }
  return { status, cause: { kind: 'job', outcome: own, ...(own !== jobStatus && { unlisted: 'composite-action' }) } }
}

/** The needed jobs that did not succeed and may not do so, and the keys of the others. */
function readNeededJobs(read: ReadInput): { bad: NeededJob[]; fine: string[] } {
  const text = read('needs')
  const allowances = { skips: readNames(read, 'allowed-skips'), failures: readNames(read, 'allowed-failures') }
  const jobs = text === '' ? [] : parseNeeds(text)
  checkAllowances(allowances, jobs)
  const bad = badJobs(jobs, allowances)
  return { bad, fine: jobs.flatMap((job) => (bad.includes(job) ? [] : (job.key ?? []))) }
}

/** Names that stand on lines or between commas. */
function readNames(read: ReadInput, name: string): string[] {
  return read(name)
    .split(/[,\r\n]/)
    .map((each) => each.trim())
    .filter((each) => each !== '')
}

/** What is needed to ask GitHub; in a post step it may be missing. */
export function readEvidenceInputs(read: ReadInput): EvidenceInputs {
  const githubToken = optional(read, 'github-token')
  const id = read('check-run-id')
  // It only helps to find evidence, so a strange one is as good as none.
  return { githubToken, checkRunId: /^[1-9]\d{0,15}$/.test(id) ? Number(id) : undefined }
}

function readErrorInputs(read: ReadInput): ErrorInputs {
  return {
    errorId: optional(read, 'error-id'),
    errorMessage: optional(read, 'error-message'),
    errorStackTrace: optional(read, 'error-stack-trace'),
    errorStackTraceFile: optional(read, 'error-stack-trace-file'),
  }
}

const ROLE_ARN = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/
// STS API reference, AssumeRoleWithWebIdentity, RoleArn.
const MAX_ROLE_ARN_CHARACTERS = 2048
// IAM API reference, CreateOpenIDConnectProvider: a provider takes audiences of 255 characters; this leaves room for more.
const MAX_AUDIENCE_CHARACTERS = 1024
// RFC 1035, 2.3.1: it is a label of the endpoint's host name.
const REGION = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/
/**
 * What is taken otherwise than it was given, where that is no reason to report nothing: a sentence for each.
 */
export function inputAdjustments(read: ReadInput): string[] {
  const given = optional(read, 'role-session-name')
  if (given === undefined || optional(read, 'role-to-assume') === undefined) return []
  const name = toSessionName(given)
  if (name === given) return []
  return [
    `The input role-session-name is ${quoted(given)}. Valid: 2 to 64 letters, digits or any of _+=,.@-. The session is named "${name}".`,
  ]
}

function readAwsSettings(read: ReadInput): AwsSettings {
  const region = optional(read, 'aws-region')
  const arn = optional(read, 'role-to-assume')
  const sessionName = toSessionName(optional(read, 'role-session-name') ?? DEFAULT_SESSION_NAME)
  const audience = optional(read, 'audience') ?? 'sts.amazonaws.com'
  if (region !== undefined && !REGION.test(region)) {
    throw unknownValue(
      'aws-region',
      region,
      "the pipeline's region, such as us-east-1: at most 63 letters, digits and hyphens",
    )
  }
  if (arn === undefined) return { region, role: undefined }
  if (arn.length > MAX_ROLE_ARN_CHARACTERS || !ROLE_ARN.test(arn)) {
    throw unknownValue(
      'role-to-assume',
      arn,
      `the ARN of an IAM role, such as arn:aws:iam::123456789012:role/pipeline-reporter: at most ${MAX_ROLE_ARN_CHARACTERS} characters`,
    )
  }
  return { region, role: { arn, sessionName, audience: checkApiText('audience', audience, MAX_AUDIENCE_CHARACTERS) } }
}

/** An hour: GitHub gives a cancelled job's last steps five minutes in all, and nobody waits longer for a report. */
const LONGEST_TIMEOUT_SECONDS = 3600

function readReportingInputs(read: ReadInput): ReportingInputs {
  return {
    timeoutSeconds: readWholeNumber(read, 'timeout-seconds', 120, 1, LONGEST_TIMEOUT_SECONDS),
    failOnError: readBoolean(read, 'fail-on-error', true),
    dryRun: readBoolean(read, 'dry-run', false),
    summary: readBoolean(read, 'summary', true),
  }
}

function optional(read: ReadInput, name: string): string | undefined {
  return read(name) || undefined
}

/** A boolean in one of the forms of YAML 1.2's core schema, as @actions/core takes them. */
function readBoolean(read: ReadInput, name: string, byDefault: boolean): boolean {
  const value = read(name)
  if (value === '') return byDefault
  if (['true', 'True', 'TRUE'].includes(value)) return true
  if (['false', 'False', 'FALSE'].includes(value)) return false
  throw unknownValue(name, value, 'true, false')
}

function readWholeNumber(read: ReadInput, name: string, byDefault: number, least: number, most: number): number {
  const value = read(name)
  if (value === '') return byDefault
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= least && number <= most)) throw unknownValue(name, value, `a whole number from ${least} to ${most}`)
  return number
}

function unknownValue(name: string, value: string, valid: string): ConfigurationError {
  return new ConfigurationError(`The input ${name} is ${quoted(value)}. Valid: ${valid}.`)
}
