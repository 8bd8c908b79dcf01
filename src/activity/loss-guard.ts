/** A longer time between two looks at the runner means that the machine was suspended, or this process stopped. */
const MAX_LOOK_GAP_MS = 30_000
/** Milliseconds after which the service may have given the task to another runner. */
const MAX_BEAT_AGE_MS = 300_000

/**
 * Decides whether a lost runner may be reported as the end of the task: not when another task runner may have the task by
 * now. By the wall clock, as the monotonic clock stops while a machine is suspended.
 */
export class LossGuard {
  readonly #now: () => number
  #lookedAt: number
  #arrivedAt: number
  #interruptedAt: number | undefined
  #seenSince = true

  /** @param now gives milliseconds since 1970. The task was acknowledged just before */
  constructor(now: () => number) {
    this.#now = now
    this.#lookedAt = now()
    this.#arrivedAt = now()
  }

  /** Notes a look at the runner, and whether it was there. */
  noteLook(isThere: boolean): void {
    const now = this.#now()
    if (Math.abs(now - this.#lookedAt) > MAX_LOOK_GAP_MS) {
      this.#interruptedAt = now
      this.#seenSince = false
    }
    this.#seenSince ||= isThere
    this.#lookedAt = now
  }

  /**
   * Notes a heartbeat that arrived. One that was sent before an interruption does not count, and one after it does not prove
   * that the runner was there in between.
   *
   * @param startedAt when it was sent, in milliseconds since 1970
   */
  noteArrival(startedAt: number): void {
    this.#arrivedAt = startedAt
    if (this.#seenSince && this.#interruptedAt !== undefined && startedAt >= this.#interruptedAt)
      this.#interruptedAt = undefined
  }

  mayReportLoss(): boolean {
    return this.#interruptedAt === undefined && Math.abs(this.#now() - this.#arrivedAt) <= MAX_BEAT_AGE_MS
  }
}
