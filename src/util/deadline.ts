import type { Clock } from './clock.ts'

/** A time budget that can be shortened, and never extended. */
export class Deadline {
  /** Milliseconds at its start. */
  readonly budgetMs: number
  /** The input that sets it. */
  readonly input: string | undefined
  readonly #clock: Clock
  readonly #start: number
  readonly #waiting = new Set<() => void>()
  #end: number
  /** When it was last shortened, and when work that was under way then has to end. */
  #shortened = { at: Number.NEGATIVE_INFINITY, workEnds: Number.POSITIVE_INFINITY }

  /**
   * @param budgetMs milliseconds from now on
   * @param input that sets it, for messages
   */
  constructor(clock: Clock, budgetMs: number, input?: string) {
    this.budgetMs = budgetMs
    this.input = input
    this.#clock = clock
    this.#start = clock.now()
    this.#end = this.#start + budgetMs
  }

  /** Whether it was shortened. */
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
   * Leaves at most `ms` milliseconds from now, and wakes everyone who sleeps under this deadline. Work under way gets a third of the
   * rest, so that there is time for another attempt if it hangs.
   */
  shorten(ms: number): void {
    const now = this.#clock.now()
    this.#end = Math.min(this.#end, now + ms)
    this.#shortened = { at: now, workEnds: now + this.remaining() / 3 }
    for (const wake of [...this.#waiting]) wake()
  }

  /** Wakes everyone who sleeps under this deadline, and leaves work under way at most `ms` milliseconds. The end stays. */
  nudge(ms: number): void {
    const now = this.#clock.now()
    this.#shortened = { at: now, workEnds: now + ms }
    for (const wake of [...this.#waiting]) wake()
  }

  /** Sleeps `ms` milliseconds, or until the deadline is shortened or the signal aborted. */
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
   * @throws the error that `onTimeout` makes of the milliseconds spent, when the time is over, even if `work` ignores its signal
   */
  async within<T>(
    limitMs: number,
    work: (signal: AbortSignal) => Promise<T>,
    onTimeout: (ms: number) => Error,
  ): Promise<T> {
    const started = this.#clock.now()
    const left = (): number => {
      const workEnds = this.#shortened.at >= started ? this.#shortened.workEnds : Number.POSITIVE_INFINITY
      return Math.min(started + limitMs - this.#clock.now(), this.remaining(), workEnds - this.#clock.now())
    }
    const finished = new AbortController()
    const expire = async (): Promise<undefined> => {
      // Again after each wake: the time may be shorter now, and not over.
      for (let ms = left(); ms > 0 && !finished.signal.aborted; ms = left()) await this.sleep(ms, finished.signal)
    }
    const abort = new AbortController()
    const working = work(abort.signal).then((value) => ({ value }))
    // Work that fails after the timeout must not become an unhandled rejection.
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
