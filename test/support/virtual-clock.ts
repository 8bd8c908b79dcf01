import type { Clock } from '../../src/util/clock.ts'

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

/**
 * A clock that moves on only when all work is done and everybody sleeps, to the first who is due: what happens at the
 * same time, as a beat and the wait for its end, happens in the right order.
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

  /** Lets time go by until the work is done. @throws Error when it never will be, or not within so many milliseconds */
  async run<T>(work: Promise<T>, limitMs = 30 * 86_400_000): Promise<T> {
    let done = false
    const settled = work.finally(() => {
      done = true
    })
    settled.catch(() => undefined)
    for (;;) {
      // All promises that can be settled are settled when this comes back.
      await new Promise((resolve) => setImmediate(resolve))
      if (done) return settled
      const next = this.#firstDue()
      if (next === undefined) throw new Error('nothing will ever happen again')
      if (next.at > limitMs) throw new Error(`the work is not done after ${limitMs} ms`)
      this.#now = Math.max(this.#now, next.at)
      next.wake()
    }
  }

  /** Of several at the same time, the one that went to sleep first. */
  #firstDue(): Sleeper | undefined {
    let first: Sleeper | undefined
    for (const sleeper of this.#sleepers) if (first === undefined || sleeper.at < first.at) first = sleeper
    return first
  }
}
