const { activityMain, runAction } = require('./actions/index.js');
void runAction(activityMain);
