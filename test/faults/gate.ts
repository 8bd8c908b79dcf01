import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { idlePort } from '../support/idle-port.ts'

/** A port in front of a service that can be closed (connections are refused) and opened again. */
export class Gate {
  readonly #behind: URL
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0
  #opening: NodeJS.Timeout | undefined

  private constructor(behind: string) {
    this.#behind = new URL(behind)
  }

  static async start(behind: string): Promise<Gate> {
    const gate = new Gate(behind)
    // A port that no other process takes while the gate is closed.
    gate.#port = await idlePort()
    await gate.open()
    return gate
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async open(): Promise<void> {
    const server = createServer((client) => {
      const service = connect(Number(this.#behind.port), this.#behind.hostname)
      for (const socket of [client, service]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#sockets.delete(socket)
          client.destroy()
          service.destroy()
        })
      }
      client.pipe(service).pipe(client)
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#server = server
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** Refuses connections for this time. */
  async closeFor(ms: number): Promise<void> {
    await this.close()
    this.#opening = setTimeout(() => void this.open(), ms)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#opening)
    await this.close()
  }
}
