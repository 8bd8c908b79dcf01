import { preloading } from './preload.ts'

/**
 * Milliseconds that a slow CI machine may add to the time of a step. The upper limit of a test is the time that the step may
 * take plus this. An outcome that is too late has to come after that limit.
 */
export const STALL_MS = 8_000

/**
 * Variables of a step whose time passes slower by this factor, so that a second of its budget is long enough on a slow CI
 * machine. Waits between attempts do not change. The modules run before its program.
 */
export function slowClock(times: number, ...modules: string[]): { readonly NODE_OPTIONS: string } {
  const clock = `const now = performance.now.bind(performance); performance.now = () => now() / ${times}`
  return preloading(clock, ...modules)
}
