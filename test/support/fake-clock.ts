import type { Clock } from '../../src/util/clock.ts'

/** A clock whose sleeps take no time: they only move it on. */
export class FakeClock implements Clock {
  /** Every sleep that was asked for, in milliseconds. */
  readonly sleeps: number[] = []
  #now: number

  constructor(now = 1_000_000) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  /** As if work had taken so long. */
  advance(ms: number): void {
    this.#now += ms
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    // Work of a try comes first: a sleep beside it, the limit of the try, goes on only when nothing else does.
    for (let turn = 0; turn < 50; turn++) await undefined
    if (signal?.aborted) return
    this.sleeps.push(ms)
    this.#now += ms
  }
}
