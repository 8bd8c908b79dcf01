import { pollForTask, runAction } from '../actions/index.ts'

void runAction(pollForTask)
