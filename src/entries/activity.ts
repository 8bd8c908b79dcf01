import { holdActivity, runAction } from '../actions/index.ts'

void runAction(holdActivity)
