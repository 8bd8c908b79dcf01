import { tmpdir } from 'node:os'
import { markReported } from '../activity/reported-mark.ts'
import { messageOf } from '../errors.ts'
import { readSetTaskStatusInputs } from '../inputs.ts'
import { reportTask } from '../report/report-task.ts'
import type { Invocation } from '../run-action.ts'

/** The root action: tells AWS Data Pipeline how a task ended. */
export async function setTaskStatus(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const inputs = readSetTaskStatusInputs(runner.input)
  if (!(await reportTask(inputs, invocation))) return
  try {
    markReported(runner.env['RUNNER_TEMP'] || tmpdir(), inputs.taskId)
  } catch (error) {
    runner.log.debug(`No activity was told of the report: ${messageOf(error)}`)
  }
}
