import { shortTaskId } from '../masking/short-task-id.ts'
import { type TaskResult, taskName } from './run-task.ts'

/** More make the summary hard to read, and the error of a step longer than GitHub shows. */
const MAX_ROWS = 50
const MAX_FAILURES = 10

/** A task in the summary. */
export interface TallyRow {
  readonly name: string
  readonly status: string
}

/** What became of all tasks of a step, however many there are. */
export class Tally {
  count = 0
  finished = 0
  failed = 0
  false = 0
  canceled = 0
  /** Tasks that were canceled are `canceled`, and have no status. */
  last: TaskResult | undefined
  hasInvalidFileCommand = false
  readonly rows: TallyRow[] = []
  /** A sentence for each of the first tasks that were reported as FAILED. */
  readonly failures: string[] = []
  /** Why tasks could not be reported. */
  readonly errors: string[] = []

  add(result: TaskResult): void {
    const { task, end, error, reported } = result
    this.count += 1
    this.last = result
    this.hasInvalidFileCommand ||= result.isFileCommandInvalid
    if (end === undefined) this.canceled += 1
    else if (reported) this[COUNTER[end.status]] += 1
    if (error !== undefined) this.errors.push(error.message)
    if (reported && end?.status === 'FAILED' && this.failures.length < MAX_FAILURES) {
      this.failures.push(`Reported FAILED for ${taskName(task)}: ${end.message}`)
    }
    if (this.rows.length < MAX_ROWS)
      this.rows.push({ name: `${taskName(task)}\n${shortTaskId(task.taskId)}`, status: statusOf(result) })
  }
}

const COUNTER = { FINISHED: 'finished', FAILED: 'failed', FALSE: 'false' } as const

function statusOf({ end, reported }: TaskResult): string {
  if (end === undefined) return 'canceled by AWS Data Pipeline'
  const exitCode = end.exitCode === undefined ? '' : `, exit code ${end.exitCode}`
  return `${end.status}${exitCode}${reported ? '' : ', not reported'}`
}
