import { activityMain, runAction } from './actions/index.js';
void runAction(activityMain);
