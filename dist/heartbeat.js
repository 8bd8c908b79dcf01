import { heartbeat, runAction } from './actions/index.js';
void runAction(heartbeat);
