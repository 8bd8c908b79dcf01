import { readSetTaskStatusInputs } from './inputs.ts'
import { reportTask } from './report-task.ts'
import type { Invocation } from './run-action.ts'

/** The root action: tells AWS Data Pipeline how a task ended. */
export async function setTaskStatus(invocation: Invocation): Promise<void> {
  await reportTask(readSetTaskStatusInputs(invocation.runner.input), invocation)
}
