import { runAction, taskRunnerPost } from './actions/index.js';
void runAction(taskRunnerPost);
