import { isRunning, kill, type ProcessIdentity } from '../activity/process-identity.ts'
import { restoreEndpoints } from '../activity/saved-state.ts'
import type { Caller } from '../aws/call-with-retry.ts'
import { openDataPipeline } from '../aws/open-client.ts'
import type { Invocation } from '../github/invocation.ts'
import { readCheckRunId } from '../inputs/reporting.ts'
import { errorMessage } from '../masking/error-message.ts'
import { shortTaskId } from '../masking/short-task-id.ts'
import { sendTaskReport } from '../report/report-task.ts'
import { endAbandoned } from '../task-runner/command.ts'
import { OpenTaskRoute } from '../task-runner/open-task-route.ts'
import { type OpenTask, readOpenTasks, removeOpenTasks, type SavedStep, savedStep } from '../task-runner/open-tasks.ts'
import { requestFor } from '../task-runner/report-end.ts'
import { CANCELLED_END } from '../task-runner/task-end.ts'
import { systemClock } from '../util/clock.ts'

/** A main step that gets a signal reports its tasks itself, within 2 s. */
const ENDS_WITHIN_MS = 4_000
const GONE_WITHIN_MS = 2_000
const CHECK_EVERY_MS = 20

/** The post step of task-runner: reports the tasks that the main step has left open, because it was killed. */
export async function taskRunnerPost(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const saved = savedStep(runner)
  if (saved === undefined) return
  await endMainStep(saved.step, invocation)
  const tasks = readOpenTasks(saved.folder)
  if (tasks.length === 0) return removeOpenTasks(saved.folder)
  for (const { taskId, command, decision } of tasks) {
    // An end is decided when nothing of the task runs any more.
    if (command !== undefined || decision === undefined) await endAbandoned(command, taskId)
  }
  const errors = await reportAll(
    tasks.filter(({ isLost }) => !isLost),
    saved,
    invocation,
  )
  removeOpenTasks(saved.folder)
  if (errors.length === 0) return
  const message = errors.join('\n')
  if (saved.reporting.failOnError) throw new Error(message)
  runner.log.warning(`${message} (fail-on-error is false: the step does not fail.)`)
}

/** Ends a main step that still runs: in a container, it does not get the signals of the runner. */
async function endMainStep(step: ProcessIdentity, { runner }: Invocation): Promise<void> {
  // Only Linux tells it from another process that has its id by now. Other systems have no container jobs.
  if (step.startedAt === undefined || !isRunning(step)) return
  runner.log.info('The main step still runs. Ending it.')
  process.kill(step.pid, 'SIGTERM')
  if (await isGone(step, ENDS_WITHIN_MS)) return
  kill(step)
  await isGone(step, GONE_WITHIN_MS)
}

async function isGone(step: ProcessIdentity, withinMs: number): Promise<boolean> {
  const until = systemClock.now() + withinMs
  while (isRunning(step)) {
    if (systemClock.now() >= until) return false
    await systemClock.sleep(CHECK_EVERY_MS)
  }
  return true
}

/** Reports each task, at the same time. Gives the errors. */
async function reportAll(tasks: readonly OpenTask[], saved: SavedStep, invocation: Invocation): Promise<string[]> {
  const { runner } = invocation
  if (tasks.length === 0) return []
  // The reports go to where the tasks were taken, whatever later steps have set.
  restoreEndpoints(saved.endpoints, process.env)
  let caller: Caller | undefined
  try {
    const open = await openDataPipeline(saved.aws, saved.reporting.timeoutSeconds * 1000, runner)
    caller = open
    return (await Promise.all(tasks.map((task) => reportOpen(task, saved, open, invocation)))).flat()
  } catch (error) {
    const ids = tasks.map(({ taskId }) => shortTaskId(taskId)).join(', ')
    return [`Could not report the end of task ${ids}: ${errorMessage(error)}`]
  } finally {
    caller?.dataPipeline.close()
  }
}

/** Reports the end that the main step decided, or else that it was ended before the task. */
async function reportOpen(
  { taskId, decision }: OpenTask,
  { aws, reporting }: SavedStep,
  caller: Caller,
  invocation: Invocation,
): Promise<string[]> {
  const { runner } = invocation
  const name = shortTaskId(taskId)
  runner.log.info(
    decision === undefined
      ? `The main step was ended before task ${name} was.`
      : `The main step could not report the end of task ${name}, or was ended before it knew that the service has it.`,
  )
  const checkRunId = readCheckRunId(runner.input)
  const request = requestFor(taskId, CANCELLED_END, '', { aws, reporting, checkRunId }, runner)
  const status = decision?.status ?? request.status.status
  const route = new OpenTaskRoute(caller, NO_RECORD, { saved: decision, secrets: runner.secrets })
  const { error } = await sendTaskReport(
    { ...request, status: { ...request.status, status } },
    'post',
    invocation,
    () => route,
  )
  return error === undefined ? [] : [error.message]
}

/** There is no later step that could use a record. */
const NO_RECORD = { note: () => undefined, close: () => undefined }
