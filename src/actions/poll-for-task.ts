import { hostname } from 'node:os'
import type { DataPipeline } from '../aws/data-pipeline.ts'
import { systemClock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import { explainFailure } from '../explain-failure.ts'
import type { Runner } from '../github/runner.ts'
import { type SummaryRow, summaryTable } from '../github/summary.ts'
import { type PollForTaskInputs, readPollForTaskInputs } from '../inputs.ts'
import { openDataPipeline } from '../open-data-pipeline.ts'
import { type TakenTasks, takeTasks } from '../poll/take-tasks.ts'
import { fittingOutputs } from '../poll/task-outputs.ts'
import type { Invocation } from '../run-action.ts'
import { shortTaskId } from '../task-id.ts'

/** More would make the summary unreadable. */
const MOST_SUMMARY_ROWS = 50

/** The action poll-for-task: takes tasks from a worker group, and hands them on to other steps and jobs. */
export async function pollForTask({ runner, onStop }: Invocation): Promise<void> {
  const inputs = readPollForTaskInputs(runner.input)
  if (inputs.reporting.dryRun) {
    runner.log.info(
      `Dry run, nothing was sent. PollForTask would be asked for worker group ${JSON.stringify(inputs.workerGroup)}.`,
    )
    await tell({ tasks: [], failure: undefined }, inputs, runner)
    return
  }
  let isStopping = false
  onStop(() => {
    isStopping = true
  })
  let dataPipeline: DataPipeline | undefined
  let taken: TakenTasks = { tasks: [], failure: undefined }
  try {
    const budgetMs = inputs.reporting.timeoutSeconds * 1000
    const open = await openDataPipeline(inputs.aws, budgetMs, runner)
    dataPipeline = open.dataPipeline
    taken = await takeTasks(
      {
        workerGroup: inputs.workerGroup,
        hostname: inputs.hostname ?? runner.env['RUNNER_NAME'] ?? hostname(),
        mostTasks: inputs.maxTasks,
        waitMs: inputs.waitSeconds * 1000,
        pollers: inputs.jobTotal,
        taskrunnerId: inputs.taskrunnerId,
      },
      {
        ...open,
        budgetMs,
        clock: systemClock,
        random: Math.random,
        log: runner.log,
        isStopping: () => isStopping,
        stoppable(deadline) {
          onStop((leftMs) => deadline.hurry(leftMs))
          return deadline
        },
      },
    )
    // What was taken is handed on whatever came after it: the tasks are held, and nobody else gets them.
    if (taken.failure !== undefined && taken.tasks.length === 0) throw taken.failure
  } catch (error) {
    const why = explainFailure(error, {
      aws: inputs.aws,
      region: dataPipeline?.region,
      env: runner.env,
      operation: 'PollForTask',
    })
    const message = `Could not poll worker group ${JSON.stringify(inputs.workerGroup)} for tasks: ${why}`
    await tell(taken, inputs, runner)
    if (inputs.reporting.failOnError) throw new Error(message, { cause: error })
    runner.log.warning(`${message} (fail-on-error is false, so the step goes on.)`)
    return
  } finally {
    dataPipeline?.close()
  }
  if (taken.failure !== undefined) runner.log.warning(`Polling ended early: ${taken.failure.message}`)
  announce(taken, inputs, runner)
  await tell(taken, inputs, runner)
}

function announce({ tasks }: TakenTasks, { workerGroup }: PollForTaskInputs, { log }: Runner): void {
  if (tasks.length === 0) log.info(`No task for worker group ${JSON.stringify(workerGroup)}.`)
  for (const task of tasks)
    log.info(`Took task ${shortTaskId(task.taskId)} of pipeline ${task.pipelineId}, attempt ${task.attemptId}.`)
}

/** Outputs and summary. Outputs that can't be written fail the step: a task that nobody hears of hangs its pipeline. */
async function tell(taken: TakenTasks, { workerGroup, reporting }: PollForTaskInputs, runner: Runner): Promise<void> {
  const { outputs, leftOut } = fittingOutputs(taken.tasks)
  if (leftOut.length > 0) {
    runner.log.warning(
      `The outputs of a job may have 1 MB, and the task is larger: left out are ${leftOut.join(', ')}.`,
    )
  }
  for (const [name, value] of Object.entries(outputs)) runner.output(name, value)
  if (!reporting.summary || !runner.env['GITHUB_STEP_SUMMARY']) return
  const rows: SummaryRow[] = [
    ['Worker group', workerGroup],
    ['Tasks', String(taken.tasks.length)],
    ...taken.tasks
      .slice(0, MOST_SUMMARY_ROWS)
      .map((task): SummaryRow => [task.attemptId, `${shortTaskId(task.taskId)} of ${task.pipelineId}`]),
  ]
  try {
    await runner.summarize(summaryTable('AWS Data Pipeline tasks taken', rows))
  } catch (error) {
    runner.log.warning(`The summary could not be written: ${messageOf(error)}`)
  }
}
