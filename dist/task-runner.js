import { runAction, taskRunner } from './actions/index.js';
void runAction(taskRunner);
