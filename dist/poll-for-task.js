const { pollForTask, runAction } = require('./actions/index.js');
void runAction(pollForTask);
