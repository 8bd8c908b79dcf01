// Loaded into an action (NODE_OPTIONS=--import) by the fault suite: no name is known, as on a machine whose DNS fails. What
// the resolver of this machine makes of an unknown name, and how long it takes, is not part of it.
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'

dns.lookup = (hostname, options, callback = options) => {
  const error = new Error(`getaddrinfo ENOTFOUND ${hostname}`)
  process.nextTick(
    callback,
    Object.assign(error, { code: 'ENOTFOUND', errno: -3008, syscall: 'getaddrinfo', hostname }),
  )
}
syncBuiltinESMExports()
