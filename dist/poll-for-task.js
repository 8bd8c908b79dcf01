import { pollForTask, runAction } from './actions/index.js';
void runAction(pollForTask);
