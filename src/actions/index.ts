// All actions are one bundle, as they share nearly everything. What the root action does is loaded with it; what only
// another one does is a chunk of its own.
import type { Invocation } from '../github/invocation.ts'

export { runAction } from './run-action.ts'
export { setTaskStatus } from './set-task-status.ts'

export async function activityMain(invocation: Invocation): Promise<void> {
  const main = await import('./activity-main.ts')
  return main.activityMain(invocation)
}

export async function activityPost(invocation: Invocation): Promise<void> {
  const post = await import('./activity-post.ts')
  return post.activityPost(invocation)
}

export async function heartbeat(invocation: Invocation): Promise<void> {
  const { runHeartbeatProcess } = await import('./heartbeat-process.ts')
  return runHeartbeatProcess(invocation)
}

export async function pollForTask(invocation: Invocation): Promise<void> {
  const poll = await import('./poll-for-task.ts')
  return poll.pollForTask(invocation)
}

export async function taskRunner(invocation: Invocation): Promise<void> {
  const main = await import('./task-runner.ts')
  return main.taskRunner(invocation)
}

export async function taskRunnerPost(invocation: Invocation): Promise<void> {
  const post = await import('./task-runner-post.ts')
  return post.taskRunnerPost(invocation)
}
