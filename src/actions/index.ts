// All actions are one bundle: they share nearly everything, and what only one of them needs is loaded when it runs.
import type { Invocation } from '../github/invocation.ts'

export { activityMain as holdActivity } from './activity-main.ts'
export { activityPost as endActivity } from './activity-post.ts'
export { pollForTask } from './poll-for-task.ts'
export { runAction } from './run-action.ts'
export { setTaskStatus } from './set-task-status.ts'

/** A part of its own: no step needs what only the heartbeat process does. */
export async function heartbeat(invocation: Invocation): Promise<void> {
  const { holdTask } = await import('./heartbeat-process.ts')
  return holdTask(invocation)
}
