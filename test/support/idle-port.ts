import { createServer } from 'node:net'

/** Below the ephemeral ports, so that no other process gets one by chance. */
const PORTS = { first: 20_000, count: 10_000 }
let given = 0

/** A port of 127.0.0.1 on which nothing listens, for this caller only. */
export async function idlePort(): Promise<number> {
  for (;;) {
    // Far apart for processes that run in parallel.
    const port = PORTS.first + ((process.pid * 97 + given++) % PORTS.count)
    if (await isIdle(port)) return port
  }
}

function isIdle(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
