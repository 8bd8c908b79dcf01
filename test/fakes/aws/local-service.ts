import type { IncomingMessage, ServerResponse } from 'node:http'
import { FaultPlan } from './fault-plan.ts'
import type { FaultKind } from './faults.ts'
import { LoopbackServer } from './loopback-server.ts'

export interface LocalServiceOptions {
  /** Milliseconds since 1970. Default Date.now. */
  clock?: () => number
  /** Port to listen on. Default any free one. */
  port?: number
}

/** The common parts of the local services: an address, a stop, and faults. */
export abstract class LocalService<Fault extends FaultKind = FaultKind> {
  protected readonly clock: () => number
  protected readonly faults: FaultPlan<Fault>
  #server!: LoopbackServer

  protected constructor({ clock = Date.now }: LocalServiceOptions) {
    this.clock = clock
    this.faults = new FaultPlan(clock)
  }

  protected abstract handle(request: IncomingMessage, response: ServerResponse): Promise<void>

  protected async listen(port: number | undefined): Promise<this> {
    this.#server = await LoopbackServer.listen((request, response) => this.handle(request, response), port)
    return this
  }

  get url(): string {
    return this.#server.url
  }

  /** Closes the port and all connections, also those of requests that hang. */
  async stop(): Promise<void> {
    await this.#server.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Queues faults. Each affects one request, the next that it applies to. */
  injectFault(...faults: Fault[]): void {
    this.faults.enqueue(...faults)
  }

  /**
   * Injects a fault into every request that it applies to, until `clearFaults()` or until `forMs` have passed on the
   * clock of the service. Queued faults come first.
   */
  keepInjectingFault(fault: Fault, { forMs }: { forMs?: number } = {}): void {
    this.faults.addLasting(fault, forMs)
  }

  /** Removes all faults, queued and lasting. */
  clearFaults(): void {
    this.faults.clear()
  }
}
