import { heartbeat, runAction } from './actions/index.ts'

void runAction(heartbeat)
