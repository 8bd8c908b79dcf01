/** Milliseconds without a look at the runner after which this machine was suspended, or this process stopped. */
const MAX_LOOK_GAP_MS = 30_000
/** Milliseconds after which the service may have given the task to another runner. */
const MAX_BEAT_AGE_MS = 300_000

/**
 * Knows whether the task is surely still this job's, so that a lost runner may be reported as its end: not when another
 * attempt may have the task by now. By the wall clock, as others stand still while a machine is suspended.
 */
export class LossGuard {
  readonly #now: () => number
  #lookedAt: number
  #arrivedAt: number
  #interruptedAt: number | undefined
  #seenSince = true

  /** @param now milliseconds since 1970; the task was acknowledged just before */
  constructor(now: () => number) {
    this.#now = now
    this.#lookedAt = now()
    this.#arrivedAt = now()
  }

  /** To be called with each look at the runner, and whether it was there. */
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
   * To be called with each beat that arrived.
   *
   * @param startedAt when it was sent, in milliseconds since 1970: what the service said before an interruption is old, and
   *   one that comes after it says nothing of a runner that was lost in between
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
