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
  const clock = `const { uptime } = process; process.uptime = () => uptime() / ${times}`
  return preloading(clock, ...modules)
}

/** Delays of this length limit what may take long. Shorter ones are waits. */
const LIMIT_FROM_MS = 5_000

/**
 * Variables of a step by which the time of its processes passes faster by this factor: budgets, intervals and waits. A timer that
 * is a limit keeps its length, so that a slow machine does not look like a service that hangs.
 *
 * @param options script: only the processes whose script has this name. Default: all. limitFromMs: what is a limit
 */
export function fastClock(
  times: number,
  { script = '', limitFromMs = LIMIT_FROM_MS }: { readonly script?: string; readonly limitFromMs?: number } = {},
): { readonly NODE_OPTIONS: string } {
  return preloading(`if (process.argv[1]?.endsWith('${script}')) {
    const { uptime } = process
    process.uptime = () => uptime() * ${times}
    for (const name of ['setTimeout', 'setInterval']) {
      const set = globalThis[name]
      const fast = (work, ms, ...args) => set(work, ms < ${limitFromMs} ? ms / ${times} : ms, ...args)
      globalThis[name] = Object.assign(fast, set)
    }
  }`)
}
