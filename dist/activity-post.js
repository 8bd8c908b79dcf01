const { activityPost, runAction } = require('./actions/index.js');
void runAction(activityPost);
