import type { Task, TaskField, TaskObject } from '../aws/data-pipeline.ts'
import type { AwsSettings } from '../aws/settings.ts'
import { quoteValue } from '../masking/format.ts'
import { ConfigurationError } from '../util/errors.ts'
import { asRecord, asText } from '../util/json.ts'
import { MAX_JOB_MINUTES } from './activity.ts'
import { readAwsSettings } from './aws.ts'
import {
  invalidValue,
  isApiText,
  type ReadInput,
  readApiText,
  readBoolean,
  readOptional,
  readWholeNumber,
} from './readers.ts'
import { type ReportingInputs, readCheckRunId, readReportingInputs } from './reporting.ts'

/** Shells of the input `shell`. */
export const SHELLS = ['bash', 'sh', 'pwsh', 'python'] as const
export type Shell = (typeof SHELLS)[number]

/** What the workflow wants to be run for each task. */
export type Work =
  /** A script of the workflow. */
  | { readonly from: 'workflow'; readonly script: string; readonly shell: Shell; readonly runsPreconditions: boolean }
  /** What the definition of the task says. */
  | { readonly from: 'definition' }

/** Where tasks come from. */
export type TaskSource =
  | { readonly workerGroup: string }
  /** One that an earlier job has taken. */
  | { readonly task: Task }

/** The inputs of task-runner, checked. */
export interface TaskRunnerInputs {
  readonly source: TaskSource
  readonly work: Work
  readonly workingDirectory: string | undefined
  readonly waitSeconds: number
  /** 0 is no limit. */
  readonly maxTasks: number
  readonly parallel: number
  readonly heartbeatSeconds: number
  readonly preconditionTimeoutMinutes: number
  readonly stopGraceSeconds: number
  readonly failOnTaskFailure: boolean
  /** `s3://bucket/prefix` */
  readonly logUri: string | undefined
  /** This job's id in the REST API, for links. */
  readonly checkRunId: number | undefined
  readonly aws: AwsSettings
  readonly reporting: ReportingInputs
}

/**
 * Reads and checks every input of task-runner. Nothing has been done when it throws.
 *
 * @throws ConfigurationError naming the input, its value and the valid ones
 */
export function readTaskRunnerInputs(read: ReadInput): TaskRunnerInputs {
  const source = readSource(read)
  const work = readWork(read)
  const maxTasks = readWholeNumber(read, 'max-tasks', 1, 0, MAX_TASKS)
  const parallel = readWholeNumber(read, 'parallel', 1, 1, MAX_PARALLEL)
  if ('task' in source && (maxTasks !== 1 || parallel !== 1)) {
    const input = maxTasks === 1 ? 'parallel' : 'max-tasks'
    throw new ConfigurationError(`Both inputs "task" and "${input}" are set. Expected one of them.`, {
      hint: 'task is one task. Use worker-group to poll for several.',
    })
  }
  return {
    source,
    work,
    workingDirectory: readOptional(read, 'working-directory'),
    waitSeconds: readWholeNumber(read, 'wait-seconds', 90, 0, MAX_JOB_MINUTES * 60),
    maxTasks,
    parallel,
    heartbeatSeconds: readWholeNumber(read, 'heartbeat-seconds', 60, 5, 300),
    preconditionTimeoutMinutes: readWholeNumber(read, 'precondition-timeout-minutes', 60, 1, MAX_JOB_MINUTES),
    stopGraceSeconds: readWholeNumber(read, 'stop-grace-seconds', 10, 0, 300),
    failOnTaskFailure: readBoolean(read, 'fail-on-task-failure', true),
    logUri: readLogUri(read),
    checkRunId: readCheckRunId(read),
    aws: withLongSessions(readAwsSettings(read)),
    reporting: readReportingInputs(read),
  }
}

/** Every role allows an hour (IAM, "Maximum session duration"). */
const SESSION_SECONDS = 3600

/** A copy from or to S3 gets credentials at its start, and may take long. */
function withLongSessions(aws: AwsSettings): AwsSettings {
  return aws.role === undefined ? aws : { ...aws, role: { ...aws.role, sessionSeconds: SESSION_SECONDS } }
}

/** Tasks that one step works off, at the most; 0 is no limit. */
const MAX_TASKS = 100_000
/** AWS's Task Runner has two threads. Each place has a command of its own, on a machine of one job. */
const MAX_PARALLEL = 4
// API reference, PollForTask.
const MAX_NAME = 1024

