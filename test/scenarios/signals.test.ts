// The runner cancels a step with SIGINT, 7.5 s later SIGTERM, and 2.5 s later it kills the process.
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../local-aws/data-pipeline.ts'
import { hang, throttle, times } from '../local-aws/faults.ts'
import { reportTo } from './reporting.ts'

// Windows has no signals; a runner there presses Ctrl+C and Ctrl+Break in the console of the step.
const onPosix = (process.platform === 'win32' ? test.skip : test.concurrent) as typeof test.concurrent

/** Sends a signal to the step when so many requests have arrived and some more time has passed. */
function signalAfter(service: LocalDataPipeline, count: number, moreMs: number, ...signals: NodeJS.Signals[]) {
  let sentAt = 0
  const onStart = (child: ChildProcess): void => {
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
  ['SIGINT', 7_500],
  ['SIGTERM', 2_500],
] as const)(
  '%s while nobody answers: one error, before the runner goes on to the next means',
  async (signal, withinMs) => {
    await using service = await LocalDataPipeline.start()
    service.keepMisbehaving(hang())
    const { onStart, sinceSignal } = signalAfter(service, 1, 50, signal)
    const { step } = await reportTo(service, { status: 'FAILED' }, { onStart })
    expect(sinceSignal()).toBeLessThan(withinMs)
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
    expect(step.outputs).toMatchObject({ status: 'FAILED', reported: 'false' })
  },
)

onPosix.each(['SIGINT', 'SIGTERM'] as const)(
  '%s while the action waits: the next try comes at once, and reports',
  async (signal) => {
    await using service = await LocalDataPipeline.start()
    service.misbehave(...times(3, throttle()))
    // The third wait is 4 s at the least.
    const { onStart, sinceSignal } = signalAfter(service, 3, 100, signal)
    const { step, taskId } = await reportTo(service, { status: 'FAILED' }, { onStart })
    expect(step.errors).toEqual([])
    expect(service.task(taskId).status).toBe('FAILED')
    expect(step.exitCode).toBe(0)
    expect(sinceSignal()).toBeLessThan(2_500)
  },
)

onPosix('SIGINT, then SIGTERM: the shorter time counts', async () => {
  await using service = await LocalDataPipeline.start()
  service.keepMisbehaving(hang())
  const { onStart, sinceSignal } = signalAfter(service, 1, 50, 'SIGINT', 'SIGTERM')
  const { step } = await reportTo(service, {}, { onStart })
  expect(sinceSignal()).toBeLessThan(2_500)
  expect(step.errors).toHaveLength(1)
})

onPosix('SIGTERM, then SIGINT, and again: time once lost does not come back', async () => {
  await using service = await LocalDataPipeline.start()
  service.keepMisbehaving(hang())
  const { onStart, sinceSignal } = signalAfter(service, 1, 50, 'SIGTERM', 'SIGINT', 'SIGINT')
  const { step } = await reportTo(service, {}, { onStart })
  expect(sinceSignal()).toBeLessThan(2_500)
  expect(step.errors).toHaveLength(1)
})

onPosix('SIGINT while a hanging try is under way, and the service is well again: reported', async () => {
  await using service = await LocalDataPipeline.start()
  service.misbehave(hang())
  const { onStart, sinceSignal } = signalAfter(service, 1, 50, 'SIGINT')
  const { step, taskId } = await reportTo(service, { status: 'FAILED' }, { onStart })
  expect(service.task(taskId).status).toBe('FAILED')
  expect(step.exitCode).toBe(0)
  expect(sinceSignal()).toBeLessThan(7_500)
})

// What Node makes of Ctrl+C and Ctrl+Break, of which no program can send one to another alone.
test.concurrent.each([
  ['SIGINT', 9_000],
  ['SIGBREAK', 4_000],
] as const)('%s as an event while nobody answers: one error in time', async (signal, withinMs) => {
  await using service = await LocalDataPipeline.start()
  service.keepMisbehaving(hang())
  const folder = mkdtempSync(join(tmpdir(), 'signal-'))
  try {
    writeFileSync(join(folder, 'send.mjs'), `setTimeout(() => process.emit('${signal}', '${signal}'), 1_000).unref()`)
    const send = `--import=${pathToFileURL(join(folder, 'send.mjs'))}`
    const { step } = await reportTo(service, { status: 'FAILED' }, { env: { NODE_OPTIONS: send } })
    expect(step.stdout).toContain(`Received ${signal}`)
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
    expect(step.tookMs).toBeLessThan(withinMs)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

onPosix.each(['SIGINT', 'SIGTERM'] as const)('%s before anything was sent: the report is made', async (signal) => {
  await using service = await LocalDataPipeline.start()
  const { step, bodies } = await reportTo(
    service,
    { status: 'FAILED' },
    {
      onStart: (child) => {
        // As soon as the action listens; before that, Node's own start ends at a signal.
        setTimeout(() => child.kill(signal), 150)
      },
    },
  )
  // Either it came too early for any program to take it, or the report was made.
  if (step.exitCode !== null) expect(bodies).toHaveLength(1)
})
