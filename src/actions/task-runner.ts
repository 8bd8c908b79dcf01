import { setFlagsFromString } from 'node:v8'
import { loadLateCode } from '../activity/load-late-code.ts'
import { findWorker, watchedRunner, watchRunner } from '../activity/runner-watch.ts'
import { CallError, type Caller, callWithRetry } from '../aws/call-with-retry.ts'
import type { Task } from '../aws/data-pipeline.ts'
import type { Operation } from '../aws/error-hints.ts'
import { isTaskGone } from '../aws/errors.ts'
import { explainFailure } from '../aws/explain-failure.ts'
import { maskOwnCredentials, openDataPipeline } from '../aws/open-client.ts'
import type { Invocation } from '../github/invocation.ts'
import { setOutputs, writeSummary } from '../github/outputs.ts'
import type { Runner } from '../github/runner.ts'
import type { SummaryRow } from '../github/summary.ts'
import { inputAdjustments } from '../inputs/aws.ts'
import { readTaskRunnerInputs, type TaskRunnerInputs } from '../inputs/task-runner.ts'
import { formatValue, quoteValue } from '../masking/format.ts'
import { shortTaskId } from '../masking/short-task-id.ts'
import { explainPollError } from '../polling/poll-error.ts'
import { pollTasks } from '../polling/poll-tasks.ts'
import { OpenTasks } from '../task-runner/open-tasks.ts'
import { decisionFor } from '../task-runner/report-end.ts'
import { runTask, taskName } from '../task-runner/run-task.ts'
import { Tally } from '../task-runner/tally.ts'
import { NOT_ACKNOWLEDGED } from '../task-runner/task-end.ts'
import { workOff } from '../task-runner/work-off.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'

/** 2 calls of PollForTask a second are allowed for an account (Developer Guide, dp-limits). */
const BETWEEN_POLLS_MS = 500

/** Longer than any job. */
const FOREVER_MS = 2 ** 31 - 1

/** Far longer than a name: it starts each line of output. */
const MAX_PREFIX_CHARACTERS = 60

/** The action task-runner: takes tasks, runs their commands, and reports their ends. */
export async function taskRunner(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const inputs = readTaskRunnerInputs(runner.input)
  for (const adjustment of inputAdjustments(runner.input)) runner.log.warning(adjustment)
  const tally = new Tally()
  if (inputs.reporting.dryRun) return dryRun(inputs, tally, invocation)

  let problem: string | undefined
  try {
    problem = await openAndWorkOff(inputs, tally, invocation)
  } finally {
    writeResults(inputs, tally, runner)
  }
  endStep(inputs, tally, problem, runner)
}

/** Gives why no more tasks could be taken; undefined when nothing went wrong. */
async function openAndWorkOff(
  inputs: TaskRunnerInputs,
  tally: Tally,
  invocation: Invocation,
): Promise<string | undefined> {
  const { runner } = invocation
  const openTasks = new OpenTasks(runner, inputs)
  // It is this job's already. If it can't be acknowledged, the post step reports it, as nobody else does.
  if ('task' in inputs.source) openTasks.note({ taskId: inputs.source.task.taskId })
  let caller: Caller | undefined
  try {
    await loadLateCode()
    caller = await openDataPipeline(inputs.aws, inputs.reporting.timeoutSeconds * 1000, runner)
    return await workOffTasks(inputs, caller, openTasks, tally, invocation)
  } finally {
    openTasks.end()
    caller?.dataPipeline.close()
  }
}

async function dryRun(inputs: TaskRunnerInputs, tally: Tally, { runner, bindToShutdown }: Invocation): Promise<void> {
  const { source, work, reporting } = inputs
  const deadline = bindToShutdown(new Deadline(systemClock, reporting.timeoutSeconds * 1000))
  await maskOwnCredentials(inputs.aws, runner, deadline)
  const what =
    'task' in source
      ? `Task ${shortTaskId(source.task.taskId)} is not acknowledged`
      : `Worker group ${quoteValue(source.workerGroup)} is not polled`
  const command =
    work.from === 'definition'
      ? 'what the definition of each task says'
      : `this script with ${work.shell}:\n${work.script}`
  runner.log.info(`Dry run: ${what}, and nothing is run. Without dry-run, the step would run ${command}`)
  writeResults(inputs, tally, runner)
}

