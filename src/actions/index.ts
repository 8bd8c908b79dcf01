// All actions are one bundle: they share nearly everything, and what only one of them needs is loaded when it runs.
export { runAction } from '../run-action.ts'
export { endActivity } from './end-activity.ts'
export { heartbeat } from './heartbeat.ts'
export { holdActivity } from './hold-activity.ts'
export { pollForTask } from './poll-for-task.ts'
export { setTaskStatus } from './set-task-status.ts'
