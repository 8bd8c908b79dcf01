import { activityMain, runAction } from '../actions/index.ts'

void runAction(activityMain)
