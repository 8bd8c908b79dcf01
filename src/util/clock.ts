/** Time as a parameter. Tests have their own. */
export interface Clock {
  /** Milliseconds since a fixed moment. Never goes back. */
  now(): number
  /** Resolves after `ms` milliseconds, or at once when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/**
 * The machine's clock. Monotonic: to set the time of day changes no budget. Not `performance`, which takes 1 ms to load. A sleep ends after pending input was read: in a process
 * that was suspended timers come first, and a response that came in time would be lost.
 */
export const systemClock: Clock = {
  now: () => process.uptime() * 1000,
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = (): void => {
        clearTimeout(timer)
        clearImmediate(reading)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      let reading: NodeJS.Immediate | undefined
      const timer = setTimeout(
        () => {
          reading = setImmediate(wake)
        },
        Math.min(ms, 2 ** 31 - 1),
      )
      signal?.addEventListener('abort', wake)
    }),
}

/** A sleep that other code can end. A wake while nobody sleeps ends the next sleep at once. */
export function wakeableSleep(clock: Clock): { sleep(ms: number): Promise<void>; wake(): void } {
  let waking = new AbortController()
  return {
    async sleep(ms) {
      await clock.sleep(ms, waking.signal)
      if (waking.signal.aborted) waking = new AbortController()
    },
    wake: () => waking.abort(),
  }
}