function readSource(read: ReadInput): TaskSource {
  const workerGroup = readApiText(read, 'worker-group', MAX_NAME)
  const entry = readOptional(read, 'task')
  if (workerGroup !== undefined && entry !== undefined) {
    throw new ConfigurationError('Both inputs "worker-group" and "task" are set. Expected one of them.', {
      hint: 'Use worker-group to poll for tasks, and task to run one that poll-for-task has taken.',
    })
  }
  if (workerGroup !== undefined) return { workerGroup }
  if (entry !== undefined) return { task: readTask(entry) }
  throw new ConfigurationError('Neither the input "worker-group" nor "task" is set. Expected one of them.', {
    hint: 'If task comes from a matrix, as in ${{ toJSON(matrix.task) }}, check the name in strategy.matrix.',
  })
}

function readWork(read: ReadInput): Work {
  const script = readOptional(read, 'run')
  const fromDefinition = readBoolean(read, 'from-definition', false)
  const word = read('shell') || 'bash'
  const shell = SHELLS.find((each) => each === word)
  const runsPreconditions = readBoolean(read, 'run-preconditions', false)
  if (shell === undefined) throw invalidValue('shell', word, `one of: ${SHELLS.join(', ')}`)
  if (script !== undefined && fromDefinition) {
    throw new ConfigurationError('Both inputs "run" and "from-definition" are set. Expected one of them.', {
      hint: 'Use run for a script of the workflow, and from-definition: true for what the pipeline defines.',
    })
  }
  if (fromDefinition && (runsPreconditions || shell !== 'bash')) {
    const [input, value] = runsPreconditions ? ['run-preconditions', 'true'] : ['shell', shell]
    throw new ConfigurationError(
      `Both inputs "from-definition" and "${input}" (${value}) are set. Expected one of them.`,
      {
        hint: `${input} is for scripts of the input run.`,
      },
    )
  }
  if (fromDefinition) return { from: 'definition' }
  if (script !== undefined) return { from: 'workflow', script, shell, runsPreconditions }
  throw new ConfigurationError('Neither the input "run" nor "from-definition" is set. Expected one of them.', {
    hint: 'Set run to a script, or from-definition: true to run what the task defines: whoever may change the pipeline then runs code in this job.',
  })
}

function readLogUri(read: ReadInput): string | undefined {
  const uri = readOptional(read, 'log-uri')
  if (uri === undefined || /^s3:\/\/[^/\s]+(\/[^\0\r\n]*)?$/.test(uri)) return uri
  throw invalidValue('log-uri', uri, 'an address such as s3://bucket/prefix')
}

// API reference, SetTaskStatus.
const MAX_TASK_ID_CHARACTERS = 2048

const TASK_HINT = 'Pass an entry of the output tasks of poll-for-task, as in ${{ toJSON(matrix.task) }}.'

/** The task of an entry of poll-for-task's output `tasks`. */
function readTask(entry: string): Task {
  const value = parseEntry(entry)
  const taskId = asText(value['task-id']) ?? ''
  if (taskId === '' || [...taskId].length > MAX_TASK_ID_CHARACTERS || !isApiText(taskId)) {
    throw new ConfigurationError('The input "task" has no valid "task-id".', { hint: TASK_HINT })
  }
  const attemptId = asText(value['attempt-id']) ?? ''
  const others = Object.entries(asRecord(value['objects'])).map(([id, object]): [string, TaskObject] => {
    const { name, fields } = asRecord(object)
    return [id, { id, name: asText(name) ?? id, fields: Array.isArray(fields) ? fields.flatMap(objectField) : [] }]
  })
  const attempt = {
    id: attemptId,
    name: attemptId,
    fields: Object.entries(asRecord(value['fields'])).flatMap(fieldsOf),
  }
  return {
    taskId,
    pipelineId: asText(value['pipeline-id']) ?? '',
    attemptId,
    objects: Object.fromEntries([...others, [attemptId, attempt]]),
    encrypted: [],
  }
}

function parseEntry(entry: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(entry)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return asRecord(value)
  } catch {
    // Below.
  }
  throw new ConfigurationError(`Invalid value ${quoteValue(entry, 80)} for input "task". Expected a JSON object.`, {
    hint: TASK_HINT,
  })
}

/** The fields of a key in `fields` of an entry, where a repeated key has an array, and a reference is `{ref}`. */
function fieldsOf([key, value]: [string, unknown]): TaskField[] {
  return (Array.isArray(value) ? value : [value]).flatMap((each: unknown): TaskField[] => {
    if (typeof each === 'string') return [{ key, stringValue: each }]
    const ref = asText(asRecord(each)['ref'])
    return ref === undefined ? [] : [{ key, refValue: ref }]
  })
}

/** A field of an object, as PollForTask has it. */
function objectField(field: unknown): TaskField[] {
  const { key, stringValue, refValue } = asRecord(field)
  const [name, text, ref] = [asText(key), asText(stringValue), asText(refValue)]
  if (name === undefined) return []
  if (ref !== undefined) return [{ key: name, refValue: ref }]
  return text === undefined ? [] : [{ key: name, stringValue: text }]
}
