import { findHeartbeat, routeFor } from '../activity/find-heartbeat.ts'
import type { Invocation } from '../github/invocation.ts'
import { inputAdjustments } from '../inputs/aws.ts'
import { readSetTaskStatusInputs } from '../inputs/set-task-status.ts'
import { reportTask } from '../report/report-task.ts'
import { systemClock } from '../util/clock.ts'

/** The root action: reports to AWS Data Pipeline how a task ended. */
export async function setTaskStatus(invocation: Invocation): Promise<void> {
  const { runner } = invocation
  const inputs = readSetTaskStatusInputs(runner.input)
  for (const adjustment of inputAdjustments(runner.input)) runner.log.warning(adjustment)
  const { taskId } = inputs
  const client = inputs.reporting.dryRun ? undefined : await findHeartbeat(taskId, runner, systemClock)
  try {
    await reportTask(inputs, 'step', invocation, () => routeFor(taskId, 'step', client, runner))
  } finally {
    client?.close()
  }
}
