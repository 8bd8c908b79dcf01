import type { Clock } from '../../src/util/clock.ts'

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

/**
 * A clock that advances only when all work is done and all tasks sleep, to the first that is due. Sleeps take no time, and
 * simultaneous events, such as a heartbeat and the wait for its end, happen in the right order.
 */
export class FakeClock implements Clock {
  /** Every sleep that came to its end, in milliseconds. */
  readonly sleeps: number[] = []
  readonly #sleepers = new Set<Sleeper>()
  #now = 0
  #passes: boolean

  /** @param passes whether time passes by itself; else in `run` only */
  constructor({ passes = true }: { readonly passes?: boolean } = {}) {
    this.#passes = passes
  }

  now(): number {
    return this.#now
  }

  /** Advances the clock, as work would. */
  advance(ms: number): void {
    this.#now += ms
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const end = (): void => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const sleeper: Sleeper = {
        at: this.#now + Math.max(0, ms),
        wake: () => {
          this.sleeps.push(ms)
          end()
        },
      }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', end)
      if (this.#passes) setImmediate(() => this.#advanceToFirst())
    })
  }

  /**
   * Lets time pass until the work is done, as it does without this, but not for work that never ends.
   * @throws Error when nothing is due, or the work is not done within the limit
   */
  async run<T>(work: Promise<T>, limitMs = 30 * 86_400_000): Promise<T> {
    this.#passes = false
    let done = false
    const settled = work.finally(() => {
      done = true
    })
    settled.catch(() => undefined)
    for (;;) {
      // All promises that can settle have settled after this.
      await new Promise((resolve) => setImmediate(resolve))
      if (done) return settled
      if (this.#sleepers.size === 0) throw new Error('nothing is due')
      this.#advanceToFirst()
      if (this.#now > limitMs) throw new Error(`the work is not done after ${limitMs} ms`)
    }
  }

  /** Of several at the same time, the one whose sleep started first. */
  #advanceToFirst(): void {
    let first: Sleeper | undefined
    for (const sleeper of this.#sleepers) if (first === undefined || sleeper.at < first.at) first = sleeper
    if (first === undefined) return
    this.#now = Math.max(this.#now, first.at)
    first.wake()
  }
}
