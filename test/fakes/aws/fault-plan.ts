/**
 * Which fault each request gets. Queued faults come first, each for one request. Then come the lasting ones, until
 * their time is over or they are cleared.
 */
export class FaultPlan<Fault> {
  readonly #clock: () => number
  #queue: Fault[] = []
  #lasting: Array<{ fault: Fault; until: number }> = []

  constructor(clock: () => number) {
    this.#clock = clock
  }

  enqueue(...faults: Fault[]): void {
    this.#queue.push(...faults)
  }

  /** @param forMs how long it lasts, by the clock of the service */
  addLasting(fault: Fault, forMs = Number.POSITIVE_INFINITY): void {
    this.#lasting.push({ fault, until: this.#clock() + forMs })
  }

  clear(): void {
    this.#queue = []
    this.#lasting = []
  }

  /** The fault that the next `take` would return. */
  peek(applies: (fault: Fault) => boolean = () => true): Fault | undefined {
    const now = this.#clock()
    return this.#queue.find(applies) ?? this.#lasting.find((each) => now < each.until && applies(each.fault))?.fault
  }

  /** The first fault that applies; removes it from the queue. */
  take(applies: (fault: Fault) => boolean = () => true): Fault | undefined {
    const fault = this.peek(applies)
    const index = this.#queue.findIndex(applies)
    if (index >= 0) this.#queue.splice(index, 1)
    return fault
  }
}