/** Takes tasks and runs them. Gives why no more could be taken; undefined when nothing went wrong. */
async function workOffTasks(
  inputs: TaskRunnerInputs,
  caller: Caller,
  openTasks: OpenTasks,
  tally: Tally,
  invocation: Invocation,
): Promise<string | undefined> {
  const { runner } = invocation
  const { source, parallel } = inputs
  // The step waits most of its time: optimized code and much room for new objects would only take memory, some 30 MB.
  for (const flag of ['--no-opt', '--semi-space-growth-factor=1']) setFlagsFromString(flag)
  const isRunnerGone = runnerWatch()
  const unconfirmed = new WeakSet<Task>()
  const shutdownDeadline = invocation.bindToShutdown(new Deadline(systemClock, FOREVER_MS))
  const isEnding = (): boolean => invocation.isShuttingDown() || isRunnerGone() || tally.errors.length > 0
  const queue = 'task' in source ? givenTask(source.task) : workerGroup(source.workerGroup)
  try {
    await workOff({
      maxTasks: 'task' in source ? 1 : inputs.maxTasks,
      parallel,
      isEnding,
      next: queue,
      async run(task) {
        const prefix = parallel > 1 ? `${formatValue(taskName(task), MAX_PREFIX_CHARACTERS)} | ` : undefined
        tally.add(
          await runTask(task, {
            inputs,
            caller,
            invocation,
            openTasks,
            shutdownDeadline,
            prefix,
            isUnconfirmed: unconfirmed.has(task),
          }),
        )
      },
    })
    return undefined
  } catch (error) {
    if (error instanceof TakeError) return error.message
    throw error
  }

  function contextOf(operation: Operation) {
    return { aws: inputs.aws, region: caller.dataPipeline.region, env: runner.env, operation }
  }

  /** Gives a task that an earlier job has taken, if the service still has it. */
  function givenTask(task: Task): () => Promise<Task | undefined> {
    return async () => {
      const deadline = invocation.bindToShutdown(
        new Deadline(systemClock, inputs.reporting.timeoutSeconds * 1000, 'timeout-seconds'),
      )
      try {
        const { response } = await callWithRetry((call) => caller.dataPipeline.reportTaskProgress(task.taskId, call), {
          ...caller,
          deadline,
        })
        if (!response.canceled) return task
        runner.log.info(`AWS Data Pipeline canceled task ${shortTaskId(task.taskId)}. Nothing is run.`)
      } catch (error) {
        const isGone = error instanceof CallError && isTaskGone(error.failure)
        if (!isGone)
          openTasks.note({ taskId: task.taskId, decision: decisionFor(task.taskId, NOT_ACKNOWLEDGED, inputs, runner) })
        const why = await explainFailure(error, contextOf('ReportTaskProgress'))
        if (!isGone) {
          throw new TakeError(`Could not acknowledge task ${shortTaskId(task.taskId)}: ${why}`, error)
        }
        runner.log.warning(`AWS Data Pipeline no longer has task ${shortTaskId(task.taskId)}. Nothing is run: ${why}`)
      }
      openTasks.close(task.taskId)
      tally.add({ task, end: undefined, reported: false, error: undefined, isFileCommandInvalid: false })
      return undefined
    }
  }

  /** Polls a worker group for one task after the other. */
  function workerGroup(name: string): () => Promise<Task | undefined> {
    let polledAt = Number.NEGATIVE_INFINITY
    const next = async (): Promise<Task | undefined> => {
      if (isEnding()) return undefined
      await systemClock.sleep(Math.max(0, polledAt + BETWEEN_POLLS_MS - systemClock.now()), invocation.shutdown)
      polledAt = systemClock.now()
      const { tasks, failure } = await pollTasks(
        {
          workerGroup: name,
          hostname: runner.env['RUNNER_NAME']?.trim(),
          maxTasks: 1,
          waitMs: inputs.waitSeconds * 1000,
          pollers: 1,
          taskrunnerId: undefined,
        },
        {
          ...caller,
          budgetMs: inputs.reporting.timeoutSeconds * 1000,
          clock: systemClock,
          mask: runner.mask,
          onUnconfirmed: (task) => void unconfirmed.add(task),
          bindToShutdown: invocation.bindToShutdown,
          isShuttingDown: isEnding,
        },
      )
      if (failure !== undefined) {
        const { operation, error } = failure
        throw new TakeError(await explainPollError(error, name, contextOf(operation)), error)
      }
      const [task] = tasks
      if (task !== undefined && openTasks.has(task.taskId)) {
        // Heartbeats were late, and its acknowledgement has made it this step's again. Its command still runs.
        runner.log.warning(`Task ${shortTaskId(task.taskId)} came again while it runs. It is not run twice.`)
        return next()
      }
      if (task === undefined && !isEnding()) runner.log.info(`No more tasks for worker group ${quoteValue(name)}.`)
      return task
    }
    return next
  }
}

