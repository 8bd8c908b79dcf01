import { runAction } from './run-action.ts'
import { setTaskStatus } from './set-task-status.ts'

void runAction(setTaskStatus)
