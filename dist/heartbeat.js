const { heartbeat, runAction } = require('./actions/index.js');
// The runner ends steps by signals. Those that reach this process are meant for others: it says itself when it ends.
void runAction(heartbeat, { signals: {}, reader: 'file' });
