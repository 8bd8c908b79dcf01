import { preloading } from './preload.ts'

/**
 * Milliseconds that a busy machine may add to whatever a step does: it is several times slower than others, or stands still
 * for some seconds. An upper limit of a test is what the step may take and this, and tells "in time" from "too late": so
 * what is too late has to be further away.
 */
export const STALL_MS = 8_000

/**
 * Variables of a step for which time passes so many times slower: a second of its budget is long enough for a machine that
 * stands still meanwhile. What it sleeps between tries is as long as ever. It can run more modules before its program.
 */
export function slowClock(times: number, ...modules: string[]): { readonly NODE_OPTIONS: string } {
  const clock = `const now = performance.now.bind(performance); performance.now = () => now() / ${times}`
  return preloading(clock, ...modules)
}
