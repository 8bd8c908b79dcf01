const { runAction, taskRunner } = require('./actions/index.js');
void runAction(taskRunner);