/** Thrown when no task can be taken. The message is for the user. */
class TakeError extends Error {
  override readonly name = 'TakeError'

  constructor(message: string, cause: unknown) {
    super(message, { cause })
  }
}

/** Gives a function that tells whether the runner's process is gone, where it is known which one that is. */
function runnerWatch(): () => boolean {
  const worker = process.platform === 'linux' ? findWorker(process.ppid) : undefined
  if (worker === undefined) return () => false
  const look = watchRunner(watchedRunner(process.ppid, worker), () => false, systemClock.now)
  return () => look() !== 'there'
}

function writeResults({ source, reporting }: TaskRunnerInputs, tally: Tally, runner: Runner): void {
  const { last } = tally
  setOutputs(
    {
      count: String(tally.count),
      finished: String(tally.finished),
      failed: String(tally.failed),
      false: String(tally.false),
      canceled: String(tally.canceled),
      'task-id': last?.task.taskId ?? '',
      status: last?.end?.status ?? '',
      'exit-code': last?.end?.exitCode === undefined ? '' : String(last.end.exitCode),
      reported: String(last?.reported ?? false),
    },
    runner,
  )
  if (!reporting.summary) return
  const rows: SummaryRow[] = [
    ...('workerGroup' in source ? [['Worker group', source.workerGroup] as const] : []),
    ['Tasks', String(tally.count)],
    ...tally.rows.map(({ name, status }, index): SummaryRow => [`Task ${index + 1}`, `${name}\n${status}`]),
  ]
  writeSummary('AWS Data Pipeline tasks', rows, runner)
}

/** @throws Error with everything that fails the step */
function endStep(
  { reporting, failOnTaskFailure }: TaskRunnerInputs,
  tally: Tally,
  problem: string | undefined,
  { log }: Runner,
): void {
  const errors = [...tally.errors, ...(problem === undefined ? [] : [problem])]
  const failures: string[] = []
  if (reporting.failOnError) failures.push(...errors)
  else for (const error of errors) log.warning(`${error} (fail-on-error is false: the step does not fail.)`)
  if (failOnTaskFailure) {
    failures.push(...tally.failures)
    const others = tally.failed - tally.failures.length
    if (others > 0) failures.push(`Reported FAILED for ${others} more.`)
  }
  if (tally.hasInvalidFileCommand) failures.push('A command wrote a file of the runner in an invalid format.')
  if (failures.length > 0) throw new Error(failures.join('\n'))
}
