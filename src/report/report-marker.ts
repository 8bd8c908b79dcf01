import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { ERROR_FIELD_NAMES, type ErrorFields } from '../domain/error-fields.ts'
import { parseStatus, type TaskStatus } from '../domain/task-status.ts'
import { asRecord } from '../util/json.ts'
import { type OwnFile, readOwnFile, replaceOwnFile } from '../util/own-file.ts'
import type { Decision, Reporter } from './decision.ts'

/** The content of a marker: which step reports the task, and whether it has. */
export interface MarkedReport {
  /** The step that wrote it. */
  readonly owner: string
  /** Whether the service has the report. */
  readonly sent: boolean
  readonly by: Reporter
  /** Of the report that the service has. */
  readonly status: TaskStatus | undefined
  /** Undefined before the step decides, and after the service has accepted or rejected its decision. */
  readonly decision: Decision | undefined
}

/** Above three versions of texts within the limits of the API, escaped as JSON. */
const MAX_BYTES = 256 * 1024

/**
 * A file by which steps of a job that report the same task without a heartbeat process know of each other: a step that goes on
 * after the runner has ended it, as in a container, must not replace the report of a later step.
 *
 * Every operation is best effort: a marker that can't be written or read prevents no report.
 */
export class ReportMarker {
  readonly #file: OwnFile
  readonly #owner = randomUUID()
  readonly #onProblem: (error: unknown) => void

  /**
   * @param folder the runner's temporary folder
   * @param id of the task in this job, which reveals nothing of the task
   */
  constructor(folder: string, id: string, onProblem: (error: unknown) => void) {
    this.#file = { path: join(folder, `aws-datapipeline-report-${id}.json`), isInOwnFolder: false }
    this.#onProblem = onProblem
  }

  /** What a step of this job wrote; undefined when nothing can be read. */
  read(): MarkedReport | undefined {
    try {
      const text = readOwnFile(this.#file, MAX_BYTES)
      return text === undefined ? undefined : toMarkedReport(JSON.parse(text))
    } catch (error) {
      this.#onProblem(error)
      return undefined
    }
  }

  /** Makes this step the one that reports the task, in place of another one. */
  write(report: Omit<MarkedReport, 'owner'>): void {
    try {
      replaceOwnFile(this.#file, JSON.stringify({ ...report, owner: this.#owner } satisfies MarkedReport))
    } catch (error) {
      this.#onProblem(error)
    }
  }

  /** Whether no later step has taken the task over. A missing marker counts as this step's. */
  isMine(): boolean {
    return (this.read()?.owner ?? this.#owner) === this.#owner
  }
}

function toMarkedReport(value: unknown): MarkedReport | undefined {
  const { owner, sent, by, decision, status } = asRecord(value)
  if (typeof owner !== 'string' || typeof sent !== 'boolean' || !isReporter(by)) return undefined
  return { owner, sent, by, decision: toDecision(decision), status: toStatus(status) }
}

function toDecision(value: unknown): Decision | undefined {
  const { by, status, versions } = asRecord(value)
  const known = toStatus(status)
  if (!isReporter(by) || known === undefined || !Array.isArray(versions)) return undefined
  const [first = {}, ...others] = versions.map(toErrorFields)
  return { by, status: known, versions: [first, ...others] }
}

function toStatus(value: unknown): TaskStatus | undefined {
  return typeof value === 'string' ? parseStatus(value) : undefined
}

function toErrorFields(value: unknown): ErrorFields {
  const given = Object.entries(asRecord(value))
  const names: readonly string[] = ERROR_FIELD_NAMES
  return Object.fromEntries(given.filter(([name, text]) => names.includes(name) && typeof text === 'string'))
}

function isReporter(value: unknown): value is Reporter {
  return value === 'step' || value === 'post' || value === 'loss'
}
