import { activityPost, runAction } from '../actions/index.ts'

void runAction(activityPost)
