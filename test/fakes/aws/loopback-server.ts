import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** An HTTP server on 127.0.0.1 that can be stopped at any moment, also while requests hang. */
export class LoopbackServer {
  readonly url: string
  readonly #server: Server
  readonly #sockets: Set<Socket>
  readonly #failures: unknown[]

  private constructor(server: Server, sockets: Set<Socket>, failures: unknown[]) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#server = server
    this.#sockets = sockets
    this.#failures = failures
  }

  /** Starts to listen; port 0 takes any free port. */
  static async listen(handle: Handler, port = 0): Promise<LoopbackServer> {
    const sockets = new Set<Socket>()
    const failures: unknown[] = []
    const server = createServer((request, response) => {
      handle(request, response).catch((error: unknown) => {
        if (!request.socket.destroyed) failures.push(error)
        request.socket.destroy()
      })
    })
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('error', () => {}) // A client that disconnects is not an error of the server.
      socket.on('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
    return new LoopbackServer(server, sockets, failures)
  }

  /** Closes the port and every connection. Rejects with the first error of the server itself, if there was one. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
    if (this.#failures.length > 0) throw this.#failures[0]
  }
}

/** The whole body as text; rejects when the client disconnects before its end. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
