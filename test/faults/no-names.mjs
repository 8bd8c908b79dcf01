// The fault suite loads this into an action (NODE_OPTIONS=--import): every name is unknown, as on a machine whose DNS
// fails. The resolver of this machine is not used, as its result and time for an unknown name vary.
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
