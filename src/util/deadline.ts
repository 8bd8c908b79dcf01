import type { Clock } from './clock.ts'

/** A budget of time that can be made shorter while it is being spent, but never longer. */
export class Deadline {
  /** Milliseconds that it had in the beginning. */
  readonly budgetMs: number
  /** The input that says how long it is. */
  readonly input: string | undefined
  readonly #clock: Clock
  readonly #start: number
  readonly #waiting = new Set<() => void>()
  #end: number
  /** The last time somebody hurried, and when work that was under way then has to end. */
  #hurried = { at: Number.NEGATIVE_INFINITY, workEnds: Number.POSITIVE_INFINITY }

  /**
   * @param budgetMs milliseconds from now on
   * @param input that says how long it is, for messages
   */
  constructor(clock: Clock, budgetMs: number, input?: string) {
    this.budgetMs = budgetMs
    this.input = input
    this.#clock = clock
    this.#start = clock.now()
    this.#end = this.#start + budgetMs
  }

  /** Whether somebody brought its end forward. */
  get isShortened(): boolean {
    return this.#end < this.#start + this.budgetMs
  }

  /** Milliseconds since it began. */
  elapsed(): number {
    return this.#clock.now() - this.#start
  }

  /** Milliseconds left; 0 when the budget is spent. */
  remaining(): number {
    return Math.max(0, this.#end - this.#clock.now())
  }

  /**
   * Leaves at most `ms` milliseconds from now, wakes everyone who sleeps under this deadline, and lets work under way
   * have a third of what is left: if it hangs, there is time for another try.
   */
  shorten(ms: number): void {
    const now = this.#clock.now()
    this.#end = Math.min(this.#end, now + ms)
    this.#hurried = { at: now, workEnds: now + this.remaining() / 3 }
    for (const wake of [...this.#waiting]) wake()
  }

  /** Wakes everyone who sleeps under this deadline, and leaves work under way at most `ms` milliseconds; the end stays. */
  nudge(ms: number): void {
    const now = this.#clock.now()
    this.#hurried = { at: now, workEnds: now + ms }
    for (const wake of [...this.#waiting]) wake()
  }

  /** Sleeps `ms` milliseconds, or until someone hurries or the signal is aborted. */
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const woken = new AbortController()
    const wake = (): void => woken.abort()
    this.#waiting.add(wake)
    signal?.addEventListener('abort', wake)
    try {
      if (!signal?.aborted) await this.#clock.sleep(ms, woken.signal)
    } finally {
      this.#waiting.delete(wake)
      signal?.removeEventListener('abort', wake)
    }
  }

  /**
   * Runs `work` for at most `limitMs` milliseconds, and no longer than this deadline.
   *
   * @throws what `onTimeout` makes of the milliseconds spent, as soon as the time is over, whether or not `work` heeds
   *   its signal
   */
  async within<T>(
    limitMs: number,
    work: (signal: AbortSignal) => Promise<T>,
    onTimeout: (ms: number) => Error,
  ): Promise<T> {
    const started = this.#clock.now()
    const left = (): number => {
      const workEnds = this.#hurried.at >= started ? this.#hurried.workEnds : Number.POSITIVE_INFINITY
      return Math.min(started + limitMs - this.#clock.now(), this.remaining(), workEnds - this.#clock.now())
    }
    const finished = new AbortController()
    const expire = async (): Promise<undefined> => {
      // Again after each waking: who hurries makes the time shorter, it need not be over.
      for (let ms = left(); ms > 0 && !finished.signal.aborted; ms = left()) await this.sleep(ms, finished.signal)
    }
    const abort = new AbortController()
    const working = work(abort.signal).then((value) => ({ value }))
    // Work that fails after it was given up must not come back as an unhandled rejection.
    working.catch(() => undefined)
    try {
      const done = await Promise.race([working, expire()])
      if (done !== undefined) return done.value
      const error = onTimeout(Math.round(this.#clock.now() - started))
      abort.abort(error)
      throw error
    } finally {
      finished.abort()
    }
  }
}
