import { activityPost, runAction } from './actions/index.js';
void runAction(activityPost);
