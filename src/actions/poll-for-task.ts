import { hostname } from 'node:os'
import type { DataPipeline, Task } from '../aws/data-pipeline.ts'
import type { Operation } from '../aws/error-hints.ts'
import { maskOwnCredentials, openDataPipeline } from '../aws/open-client.ts'
import type { Invocation } from '../github/invocation.ts'
import { writeSummary } from '../github/outputs.ts'
import type { Runner } from '../github/runner.ts'
import type { SummaryRow } from '../github/summary.ts'
import { inputAdjustments } from '../inputs/aws.ts'
import { type PollForTaskInputs, readPollForTaskInputs } from '../inputs/poll-for-task.ts'
import { errorMessage } from '../masking/error-message.ts'
import { formatId, quoteValue } from '../masking/format.ts'
import { withoutSecretsIn } from '../masking/known-secrets.ts'
import { shortTaskId } from '../masking/short-task-id.ts'
import { explainPollError } from '../polling/poll-error.ts'
import { type PolledTasks, pollTasks } from '../polling/poll-tasks.ts'
import { fittingOutputs, OBJECTS_OF_ENTRIES, type TaskOutputs } from '../polling/task-outputs.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'

/** More make the summary hard to read. */
const MAX_SUMMARY_ROWS = 50

/** Names of omitted fields in the log. */
const MAX_NAMES = 10

/** The action poll-for-task: takes tasks from a worker group, and hands them on to other steps and jobs. */
export async function pollForTask({ runner, isShuttingDown, bindToShutdown }: Invocation): Promise<void> {
  const inputs = readPollForTaskInputs(runner.input)
  for (const adjustment of inputAdjustments(runner.input)) runner.log.warning(adjustment)
  if (inputs.reporting.dryRun) {
    await maskOwnCredentials(
      inputs.aws,
      runner,
      bindToShutdown(new Deadline(systemClock, inputs.reporting.timeoutSeconds * 1000)),
    )
    runner.log.info(`Dry run: worker group ${quoteValue(inputs.workerGroup)} is not polled.`)
    await handOn([], inputs, runner)
    return
  }
  // Fails before a task is taken that could not be handed on.
  writeOutputs({ found: 'false' }, [], inputs, runner)
  let dataPipeline: DataPipeline | undefined
  let taken: PolledTasks
  try {
    const budgetMs = inputs.reporting.timeoutSeconds * 1000
    const open = await openDataPipeline(inputs.aws, budgetMs, runner)
    dataPipeline = open.dataPipeline
    taken = await pollTasks(
      {
        workerGroup: inputs.workerGroup,
        hostname: inputs.hostname ?? (runner.env['RUNNER_NAME']?.trim() || hostname()),
        maxTasks: inputs.maxTasks,
        waitMs: inputs.waitSeconds * 1000,
        pollers: inputs.jobTotal,
        taskrunnerId: inputs.taskrunnerId,
      },
      {
        ...open,
        budgetMs,
        clock: systemClock,
        mask: runner.mask,
        isShuttingDown,
        bindToShutdown,
      },
    )
  } catch (error) {
    await giveUp(error, 'PollForTask')
    return
  } finally {
    dataPipeline?.close()
  }
  const { tasks, failure } = taken
  // Tasks that were acknowledged are handed on even after a failure: no other task runner gets them.
  if (failure !== undefined && tasks.length === 0) return giveUp(failure.error, failure.operation)
  if (failure !== undefined)
    runner.log.warning(`Polling ended early: ${await describeError(failure.error, failure.operation)}`)
  announce(taken, inputs, dataPipeline.unusualOrigin, runner)
  await handOn(tasks, inputs, runner)

  function describeError(error: unknown, operation: Operation): Promise<string> {
    const { aws, workerGroup } = inputs
    return explainPollError(error, workerGroup, { aws, region: dataPipeline?.region, env: runner.env, operation })
  }

  async function giveUp(error: unknown, operation: Operation): Promise<void> {
    const message = await describeError(error, operation)
    await handOn([], inputs, runner).catch((cause: unknown) => runner.log.warning(errorMessage(cause)))
    if (inputs.reporting.failOnError) throw new Error(message, { cause: error })
    runner.log.warning(`${message} (fail-on-error is false: the step does not fail.)`)
  }
}

/** @param origin where the polls went; undefined when that is the address of AWS */
function announce(
  { tasks }: PolledTasks,
  { workerGroup }: PollForTaskInputs,
  origin: string | undefined,
  { log }: Runner,
): void {
  const at = origin === undefined ? '' : ` at ${origin}`
  if (tasks.length === 0) log.info(`No task for worker group ${quoteValue(workerGroup)}${at}.`)
  for (const task of tasks)
    log.info(
      `Took task ${shortTaskId(task.taskId)} of pipeline ${formatId(task.pipelineId)}, ` +
        `attempt ${formatId(task.attemptId)}.`,
    )
  const encrypted = new Set(tasks.flatMap((task) => task.encrypted.map(({ key }) => key)))
  if (encrypted.size === 0) return
  const names = [...encrypted].slice(0, MAX_NAMES).map((key) => quoteValue(key))
  const more = encrypted.size > MAX_NAMES ? ` and ${encrypted.size - MAX_NAMES} more` : ''
  log.info(`Omitted from the outputs, because they are encrypted in the pipeline: ${names.join(', ')}${more}.`)
}

/** Writes outputs and summary. Fails when an output can't be written: a task that is not handed on hangs its pipeline. */
async function handOn(
  tasks: readonly Task[],
  { workerGroup, reporting }: PollForTaskInputs,
  runner: Runner,
): Promise<void> {
  const { outputs, omitted } = fittingOutputs(tasks, withoutSecretsIn)
  const notice = `The outputs of a job may have 1 MB, and would be larger. Omitted: ${omitted.join(', ')}.`
  if (omitted.length === 1 && omitted[0] === OBJECTS_OF_ENTRIES) runner.log.info(notice)
  else if (omitted.length > 0) runner.log.warning(notice)
  writeOutputs(outputs, tasks, { workerGroup }, runner)
  if (!reporting.summary) return
  const rows: SummaryRow[] = [
    ['Worker group', workerGroup],
    ['Tasks', String(tasks.length)],
    ...tasks.slice(0, MAX_SUMMARY_ROWS).map((task, index): SummaryRow => [`Task ${index + 1}`, summaryOf(task)]),
  ]
  writeSummary('AWS Data Pipeline tasks taken', rows, runner)
}

/** The attempt comes first: it shows activity and time. */
function summaryOf({ attemptId, taskId, pipelineId }: Task): string {
  return `${formatId(attemptId)}\n${shortTaskId(taskId)} of ${formatId(pipelineId)}`
}

/** @throws Error that names the tasks that are not handed on */
function writeOutputs(
  outputs: Partial<TaskOutputs>,
  tasks: readonly Task[],
  { workerGroup }: Pick<PollForTaskInputs, 'workerGroup'>,
  runner: Runner,
): void {
  try {
    for (const [name, value] of Object.entries(outputs)) runner.output(name, value, true)
  } catch (cause) {
    const why = `could not write the outputs: ${errorMessage(cause)}.`
    const ids = tasks.map(({ taskId }) => shortTaskId(taskId)).join(', ')
    throw new Error(
      tasks.length === 0
        ? `Could not poll worker group ${quoteValue(workerGroup)} for tasks: ${why} No task was taken.`
        : `Could not hand on task ${ids}: ${why} It was acknowledged, and goes to another task runner after the ` +
            'reportProgressTimeout of its activity.',
      { cause },
    )
  }
}
