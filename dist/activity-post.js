import { endActivity, runAction } from './actions/index.js';
void runAction(endActivity);
