import type { Clock } from '../../src/util/clock.ts'

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

/**
 * A clock that advances only when all work is done and all tasks sleep, to the first that is due. Simultaneous events, such
 * as a heartbeat and the wait for its end, happen in the right order.
 */
export class VirtualClock implements Clock {
  readonly #sleepers = new Set<Sleeper>()
  #now = 0

  now(): number {
    return this.#now
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const sleeper: Sleeper = {
        at: this.#now + Math.max(0, ms),
        wake: () => {
          this.#sleepers.delete(sleeper)
          signal?.removeEventListener('abort', sleeper.wake)
          resolve()
        },
      }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', sleeper.wake)
    })
  }

  /** Lets time pass until the work is done. @throws Error when nothing is due, or the work is not done within the limit */
  async run<T>(work: Promise<T>, limitMs = 30 * 86_400_000): Promise<T> {
    let done = false
    const settled = work.finally(() => {
      done = true
    })
    settled.catch(() => undefined)
    for (;;) {
      // All promises that can settle have settled after this.
      await new Promise((resolve) => setImmediate(resolve))
      if (done) return settled
      const next = this.#firstDue()
      if (next === undefined) throw new Error('nothing is due')
      if (next.at > limitMs) throw new Error(`the work is not done after ${limitMs} ms`)
      this.#now = Math.max(this.#now, next.at)
      next.wake()
    }
  }

  /** Of several at the same time, the one whose sleep started first. */
  #firstDue(): Sleeper | undefined {
    let first: Sleeper | undefined
    for (const sleeper of this.#sleepers) if (first === undefined || sleeper.at < first.at) first = sleeper
    return first
  }
}
