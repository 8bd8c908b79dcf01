import type { Task, TaskObject } from '../aws/data-pipeline.ts'
import { parsePeriod } from '../domain/period.ts'
import type { Shell, Work } from '../inputs/task-runner.ts'
import { quoteValue } from '../masking/format.ts'
import { type FieldValue, fieldsOf, isPrecondition } from '../polling/task-fields.ts'

/** The script of a task. */
export type TaskScript =
  | { readonly kind: 'workflow'; readonly text: string; readonly shell: Shell }
  | { readonly kind: 'command'; readonly text: string; readonly args: readonly string[] }
  | { readonly kind: 'uri'; readonly uri: string; readonly args: readonly string[] }

/** How a precondition is retried. */
export interface PreconditionRetry {
  readonly delayMs: number
  readonly timeoutMs: number
}

/** What to do for a task. */
export interface TaskPlan {
  readonly script: TaskScript
  /** The `s3://` folders to stage, in the order of the definition; undefined when nothing is staged. */
  readonly staging: { readonly inputs: readonly string[]; readonly outputs: readonly string[] } | undefined
  /** Undefined for an activity. */
  readonly precondition: PreconditionRetry | undefined
  /** Local files for the output of the command; undefined where the definition names none. */
  readonly stdout: string | undefined
  readonly stderr: string | undefined
  /** Sentences for the user. */
  readonly notices: readonly string[]
}

/** Thrown for a task that can't be run as it is defined. The message is a sentence about the task. */
export class DefinitionError extends Error {
  override readonly name = 'DefinitionError'
}

/** Our rule: the default of the documentation for retries (Developer Guide, `retryDelay`). */
const DEFAULT_RETRY_DELAY_MS = 600_000

/** The types whose definition says what to run. */
const RUNNABLE_TYPES: readonly string[] = ['ShellCommandActivity', 'ShellCommandPrecondition']

type Fields = Readonly<Record<string, FieldValue>>

/**
 * What to do for a task.
 *
 * @param defaultTimeoutMs of a precondition whose definition has no `preconditionTimeout`
 * @throws DefinitionError when it can't be run as it is defined
 */
export function planOf(task: Task, work: Work, defaultTimeoutMs: number): TaskPlan {
  const fields = fieldsOf(task)
  const notices: string[] = []
  const script = scriptOf(task, fields, work)
  return {
    script,
    staging: stagingOf(task, fields),
    precondition: isPrecondition(task) ? retryOf(fields, defaultTimeoutMs, notices) : undefined,
    // The author of a workflow has redirections, and the definition may name any file of the machine.
    ...(work.from === 'definition' ? localOutputs(fields, notices) : { stdout: undefined, stderr: undefined }),
    notices,
  }
}

function scriptOf(task: Task, fields: Fields, work: Work): TaskScript {
  const type = textOf(fields, 'type')
  if (work.from === 'workflow') {
    if (isPrecondition(task) && !work.runsPreconditions) {
      throw new DefinitionError(
        `It is a precondition (${type ?? 'no type'}), which the script of the input "run" is not meant for. If the script tells ` +
          'whether the precondition holds, set run-preconditions: true.',
      )
    }
    return { kind: 'workflow', text: work.script, shell: work.shell }
  }
  if (!Object.hasOwn(task.objects, task.attemptId)) {
    throw new DefinitionError('It came without the object of its attempt, so it is not known what to run.')
  }
  if (type === undefined) throw new DefinitionError('Its definition has no type, so it is not known what to run.')
  if (!RUNNABLE_TYPES.includes(type)) {
    throw new DefinitionError(
      `Its type is ${quoteValue(type)}. from-definition runs ${RUNNABLE_TYPES.join(' and ')} only.`,
    )
  }
  const [text, uri] = [textOf(fields, 'command'), textOf(fields, 'scriptUri')]
  const args = argumentsOf(fields)
  if (text !== undefined && uri !== undefined) {
    throw new DefinitionError('Its definition has both command and scriptUri. Only one of them is allowed.')
  }
  if (text !== undefined) return { kind: 'command', text, args }
  if (uri === undefined) throw new DefinitionError('Its definition has neither command nor scriptUri.')
  return { kind: 'uri', uri: s3Uri(uri, 'scriptUri', /^s3:\/\/[^/]+\/.*[^/]$/i), args }
}

/** The only text of a field; undefined when it is missing or empty. */
function textOf(fields: Fields, key: string): string | undefined {
  const value = Object.hasOwn(fields, key) ? fields[key] : undefined
  if (value === undefined || typeof value === 'string') return value?.trim() ? value : undefined
  throw new DefinitionError(
    Array.isArray(value)
      ? `Its definition has the field ${quoteValue(key)} several times.`
      : `The field ${quoteValue(key)} of its definition is a reference, and not a text.`,
  )
}

function argumentsOf(fields: Fields): readonly string[] {
  return valuesOf(fields, 'scriptArgument').map((value) => {
    if (typeof value === 'string') return value
    throw new DefinitionError('An argument (scriptArgument) of its definition is a reference, and not a text.')
  })
}

