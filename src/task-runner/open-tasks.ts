import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../activity/files.ts'
import { identify, type ProcessIdentity } from '../activity/process-identity.ts'
import { type Endpoints, endpointsOf } from '../activity/saved-state.ts'
import type { AwsSettings } from '../aws/settings.ts'
import type { Runner } from '../github/runner.ts'
import type { ReportingInputs } from '../inputs/reporting.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Decision } from '../report/decision.ts'
import { ConfigurationError } from '../util/errors.ts'
import { makeOwnFolder, type OwnFile, readOwnFile, replaceOwnFile } from '../util/own-file.ts'

/** A task that was acknowledged, and whose end the service does not have yet. */
export interface OpenTask {
  readonly taskId: string
  /** Its command, while one runs. */
  readonly command?: ProcessIdentity | undefined
  /** Its end, once it is known. */
  readonly decision?: Decision
  /** Whether the service canceled it, or no longer has it: its command is ended, and nothing is reported. */
  readonly isLost?: boolean
}

/** What the post step needs to know of the main step. */
export interface SavedStep {
  /** The folder of the open tasks. */
  readonly folder: string
  readonly step: ProcessIdentity
  readonly aws: AwsSettings
  readonly reporting: ReportingInputs
  readonly endpoints: Endpoints
}

const STATE = 'task-runner'
const PREFIX = 'aws-datapipeline-runner-'
/** Above a few tasks, each with three versions of error texts. */
const MAX_BYTES = 4 * 1024 * 1024

/**
 * The open tasks of a step, in a file for its post step, which reports them if the step is killed. The file is written before
 * anything happens that it tells, so that the post step never reports another end than the real one.
 */
export class OpenTasks {
  readonly #folder: string
  readonly #onProblem: (error: unknown) => void
  readonly #tasks = new Map<string, OpenTask>()

  /**
   * Makes the file, and saves for the post step where it is.
   *
   * @throws ConfigurationError when it can't be made: a task that is lost with the step would hang its pipeline
   */
  constructor(runner: Runner, inputs: Pick<SavedStep, 'aws' | 'reporting'>) {
    let hasProblem = false
    this.#onProblem = (error) => {
      if (!hasProblem) runner.log.warning(`Could not save the open tasks: ${errorMessage(error)}.`)
      hasProblem = true
    }
    try {
      this.#folder = makeOwnFolder(temporaryFolder(runner.env), PREFIX)
      const step = identify(process.pid)
      // Only what is needed: the runner gives it to the post step as a variable, which may have 128 KiB.
      const { aws, reporting } = inputs
      const saved: SavedStep = { aws, reporting, folder: this.#folder, step, endpoints: endpointsOf(runner.env) }
      this.#write()
      runner.saveState(STATE, JSON.stringify(saved))
    } catch (cause) {
      throw new ConfigurationError(`Could not save the state for the post step: ${errorMessage(cause)}.`, { cause })
    }
  }

  /** Notes what is known of a task. */
  note(task: OpenTask): void {
    this.#tasks.set(task.taskId, { ...this.#tasks.get(task.taskId), ...task })
    this.#save()
  }

  /** Notes that an open task is not this step's any more. */
  lose(taskId: string): void {
    if (this.has(taskId)) this.note({ taskId, isLost: true })
  }

  has(taskId: string): boolean {
    return this.#tasks.has(taskId)
  }

  /** Notes that there is nothing left to report of a task. */
  close(taskId: string): void {
    this.#tasks.delete(taskId)
    this.#save()
  }

  /** Removes the file, if there is no open task. */
  end(): void {
    if (this.#tasks.size === 0) removeOpenTasks(this.#folder)
  }

  #save(): void {
    try {
      this.#write()
    } catch (error) {
      // A full disk is no reason to give up a task.
      this.#onProblem(error)
    }
  }

  #write(): void {
    replaceOwnFile(fileIn(this.#folder), JSON.stringify([...this.#tasks.values()]))
  }
}

function fileIn(folder: string): OwnFile {
  return { path: join(folder, 'open-tasks.json'), isInOwnFolder: true }
}

/** What the main step saved; undefined when it saved nothing. */
export function savedStep(runner: Runner): SavedStep | undefined {
  const text = runner.state(STATE)
  return text === '' ? undefined : (JSON.parse(text) as SavedStep)
}

/** The open tasks of a step that has ended. @throws Error when they can't be read */
export function readOpenTasks(folder: string): readonly OpenTask[] {
  const text = readOwnFile(fileIn(folder), MAX_BYTES)
  return text === undefined ? [] : (JSON.parse(text) as OpenTask[])
}

/** Removes the file and its folder. Never fails. */
export function removeOpenTasks(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true })
  } catch {
    // The runner empties its temporary folder.
  }
}
