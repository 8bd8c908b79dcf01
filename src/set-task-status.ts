import { readSetTaskStatusInputs, type StatusInput } from './inputs.ts'
import { reportTask } from './report-task.ts'
import type { Invocation } from './run-action.ts'
import { deriveStatus, type TaskStatus } from './status.ts'

/** The root action: tells AWS Data Pipeline how a task ended. */
export async function setTaskStatus(invocation: Invocation): Promise<void> {
  const { status, ...inputs } = readSetTaskStatusInputs(invocation.runner.input)
  await reportTask({ ...inputs, status: statusOf(status) }, invocation)
}

function statusOf(status: StatusInput): TaskStatus {
  return 'given' in status ? status.given : deriveStatus(status.derivedFrom, status.precondition)
}
