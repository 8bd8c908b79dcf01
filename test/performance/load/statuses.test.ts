// A matrix of jobs that end at the same time: every report arrives in time, with a limited number of calls.
import { describe, expect, test } from '@jest/globals'
import { attemptTimeoutFor } from '../../../src/aws/call-with-retry.ts'
import { sendReport } from '../../../src/report/send-status.ts'
import { Deadline } from '../../../src/util/deadline.ts'
import { LocalDataPipeline } from '../../fakes/aws/data-pipeline.ts'
import { PUBLISHED_RATES, type Rate } from '../../fakes/aws/rates.ts'
import { readActionFile } from '../../support/action-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { chance, LocalAccount } from './local-account.ts'
import { runTogether } from './many-steps.ts'
import { MAX_MATRIX, printLine, SHORT, seconds } from './size.ts'

const BUDGET_MS = Number(readActionFile('.').inputs['timeout-seconds']?.default) * 1_000
const PUBLISHED = PUBLISHED_RATES.SetTaskStatus
/** A third of it, for an account with other callers. */
const SCARCE: Rate = { perSecond: 3, burst: 30 }

/** All processes have to start within this time, or the load is lower than stated. */
const START_WITHIN_MS = 15_000
const STARTING_AT_ONCE = 8

interface Load {
  readonly jobs: number
  readonly rate: Rate
  /** Upper limit of calls for each job, including throttled ones. */
  readonly callsPerJob: number
}

/** The short one has a quarter of the jobs, and of the rate. */
const LOADS: readonly Load[] = SHORT
  ? [
      {
        jobs: MAX_MATRIX / 4,
        rate: { perSecond: PUBLISHED.perSecond / 4, burst: PUBLISHED.burst / 4 },
        callsPerJob: 3,
      },
    ]
  : [
      { jobs: MAX_MATRIX, rate: PUBLISHED, callsPerJob: 3 },
      { jobs: MAX_MATRIX, rate: SCARCE, callsPerJob: 6 },
    ]

test.each(LOADS)(
  '$jobs jobs at $rate.perSecond a second, bursts of $rate.burst: all reports arrive',
  async ({ jobs, rate, callsPerJob }) => {
    await using service = await LocalDataPipeline.start({ rates: { SetTaskStatus: rate } })
    const respondedTasks = new Set<unknown>()
    let checkedCount = 0
    const isResponded = (taskId: string): boolean => {
      for (; service.requests[checkedCount]?.response !== undefined; checkedCount++)
        respondedTasks.add(service.requests[checkedCount]?.body['taskId'])
      return respondedTasks.has(taskId)
    }
    const work = Array.from({ length: jobs }, (_, index) => ({
      taskId: service.addTask().taskId,
      // Different statuses, to detect one that goes to another task.
      ...(index % 3 === 0
        ? { jobStatus: 'failure', status: 'FAILED', state: 'failed' }
        : { jobStatus: 'success', status: 'FINISHED', state: 'finished' }),
    }))
    const { steps, startingTookMs, maxAtOnce } = await runTogether(
      work.map(({ taskId, jobStatus }) => ({ inputs: { 'task-id': taskId }, jobStatus, env: service.env() })),
      { atOnce: STARTING_AT_ONCE, isUp: (index) => isResponded(work[index]?.taskId ?? '') },
    )

    const calls = service.requestsFor('SetTaskStatus')
    const throttled = calls.filter(({ response }) => response?.error === 'ThrottlingException').length
    const took = work.map(({ taskId }, index) => {
      return (service.task(taskId).endedAt ?? Number.POSITIVE_INFINITY) - (steps[index]?.startedAt ?? 0)
    })
    printLine(
      `${jobs} reports, ${rate.perSecond} a second and bursts of ${rate.burst}: ${calls.length} calls ` +
        `(${(calls.length / jobs).toFixed(2)} a job), ${throttled} throttled, the latest report ` +
        `${seconds(Math.max(...took))} after its step began; starting took ${seconds(startingTookMs)}, ` +
        `${maxAtOnce} processes at a time${startingTookMs > START_WITHIN_MS ? TOO_SLOW : ''}`,
    )
    for (const [index, { taskId, status, state }] of work.entries()) {
      expect(service.task(taskId)).toMatchObject({ status, state })
      expect(steps[index]?.step).toMatchObject({ exitCode: 0, errors: [], outputs: { reported: 'true', status } })
    }
    expect(Math.max(...took)).toBeLessThan(BUDGET_MS)
    expect(calls.length).toBeLessThan(callsPerJob * jobs)
    expect(calls.length - throttled).toBe(jobs)
  },
)

