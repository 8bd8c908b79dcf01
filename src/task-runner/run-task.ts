import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { temporaryFolder } from '../activity/files.ts'
import type { Caller } from '../aws/call-with-retry.ts'
import type { Task } from '../aws/data-pipeline.ts'
import { TASK_RUNNER_ERROR_IDS } from '../domain/error-id.ts'
import type { Invocation } from '../github/invocation.ts'
import type { Log } from '../github/log.ts'
import type { TaskRunnerInputs } from '../inputs/task-runner.ts'
import { errorMessage } from '../masking/error-message.ts'
import { quoteValue } from '../masking/format.ts'
import { shortTaskId } from '../masking/short-task-id.ts'
import { fieldsOf } from '../polling/task-fields.ts'
import { systemClock } from '../util/clock.ts'
import type { Deadline } from '../util/deadline.ts'
import { makeOwnFolder } from '../util/own-file.ts'
import { type CommandEnd, runCommand } from './command.ts'
import { commandEnvironment } from './command-environment.ts'
import { all, CommandLog, type OutputStream } from './command-log.ts'
import { DefinitionError, planOf, type TaskPlan } from './definition.ts'
import { FileCommands } from './file-commands.ts'
import { type HeldTask, holdTask } from './hold-task.ts'
import type { OpenTasks } from './open-tasks.ts'
import { OutputFile } from './output-file.ts'
import { OutputTail } from './output-tail.ts'
import { tryPrecondition } from './precondition.ts'
import { reportEnd } from './report-end.ts'
import { StagingError, s3Copy } from './s3-copy.ts'
import { stage } from './staging.ts'
import { CANCELLED_END, endOf, failed, type TaskEnd } from './task-end.ts'
import { TaskLogs } from './task-logs.ts'
import { prepareScript } from './task-script.ts'

/** What became of a task. */
export interface TaskResult {
  readonly task: Task
  /** Undefined when the service canceled it, or no longer has it. */
  readonly end: TaskEnd | undefined
  /** Whether the service has its end. */
  readonly reported: boolean
  /** Why its end could not be reported. */
  readonly error: Error | undefined
  /** Whether the command used a file command in an invalid format, which fails a step. */
  readonly isFileCommandInvalid: boolean
}

export interface TaskDependencies {
  readonly inputs: TaskRunnerInputs
  readonly caller: Caller
  readonly invocation: Invocation
  readonly openTasks: OpenTasks
  /** When the step has to end. */
  readonly shutdownDeadline: Deadline
  /** The start of each line of the log; undefined where a task has a group of its own. */
  readonly prefix: string | undefined
  /** Whether its acknowledgement got no response. */
  readonly isUnconfirmed?: boolean
}

/** The runner kills a cancelled step 7.5 s after its first signal, and the report takes its time as well. */
const MAX_GRACE_OF_CANCELLED_JOB_MS = 3_000
/** Of the time that is left after a signal of the runner. The rest is for the report. */
const SHARE_OF_GRACE = 0.45
/** The next task waits for it. */
const MAX_UPLOAD_OF_LOGS_MS = 300_000

const PREFIX = 'aws-datapipeline-task-'

/**
 * Does all that belongs to a task that was just acknowledged: runs its command, holds it meanwhile, and reports its end. Never
 * fails: what goes wrong is its end, or why that could not be reported.
 */
export async function runTask(task: Task, dependencies: TaskDependencies): Promise<TaskResult> {
  const { inputs, caller, invocation, openTasks, prefix } = dependencies
  const { runner } = invocation
  openTasks.note({ taskId: task.taskId })
  const log = prefix === undefined ? runner.log : prefixed(runner.log, prefix)
  const intervalMs = inputs.heartbeatSeconds * 1000
  const held = holdTask(task.taskId, intervalMs, caller.dataPipeline, log, dependencies.isUnconfirmed)
  // A command may take long to end. If the step is killed meanwhile, its post step must not report the task.
  held.lost.addEventListener('abort', () => openTasks.lose(task.taskId))
  if (prefix === undefined) runner.startGroup(`Task ${shortTaskId(task.taskId)}, ${taskName(task)}`)
  const work = new TaskWork(task, held, log, dependencies)
  try {
    const end = await work.run()
    if (end === undefined) {
      log.info(
        `${held.loss === 'canceled' ? 'AWS Data Pipeline canceled the task' : 'AWS Data Pipeline no longer has the task'}. Nothing is reported.`,
      )
      openTasks.close(task.taskId)
      await work.uploadLogs()
      return { task, end, reported: false, error: undefined, isFileCommandInvalid: work.isFileCommandInvalid }
    }
    if (end.status !== 'FINISHED') log.info(end.message)
    const report = await reportEnd({ task, end, trace: work.trace(), held }, { ...dependencies, log })
    held.release()
    await work.uploadLogs()
    return { task, ...report, isFileCommandInvalid: work.isFileCommandInvalid }
  } finally {
    held.release()
    await work.clean()
    if (prefix === undefined) runner.endGroup()
  }
}

