import { eventually } from '../../support/processes.ts'
import { runStep, type StepOptions, type StepResult } from '../../support/step.ts'
import type { RunningStep } from '../../support/worker.ts'

/** More than a step takes that waits for its whole budget and then ends. */
const LIMIT_MS = 300_000

/** A step that was run, and when it was started (milliseconds since 1970). */
export interface StartedStep {
  readonly step: StepResult
  readonly startedAt: number
}

/** Steps that ran side by side. */
export interface ManySteps {
  /** In the order of the options. */
  readonly steps: readonly StartedStep[]
  /** Milliseconds from the start of the first process until the last was up. */
  readonly startingTookMs: number
  /** The maximum number of concurrent processes. */
  readonly maxAtOnce: number
}

/**
 * Runs every step as a process of its own, side by side. When one of them can't be run, the others are ended.
 *
 * @param starting how many may be starting at a time (more would only share the processor and delay all of them),
 *   and when one is up; by default all start at once
 */
export async function runTogether(
  all: readonly Omit<StepOptions, 'onStart' | 'limitMs'>[],
  { atOnce, isUp }: { readonly atOnce: number; readonly isUp: (index: number) => boolean } = {
    atOnce: all.length,
    isUp: () => true,
  },
): Promise<ManySteps> {
  const running = new Set<RunningStep>()
  const steps: StartedStep[] = []
  const endings: Promise<void>[] = []
  const began = performance.now()
  let startingTookMs = 0
  let maxAtOnce = 0
  let next = 0
  const endAll = (): void => {
    next = all.length
    for (const child of running) child.kill('SIGKILL')
  }

  async function run(index: number): Promise<void> {
    const startedAt = Date.now()
    const step = await runStep({
      ...(all[index] as StepOptions),
      limitMs: LIMIT_MS,
      onStart(child) {
        running.add(child)
        maxAtOnce = Math.max(maxAtOnce, running.size)
        child.on('close', () => running.delete(child))
      },
    })
    steps[index] = { step, startedAt }
  }

  async function startInTurn(): Promise<void> {
    while (next < all.length) {
      const index = next++
      let isOver = false
      const ending = run(index).finally(() => {
        isOver = true
      })
      ending.catch(endAll)
      endings.push(ending)
      await eventually(() => isOver || isUp(index), LIMIT_MS)
      startingTookMs = performance.now() - began
    }
  }
  await Promise.all(Array.from({ length: atOnce }, startInTurn))
  await Promise.all(endings).finally(() => Promise.allSettled(endings))
  return { steps, startingTookMs, maxAtOnce }
}
