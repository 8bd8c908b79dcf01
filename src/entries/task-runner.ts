import { runAction, taskRunner } from '../actions/index.ts'

void runAction(taskRunner)
