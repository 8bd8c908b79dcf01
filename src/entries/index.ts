import { runAction, setTaskStatus } from '../actions/index.ts'

void runAction(setTaskStatus)
