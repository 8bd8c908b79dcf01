// A matrix of jobs that each hold a task, and acknowledged them at the same time: none is silent for two minutes.
import { afterEach, describe, expect, test } from '@jest/globals'
import { keepBeating } from '../../../src/activity/heartbeat-loop.ts'
import { attemptTimeoutFor, callWithRetry } from '../../../src/aws/call-with-retry.ts'
import { connectDataPipeline } from '../../../src/aws/client.ts'
import type { DataPipeline } from '../../../src/aws/data-pipeline.ts'
import { type Clock, systemClock, wakeableSleep } from '../../../src/util/clock.ts'
import { Deadline } from '../../../src/util/deadline.ts'
import { LocalDataPipeline } from '../../fakes/aws/data-pipeline.ts'
import { PUBLISHED_RATES, type Rate } from '../../fakes/aws/rates.ts'
import { startActivity } from '../../scenarios/holding.ts'
import { readActionFile } from '../../support/action-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { Job, leftOverProcesses } from '../../support/job.ts'
import { chance, LocalAccount } from './local-account.ts'
import { MAX_MATRIX, printLine, SHORT, seconds } from './size.ts'

const INPUTS = readActionFile('activity').inputs
const INTERVAL_MS = Number(INPUTS['heartbeat-seconds']?.default) * 1_000
const BUDGET_MS = Number(INPUTS['timeout-seconds']?.default) * 1_000
/** The value of the heartbeat process. */
const BEAT_LIMIT_MS = 15_000

/** A task must be acknowledged within it (API reference, ReportTaskProgress); running ones may be silent for longer. */
const MAX_SILENCE_MS = 120_000

const PUBLISHED = PUBLISHED_RATES.ReportTaskProgress
/** Slightly more than 256 jobs need with a heartbeat every 54 to 60 s: 4.5 a second. */
const SCARCE: Rate = { perSecond: 5, burst: 30 }

interface HoldOptions {
  readonly dataPipeline: DataPipeline
  readonly clock: Clock
  readonly random: () => number
  readonly intervalMs: number
  readonly areActivitiesOver: () => boolean
}

/** The calls of a job with activity: the acknowledgement of the step, then the heartbeats. */
async function runHeartbeatProcess(taskId: string, options: HoldOptions): Promise<void> {
  const { dataPipeline, clock, random } = options
  const ignore = (): void => undefined
  const log = { info: ignore, debug: ignore, notice: ignore, warning: ignore, group: ignore }
  const deadline = new Deadline(clock, BUDGET_MS)
  await callWithRetry((call) => dataPipeline.reportTaskProgress(taskId, call), {
    dataPipeline,
    deadline,
    attemptTimeoutMs: attemptTimeoutFor(BUDGET_MS),
    random,
    log,
  })
  await keepBeating(
    { pid: 1, intervalMs: options.intervalMs, beatTimeoutMs: BEAT_LIMIT_MS, lifetimeMs: Number.POSITIVE_INFINITY },
    {
      clock,
      random,
      beat: (signal) => dataPipeline.reportTaskProgress(taskId, { signal }),
      renewCredentials: async () => false,
      onCanceled: async () => undefined,
      areActivitiesOver: options.areActivitiesOver,
      isReported: () => false,
      isBusy: () => false,
      isJobOver: () => false,
      lookAtRunner: () => 'there',
      ...wakeableSleep(clock),
      save: ignore,
      log: ignore,
    },
  )
}

/** The longest time between two of these moments. */
function maxGap(moments: readonly number[]): number {
  return Math.max(0, ...moments.slice(1).map((at, index) => at - (moments[index] ?? at)))
}

describe('simulated: the real acknowledgements and heartbeat loops, on a virtual clock, without processes', () => {
  const MINUTES = SHORT ? 5 : 20

  test.each([PUBLISHED, SCARCE])(
    '256 jobs at $perSecond a second, bursts of $burst: none is silent for two minutes',
    async (rate) => {
      const clock = new FakeClock()
      const random = chance(1)
      const account = new LocalAccount(clock, random, { ReportTaskProgress: rate })
      const end = MINUTES * 60_000
      const tasks = Array.from({ length: MAX_MATRIX }, (_, index) => `task-${index}`)
      const held = tasks.map((taskId) =>
        runHeartbeatProcess(taskId, {
          dataPipeline: account.client(),
          clock,
          random,
          intervalMs: INTERVAL_MS,
          areActivitiesOver: () => clock.now() >= end,
        }),
      )
      await clock.run(Promise.all(held))

      const arrivals = new Map(tasks.map((taskId) => [taskId, [0]]))
      for (const { taskId, at, throttled } of account.calls) if (!throttled) arrivals.get(taskId)?.push(at)
      const silence = [...arrivals.values()].map((moments) => maxGap([...moments, end]))
      const throttled = account.calls.filter((call) => call.throttled).length
      const arrived = account.calls.length - throttled
      // After the common start they are spread, and rarely throttled.
      const later = account.calls.filter(({ at }) => at > MAX_SILENCE_MS)
      printLine(
        `${MAX_MATRIX} heartbeats simulated for ${MINUTES} minutes, ${rate.perSecond} a second and bursts of ` +
          `${rate.burst}: ${account.calls.length} calls, ${throttled} throttled (${later.filter((call) => call.throttled).length} of them after two minutes), the longest time without one that ` +
          `arrived ${seconds(Math.max(...silence))}`,
      )
      expect(Math.max(...silence)).toBeLessThanOrEqual(MAX_SILENCE_MS)
      expect(arrived).toBeGreaterThanOrEqual((MAX_MATRIX * end) / MAX_SILENCE_MS)
      expect(later.filter((call) => call.throttled).length).toBeLessThan(later.length / 10)
    },
    300_000,
  )
})