function valuesOf(fields: Fields, key: string) {
  const value = Object.hasOwn(fields, key) ? fields[key] : undefined
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value as Exclude<FieldValue, readonly unknown[]>]
}

/** @param pattern what the address has to look like */
function s3Uri(uri: string, key: string, pattern: RegExp): string {
  if (uri.includes('#{')) {
    throw new DefinitionError(`${key} has an expression that was not evaluated: ${quoteValue(uri)}.`)
  }
  if (!pattern.test(uri) || /[\0\r\n]/.test(uri)) {
    throw new DefinitionError(`${key} is ${quoteValue(uri)}. Expected an address such as s3://bucket/path.`)
  }
  // The AWS CLI takes another case for the path of a file.
  return uri.replace(/^s3:/i, 's3:')
}

function stagingOf(task: Task, fields: Fields): TaskPlan['staging'] {
  const stage = textOf(fields, 'stage')?.trim().toLowerCase() ?? 'false'
  if (stage === 'false') return undefined
  if (stage !== 'true') throw new DefinitionError(`stage is ${quoteValue(stage)}. Expected true or false.`)
  const folders = (key: string): string[] => valuesOf(fields, key).map((value) => folderOf(task, key, value))
  return { inputs: folders('input'), outputs: folders('output') }
}

/** The folder of a data node. What is not documented for staging is refused. */
function folderOf(task: Task, key: string, value: string | { readonly ref: string }): string {
  if (typeof value === 'string') {
    throw new DefinitionError(`Its field ${key} is the text ${quoteValue(value)}, and not a reference to a data node.`)
  }
  const { ref } = value
  const node = Object.hasOwn(task.objects, ref) ? task.objects[ref] : undefined
  if (node === undefined) {
    throw new DefinitionError(
      `It can't be staged, because it came without the object ${quoteValue(ref)} that its field ${key} refers to. ` +
        'If it comes from poll-for-task, the objects of all tasks may be too large for the outputs of a job.',
    )
  }
  const refuse = (why: string): DefinitionError =>
    new DefinitionError(`It can't be staged: the ${key} ${quoteValue(node.name)} ${why}.`)
  const text = (name: string): string | undefined => nodeText(node, name)
  const type = text('type')
  if (type !== 'S3DataNode') throw refuse(`is of type ${quoteValue(type ?? '')}, and only S3DataNode can be staged`)
  const compression = text('compression')
  if (compression !== undefined && compression.toLowerCase() !== 'none') {
    throw refuse(`is compressed (${quoteValue(compression)}), which is not supported`)
  }
  const folder = text('directoryPath')
  if (folder === undefined || text('filePath') !== undefined || text('manifestFilePath') !== undefined) {
    throw refuse('has no directoryPath, or a filePath or manifestFilePath. Only directoryPath is supported')
  }
  return s3Uri(folder, `directoryPath of ${quoteValue(node.name)}`, /^s3:\/\/[^/]+(\/.*)?$/i)
}

function nodeText({ fields }: TaskObject, key: string): string | undefined {
  const field = fields.find((each) => each.key === key)
  return field !== undefined && 'stringValue' in field ? field.stringValue.trim() || undefined : undefined
}

function retryOf(fields: Fields, defaultTimeoutMs: number, notices: string[]): PreconditionRetry {
  const period = (key: string): number | undefined => {
    const text = textOf(fields, key)
    const ms = text === undefined ? undefined : parsePeriod(text)
    if (text !== undefined && ms === undefined) {
      notices.push(
        `${key} is ${quoteValue(text)}, which can't be read. Expected a period such as "10 minutes". ` +
          `The default is used: ${(key === 'retryDelay' ? DEFAULT_RETRY_DELAY_MS : defaultTimeoutMs) / 60_000} minutes.`,
      )
    }
    return ms
  }
  const delayMs = period('retryDelay') ?? DEFAULT_RETRY_DELAY_MS
  const timeoutMs = period('preconditionTimeout')
  if (textOf(fields, 'preconditionTimeout') === undefined) {
    notices.push(
      `The precondition has no preconditionTimeout, so it is tried for ${defaultTimeoutMs / 60_000} minutes ` +
        '(precondition-timeout-minutes).',
    )
  }
  return { delayMs, timeoutMs: timeoutMs ?? defaultTimeoutMs }
}

function localOutputs(fields: Fields, notices: string[]): Pick<TaskPlan, 'stdout' | 'stderr'> {
  const local = (key: 'stdout' | 'stderr'): string | undefined => {
    const path = textOf(fields, key)
    if (path === undefined || !/^s3:\/\//i.test(path)) return path
    notices.push(
      `${key} of the definition is ${quoteValue(path)}, and is not written: it is not known whether that is a key or a prefix. ` +
        'Use the input log-uri.',
    )
    return undefined
  }
  return { stdout: local('stdout'), stderr: local('stderr') }
}
