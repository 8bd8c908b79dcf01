import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import {
  type AddressInfo,
  connect,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from 'node:net'
import { selfSigned } from './certificate.ts'

/** Whether a proxy forwards requests, or refuses them with a page. */
export type ProxyConduct = 'forward' | { readonly status: number; readonly page: string }

/** A forward proxy on 127.0.0.1: absolute URLs for plain http, CONNECT for everything else. */
export class LocalProxy {
  /** The received requests: `POST http://…`, `CONNECT host:port`. */
  readonly requests: string[] = []
  /** The received Proxy-Authorization headers. */
  readonly authorizations: Array<string | undefined> = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  /** @param target the destination of every CONNECT, as names such as those of AWS don't resolve to a loopback address */
  private constructor(conduct: ProxyConduct, target: string | undefined) {
    this.#server = createServer((incoming, outgoing) => {
      this.#note(incoming)
      if (conduct !== 'forward') {
        outgoing.writeHead(conduct.status, { 'Content-Type': 'text/html' }).end(conduct.page)
        return
      }
      const onward = request(incoming.url ?? '', { method: incoming.method, headers: incoming.headers }, (response) => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers)
        response.pipe(outgoing)
      })
      onward.on('error', () => outgoing.writeHead(502).end())
      incoming.pipe(onward)
    })
    this.#server.on('connection', (socket) => this.#keep(socket))
    this.#server.on('connect', (incoming, client: Socket) => {
      this.#note(incoming)
      if (conduct !== 'forward') {
        client.end(`HTTP/1.1 ${conduct.status} No\r\nContent-Type: text/html\r\n\r\n${conduct.page}`)
        return
      }
      const { hostname, port } = new URL(target ?? `http://${incoming.url}`)
      const server = connect(Number(port), hostname, () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'))
      this.#keep(server)
      client.pipe(server).pipe(client)
    })
  }

  static async start(conduct: ProxyConduct = 'forward', target?: string): Promise<LocalProxy> {
    const proxy = new LocalProxy(conduct, target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #note(incoming: IncomingMessage): void {
    this.requests.push(`${incoming.method} ${incoming.url}`)
    this.authorizations.push(incoming.headers['proxy-authorization'])
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }
}

/** An https address on 127.0.0.1 with a certificate of its own, in front of a plain http one. */
export class TlsFront {
  /** The certificate to trust. */
  readonly cert: string
  readonly #server: ReturnType<typeof createTlsServer>

  private constructor(names: readonly string[], listener: RequestListener) {
    const { cert, key } = selfSigned(names)
    this.cert = cert
    this.#server = createTlsServer({ cert, key }, listener)
    this.#server.on('tlsClientError', () => {})
  }

  /** @param behind the destination of requests, or that for each host name */
  static async start(
    behind: string | Readonly<Record<string, string>>,
    names: readonly string[] = typeof behind === 'string' ? ['127.0.0.1', 'localhost'] : Object.keys(behind),
  ): Promise<TlsFront> {
    const front = new TlsFront(names, (incoming, outgoing) => {
      const options = { method: incoming.method, headers: incoming.headers, path: incoming.url }
      const address = typeof behind === 'string' ? behind : (behind[incoming.headers.host ?? ''] ?? '')
      const onward = request(address, options, (response) => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers)
        response.pipe(outgoing)
      })
      onward.on('error', () => outgoing.destroy())
      incoming.pipe(onward)
    })
    await new Promise<void>((resolve) => front.#server.listen(0, '127.0.0.1', resolve))
    return front
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** An address on 127.0.0.1 that accepts its first connection without a response, and forwards all others to a port. */
export class SilentOnce {
  readonly #server: NetServer
  readonly #sockets = new Set<Socket>()
  /** The accepted connections. */
  connections = 0

  private constructor(port: number) {
    this.#server = createNetServer((client) => {
      this.connections += 1
      this.#keep(client)
      if (this.connections === 1) return
      const onward = connect(port, '127.0.0.1')
      this.#keep(onward)
      client.pipe(onward).pipe(client)
    })
  }

  /** @param port of 127.0.0.1 */
  static async start(port: number): Promise<SilentOnce> {
    const silent = new SilentOnce(port)
    await new Promise<void>((resolve) => silent.#server.listen(0, '127.0.0.1', resolve))
    return silent
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
  }
}
