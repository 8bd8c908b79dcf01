import { endActivity, runAction } from '../actions/index.ts'

void runAction(endActivity)
