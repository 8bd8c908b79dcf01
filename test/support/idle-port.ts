import { createServer } from 'node:net'

/** Below those that systems give out by themselves: a port that nobody asks for stays idle. */
const PORTS = { first: 20_000, count: 10_000 }
let given = 0

/** A port of 127.0.0.1 on which nobody listens, and nobody will but who asked for it here. */
export async function idlePort(): Promise<number> {
  for (;;) {
    // Far apart for processes that run side by side.
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