const TOO_SLOW = ` (this machine is too slow to start them within ${seconds(START_WITHIN_MS)}, so the load was less than meant)`

/** The reports of jobs that start within this number of milliseconds, with the real retries, on a virtual clock. */
async function simulate({ jobs, rate }: Load, withinMs: number, seed: number) {
  const clock = new FakeClock()
  const random = chance(seed)
  const account = new LocalAccount(clock, random, { SetTaskStatus: rate })
  const ignore = (): void => undefined
  const log = { info: ignore, debug: ignore, notice: ignore, warning: ignore, group: ignore }
  const took: number[] = []
  const report = async (index: number): Promise<boolean> => {
    await clock.sleep((index / jobs) * withinMs)
    const taskId = `task-${index}`
    const deadline = new Deadline(clock, BUDGET_MS)
    const dependencies = {
      dataPipeline: account.client(),
      deadline,
      attemptTimeoutMs: attemptTimeoutFor(BUDGET_MS),
      random,
      log,
    }
    const began = clock.now()
    try {
      await sendReport({ taskId, status: 'FINISHED', versions: () => [{}] }, dependencies)
      took.push(clock.now() - began)
      return true
    } catch {
      return false
    }
  }
  const reported = await clock.run(Promise.all(Array.from({ length: jobs }, (_, index) => report(index))))
  return { unreported: reported.filter((each) => !each).length, calls: account.calls.length, latest: Math.max(...took) }
}

describe('simulated, with the real retries on a virtual clock, as CI machines are too slow to start all processes at once', () => {
  const SEEDS = SHORT ? [1, 2, 3] : [1, 2, 3, 4, 5, 6, 7, 8]
  test.each([
    { jobs: MAX_MATRIX, rate: PUBLISHED, callsPerJob: 3, withinMs: 0 },
    { jobs: MAX_MATRIX, rate: PUBLISHED, callsPerJob: 3, withinMs: START_WITHIN_MS },
    { jobs: MAX_MATRIX, rate: SCARCE, callsPerJob: 6, withinMs: 0 },
    { jobs: MAX_MATRIX, rate: SCARCE, callsPerJob: 6, withinMs: START_WITHIN_MS },
  ])(
    '$jobs jobs within $withinMs ms, at $rate.perSecond a second, bursts of $rate.burst: all reports arrive',
    async ({ withinMs, ...load }) => {
      const results = await Promise.all(SEEDS.map((seed) => simulate(load, withinMs, seed)))
      const maxCalls = Math.max(...results.map(({ calls }) => calls))
      printLine(
        `${load.jobs} reports simulated ${SEEDS.length} times, begun within ${seconds(withinMs)}, ${load.rate.perSecond} ` +
          `a second and bursts of ${load.rate.burst}: at most ${maxCalls} calls (${(maxCalls / load.jobs).toFixed(2)} a job), ` +
          `the latest report after ${seconds(Math.max(...results.map(({ latest }) => latest)))}`,
      )
      expect(results.map(({ unreported }) => unreported)).toEqual(SEEDS.map(() => 0))
      expect(maxCalls).toBeLessThan(load.callsPerJob * load.jobs)
    },
  )
})
