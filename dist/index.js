const { runAction, setTaskStatus } = require('./actions/index.js');
void runAction(setTaskStatus);
