// The runner cancels a step with SIGINT, 7.5 s later SIGTERM, and 2.5 s later it kills the process.
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { hang, throttle } from '../fakes/aws/faults.ts'
import { preloading, whenListening } from '../support/preload.ts'
import { fastClock, STALL_MS, slowClock } from '../support/timing.ts'
import type { RunningStep } from '../support/worker.ts'
import { reportTo } from './reporting.ts'

// Windows has no signals; a runner there presses Ctrl+C and Ctrl+Break in the console of the step.
const onPosix = (process.platform === 'win32' ? test.skip : test.concurrent) as typeof test.concurrent

/** What the action has after SIGINT; after SIGTERM it has to end sooner. */
const LEFT_AFTER_SIGINT_MS = 7_000

/** Nobody answers in these tests, so that their time may pass four times faster. */
const FASTER = 4
const FAST = fastClock(FASTER, { limitFromMs: Number.POSITIVE_INFINITY })

/** Waits between attempts take twenty times longer, so that the first of them lasts longer than a runner would wait. */
const LONG_WAITS = `const set = globalThis.setTimeout
  globalThis.setTimeout = (work, ms, ...args) => set(work, ms >= 500 && ms < 5_000 ? ms * 20 : ms, ...args)`

/** Sends a signal to the step when so many requests have arrived and some more time has passed. */
function signalAfter(service: LocalDataPipeline, count: number, moreMs: number, ...signals: NodeJS.Signals[]) {
  let sentAt = 0
  const onStart = (child: RunningStep): void => {
    void service.received('SetTaskStatus', count).then(() =>
      setTimeout(() => {
        sentAt = performance.now()
        for (const signal of signals) child.kill(signal)
      }, moreMs),
    )
  }
  return { onStart, sinceSignal: () => performance.now() - sentAt }
}

onPosix.each([
  ['SIGINT', 7, LEFT_AFTER_SIGINT_MS / FASTER + STALL_MS],
  ['SIGTERM', 2, LEFT_AFTER_SIGINT_MS],
] as const)(
  '%s while nobody answers: one error, before the runner goes on to the next means',
  async (signal, seconds, withinMs) => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(hang())
    const { onStart, sinceSignal } = signalAfter(service, 1, 50, signal)
    const { step } = await reportTo(service, { status: 'FAILED' }, { as: 'process', onStart, env: FAST })
    expect(sinceSignal()).toBeLessThan(withinMs)
    // The runner waits for half a second more.
    expect(step.stdout).toContain(`Received ${signal}: ending within ${seconds} s.`)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toMatch(/gave up after \d+ attempts?, as the step has to end\. .*The runner ended this step/)
    expect(step.errors[0]).not.toContain('timeout-seconds')
    expect(step.exitCode).toBe(1)
    expect(step.outputs).toMatchObject({ status: 'FAILED', reported: 'false' })
  },
)

onPosix.each(['SIGINT', 'SIGTERM'] as const)(
  '%s while the action waits: the next try comes at once, and reports',
  async (signal) => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(throttle())
    const { onStart, sinceSignal } = signalAfter(service, 1, 100, signal)
    // Else a machine that stands still for 2 s would have no time left for the try.
    const { step, taskId } = await reportTo(
      service,
      { status: 'FAILED' },
      { as: 'process', onStart, env: slowClock(5, LONG_WAITS) },
    )
    expect(step.errors).toEqual([])
    expect(service.task(taskId).status).toBe('FAILED')
    expect(step.exitCode).toBe(0)
    expect(sinceSignal()).toBeLessThan(7_500)
  },
)

onPosix('SIGINT, then SIGTERM: the shorter time counts', async () => {
  await using service = await LocalDataPipeline.start()
  service.keepInjectingFault(hang())
  const { onStart, sinceSignal } = signalAfter(service, 1, 50, 'SIGINT', 'SIGTERM')
  const { step } = await reportTo(service, {}, { as: 'process', onStart })
  expect(sinceSignal()).toBeLessThan(LEFT_AFTER_SIGINT_MS)
  expect(step.errors).toHaveLength(1)
})

onPosix('SIGTERM, then SIGINT, and again: time once lost does not come back', async () => {
  await using service = await LocalDataPipeline.start()
  service.keepInjectingFault(hang())
  const { onStart, sinceSignal } = signalAfter(service, 1, 50, 'SIGTERM', 'SIGINT', 'SIGINT')
  const { step } = await reportTo(service, {}, { as: 'process', onStart })
  expect(sinceSignal()).toBeLessThan(LEFT_AFTER_SIGINT_MS)
  expect(step.errors).toHaveLength(1)
})

onPosix('SIGINT while a hanging try is under way, and the service is well again: reported', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(hang())
  const { onStart, sinceSignal } = signalAfter(service, 1, 50, 'SIGINT')
  const { step, taskId } = await reportTo(service, { status: 'FAILED' }, { as: 'process', onStart })
  expect(service.task(taskId).status).toBe('FAILED')
  expect(step.exitCode).toBe(0)
  expect(sinceSignal()).toBeLessThan(LEFT_AFTER_SIGINT_MS + STALL_MS)
})

// What Node makes of Ctrl+C and Ctrl+Break, of which no program can send one to another alone.
test.concurrent.each([
  ['SIGINT', 7],
  ['SIGBREAK', 2],
] as const)('%s as an event while nobody answers: one error in time', async (signal, seconds) => {
  await using service = await LocalDataPipeline.start()
  service.keepInjectingFault(hang())
  const send = whenListening(signal, 500, `process.emit('${signal}', '${signal}')`)
  const env = { NODE_OPTIONS: `${preloading(send).NODE_OPTIONS} ${FAST.NODE_OPTIONS}` }
  const { step } = await reportTo(service, { status: 'FAILED' }, { as: 'process', env })
  expect(step.stdout).toContain(`Received ${signal}: ending within ${seconds} s.`)
  expect(step.errors).toHaveLength(1)
  expect(step.exitCode).toBe(1)
  expect(step.tookMs).toBeLessThan((seconds * 1000) / FASTER + STALL_MS)
})

onPosix.each(['SIGINT', 'SIGTERM'] as const)('%s before anything was sent: the report is made', async (signal) => {
  await using service = await LocalDataPipeline.start()
  // Before the action listens, Node's own start ends at a signal.
  const send = whenListening(signal, 0, `process.kill(process.pid, '${signal}')`)
  const { step, bodies } = await reportTo(service, { status: 'FAILED' }, { as: 'process', env: slowClock(5, send) })
  expect(step.stdout).toContain(`Received ${signal}`)
  expect(bodies).toHaveLength(1)
  expect(step.exitCode).toBe(0)
})
