import { runAction, taskRunnerPost } from '../actions/index.ts'

void runAction(taskRunnerPost)