describe('in real time', () => {
  afterEach(async () => {
    expect(await leftOverProcesses()).toEqual([])
  })

  /**
   * The short one has the same number of heartbeats a second, of fewer jobs with shorter intervals. Waits after throttling
   * are not shorter in it, so it has the published rate.
   */
  const SHORTER = SHORT ? 6 : 1
  const RATE: Rate = SHORT ? { ...PUBLISHED, burst: PUBLISHED.burst / SHORTER } : SCARCE
  const JOBS = Math.round(MAX_MATRIX / SHORTER)
  const PROCESSES = 8
  const INTERVALS = SHORT ? 3 : 4

  test(`${PROCESSES} heartbeat processes, and the loops of ${JOBS - PROCESSES} more: none is silent for two intervals`, async () => {
    await using service = await LocalDataPipeline.start({ rates: { ReportTaskProgress: RATE } })
    const intervalMs = INTERVAL_MS / SHORTER
    const began = Date.now()
    let isOver = false
    const endpoint = { ...process.env }
    Object.assign(process.env, service.env())
    const clients: DataPipeline[] = []
    const loops: Promise<void>[] = []
    await using jobs = new AsyncDisposableStack()
    jobs.defer(async () => {
      isOver = true
      await Promise.allSettled(loops)
      for (const client of clients) client.close()
      process.env = endpoint
    })
    for (let index = PROCESSES; index < JOBS; index++) {
      const dataPipeline = await connectDataPipeline(
        { region: undefined, role: undefined },
        {
          env: process.env,
          requestLimitMs: BEAT_LIMIT_MS,
          hide: () => undefined,
          log: { warning: () => undefined },
        },
      )
      clients.push(dataPipeline)
      const options = {
        dataPipeline,
        clock: systemClock,
        random: Math.random,
        intervalMs,
        areActivitiesOver: () => isOver,
      }
      // One that ends early is silent after its end.
      loops.push(runHeartbeatProcess(service.addTask().taskId, options).catch(() => undefined))
    }
    const held = await Promise.all(
      Array.from({ length: PROCESSES }, () => {
        const job = new Job()
        jobs.defer(async () => {
          job.end()
          await job.heartbeatsEnd()
          job[Symbol.dispose]()
        })
        return startActivity(service, { 'heartbeat-seconds': String(intervalMs / 1_000) }, { limitMs: 150_000, job })
      }),
    )
    for (const { main, job } of held) {
      expect(main).toMatchObject({ exitCode: 0, errors: [] })
      expect(job.heartbeats()).toHaveLength(1)
    }
    const end = began + INTERVALS * intervalMs
    await systemClock.sleep(end - Date.now())

    const calls = service.requestsFor('ReportTaskProgress')
    const throttled = calls.filter(({ response }) => response?.error === 'ThrottlingException').length
    const moments = service.tasks.map(({ progressReports }) => progressReports.map(({ at }) => at))
    const acknowledged = Math.max(...moments.map(([first = Number.POSITIVE_INFINITY]) => first - began))
    const silence = Math.max(...moments.map((each) => maxGap([...each, Math.max(end, ...each)])))
    printLine(
      `${PROCESSES} heartbeat processes and the loops of ${JOBS - PROCESSES} more simulated in one process, a beat every ` +
        `${seconds(intervalMs)} for ${seconds(end - began)}, ${RATE.perSecond} a second and bursts of ${Math.round(RATE.burst)}: ` +
        `${calls.length} calls, ${throttled} throttled, the last acknowledged after ${seconds(acknowledged)}, the ` +
        `longest time without one that arrived ${seconds(silence)}`,
    )
    expect(moments).toHaveLength(JOBS)
    expect(acknowledged).toBeLessThan(MAX_SILENCE_MS)
    expect(silence).toBeLessThan(2 * intervalMs)
    // The acknowledgement, and a heartbeat of the process.
    for (const { taskId } of held) expect(service.task(taskId).progressReports.length).toBeGreaterThan(1)
    const posts = await Promise.all(held.map(({ post }) => post()))
    for (const [index, step] of posts.entries()) {
      expect(step).toMatchObject({ exitCode: 0, errors: [] })
      expect(service.task(held[index]?.taskId ?? '')).toMatchObject({ state: 'finished', status: 'FINISHED' })
    }
  })
})
