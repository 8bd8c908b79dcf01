const { runAction, taskRunnerPost } = require('./actions/index.js');
void runAction(taskRunnerPost);