/** The name of a task for people: its instance, such as `MyActivity_2026-11-27T00:00:00`. */
export function taskName({ attemptId, taskId }: Task): string {
  return attemptId.replace(/^@/, '').replace(/_Attempt=(\d+)$/, ' #$1') || shortTaskId(taskId)
}

function prefixed(log: Log, prefix: string): Log {
  return {
    ...log,
    info: (text) => log.info(prefix + text),
    notice: (text) => log.notice(prefix + text),
    warning: (text) => log.warning(prefix + text),
  }
}

/** The work on one task. */
class TaskWork {
  readonly #task: Task
  readonly #held: HeldTask
  readonly #log: Log
  readonly #dependencies: TaskDependencies
  readonly #stop: AbortSignal
  readonly #tails: Readonly<Record<OutputStream, OutputTail>> = { stdout: new OutputTail(), stderr: new OutputTail() }
  #folder: string | undefined
  #logs: TaskLogs | undefined
  isFileCommandInvalid = false

  constructor(task: Task, held: HeldTask, log: Log, dependencies: TaskDependencies) {
    this.#task = task
    this.#held = held
    this.#log = log
    this.#dependencies = dependencies
    this.#stop = AbortSignal.any([held.lost, dependencies.invocation.shutdown])
  }

  /** Runs it to its end. Undefined when the task is lost. */
  async run(): Promise<TaskEnd | undefined> {
    let end: TaskEnd | undefined
    try {
      end = await this.#run()
    } catch (error) {
      end = endOfError(error)
    }
    if (this.#held.loss !== undefined) return undefined
    // What was stopped half way says nothing about the task.
    if (end === undefined || (this.#stop.aborted && end.exitCode === undefined)) return CANCELLED_END
    return end
  }

  /** The end of what the command said. */
  trace(): string {
    return this.#tails.stderr.text() || this.#tails.stdout.text()
  }

  /** @returns undefined when it was stopped */
  async #run(): Promise<TaskEnd | undefined> {
    const { inputs, invocation } = this.#dependencies
    const plan = planOf(this.#task, inputs.work, inputs.preconditionTimeoutMinutes * 60_000)
    for (const notice of plan.notices) this.#log.notice(notice)
    const folder = makeOwnFolder(temporaryFolder(invocation.runner.env), PREFIX)
    this.#folder = folder
    if (inputs.logUri !== undefined) {
      this.#logs = await TaskLogs.create(inputs.logUri, this.#task, folder, (problem) => this.#log.warning(problem))
    }
    const fieldsFile = join(folder, 'fields.json')
    writeFileSync(fieldsFile, JSON.stringify(fieldsOf(this.#task)), { mode: 0o600 })
    const cwd = this.#workingDirectory(folder)
    const s3 = this.#s3(folder, this.#stop)
    const staging = await stage(plan.staging, folder, s3)
    const [file, ...args] = await prepareScript(plan.script, folder, s3)
    const outputs = await this.#outputFiles(plan, cwd)
    const attempt = (): Promise<CommandEnd> =>
      this.#attempt({ folder, fieldsFile, cwd, file, args, variables: staging.variables, outputs })
    try {
      const end = await this.#endOf(plan, attempt)
      if (end?.status !== 'FINISHED') return end
      await staging.upload()
      // An upload that was stopped has thrown.
      return end
    } finally {
      await Promise.all([outputs.stdout?.end(), outputs.stderr?.end()])
    }
  }

  async #endOf({ precondition }: TaskPlan, attempt: () => Promise<CommandEnd>): Promise<TaskEnd | undefined> {
    if (precondition !== undefined) {
      return tryPrecondition(precondition, attempt, {
        clock: systemClock,
        stop: this.#stop,
        log: (line) => this.#log.info(line),
      })
    }
    const end = await attempt()
    return end.kind === 'stopped' ? undefined : endOf(end)
  }

  async #attempt(command: {
    readonly folder: string
    readonly fieldsFile: string
    readonly cwd: string
    readonly file: string
    readonly args: readonly string[]
    readonly variables: Readonly<Record<string, string>>
    readonly outputs: LocalOutputs
  }): Promise<CommandEnd> {
    const { inputs, invocation, openTasks, prefix } = this.#dependencies
    const { environment, runner, shutdown } = invocation
    const { taskId } = this.#task
    this.#freeTails()
    // What a pipeline defines must not set outputs and variables of the job.
    const fileCommands = inputs.work.from === 'workflow' ? new FileCommands(command.folder, environment) : undefined
    const log = new CommandLog(runner.print, prefix)
    const graceMs = inputs.stopGraceSeconds * 1000
    const leftMs = (): number => this.#dependencies.shutdownDeadline.remaining() * SHARE_OF_GRACE
    const end = await runCommand(
      {
        file: command.file,
        args: command.args,
        cwd: command.cwd,
        env: commandEnvironment(environment, {
          task: this.#task,
          fieldsFile: command.fieldsFile,
          staging: command.variables,
          fileCommands: fileCommands?.variables,
        }),
      },
      {
        stop: this.#stop,
        hurry: shutdown,
        graceMs: () => (shutdown.aborted ? Math.min(graceMs, MAX_GRACE_OF_CANCELLED_JOB_MS, leftMs()) : graceMs),
        onStart: (process) => openTasks.note({ taskId, command: process }),
        onOutput: (stream, chunk) => {
          this.#tails[stream].add(chunk)
          const [logs, output] = [this.#logs, command.outputs[stream]]
          return all([log.add(stream, chunk), logs?.write(stream, chunk), output?.write(chunk)])
        },
      },
    )
    log.end()
    openTasks.note({ taskId, command: undefined })
    for (const problem of fileCommands?.passOn() ?? []) {
      this.isFileCommandInvalid = true
      this.#log.warning(problem)
    }
    return end
  }

  /** The local files that the definition names for the output. */
  async #outputFiles({ stdout, stderr }: TaskPlan, cwd: string): Promise<LocalOutputs> {
    const onProblem = (problem: string): void => this.#log.warning(problem)
    const make = async (path: string | undefined): Promise<OutputFile | undefined> =>
      path === undefined ? undefined : OutputFile.create(resolve(cwd, path), { onProblem })
    return { stdout: await make(stdout), stderr: await make(stderr) }
  }

  #freeTails(): void {
    for (const tail of Object.values(this.#tails)) tail.free()
  }

  #workingDirectory(folder: string): string {
    const { inputs, invocation } = this.#dependencies
    const workspace = invocation.environment['GITHUB_WORKSPACE'] || process.cwd()
    if (inputs.workingDirectory === undefined && inputs.work.from === 'definition') {
      const fresh = join(folder, 'work')
      mkdirSync(fresh)
      return fresh
    }
    const path = resolve(workspace, inputs.workingDirectory ?? '')
    // The error of a start does not tell a missing folder from a missing program.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw new NotStartedError(`The working directory ${quoteValue(path)} is not there, or is no folder.`)
    }
    return path
  }

  #s3(folder: string, stop: AbortSignal) {
    const { caller, invocation } = this.#dependencies
    const variables = { task: this.#task, fieldsFile: '', staging: {}, fileCommands: undefined }
    const env = commandEnvironment(invocation.environment, variables)
    return s3Copy({ dataPipeline: caller.dataPipeline, env, cwd: folder, stop })
  }

  /** Copies the whole output to S3, where the input log-uri asks for it. The task has been reported. */
  async uploadLogs(): Promise<void> {
    if (this.#logs === undefined || this.#folder === undefined) return
    const { shutdown } = this.#dependencies.invocation
    if (shutdown.aborted) return this.#log.info('The output of the task is not copied to S3, as the step has to end.')
    try {
      const stop = AbortSignal.any([shutdown, AbortSignal.timeout(MAX_UPLOAD_OF_LOGS_MS)])
      await this.#logs.upload(this.#s3(this.#folder, stop))
    } catch (error) {
      this.#log.warning(`The output of the task is not in S3: ${errorMessage(error)}`)
    }
  }

  /** Removes its files. */
  async clean(): Promise<void> {
    this.#freeTails()
    if (this.#folder === undefined) return
    try {
      await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
    } catch (error) {
      this.#log.info(`Could not remove the folder of the task: ${errorMessage(error)}`)
    }
  }
}

type LocalOutputs = Readonly<Record<OutputStream, OutputFile | undefined>>

/** Thrown when a command can't be started. The message is a sentence. */
class NotStartedError extends Error {
  override readonly name = 'NotStartedError'
}

function endOfError(error: unknown): TaskEnd {
  const { definition, staging, couldNotStart } = TASK_RUNNER_ERROR_IDS
  const message = errorMessage(error)
  if (error instanceof DefinitionError) return failed(definition, message)
  if (error instanceof StagingError) return failed(staging, message)
  if (error instanceof NotStartedError) return failed(couldNotStart, message)
  return failed(couldNotStart, `The command could not be prepared: ${message}.`)
}
