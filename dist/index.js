import { runAction, setTaskStatus } from './actions/index.js';
void runAction(setTaskStatus);
