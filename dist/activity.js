import { holdActivity, runAction } from './actions/index.js';
void runAction(holdActivity);
