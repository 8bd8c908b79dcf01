import type { Clock } from '../../src/util/clock.ts'

/** A clock whose sleeps take no time and only advance it. */
export class FakeClock implements Clock {
  /** Every requested sleep, in milliseconds. */
  readonly sleeps: number[] = []
  #now: number

  constructor(now = 1_000_000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  /** Advances the clock, as work would. */
  advance(ms: number): void {
    this.#now += ms
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    // The work of an attempt comes first. A sleep in parallel, its timeout, ends only when nothing else happens.
    for (let turn = 0; turn < 50; turn++) await undefined
    if (signal?.aborted) return
    this.sleeps.push(ms)
    this.#now += ms
  }
}
