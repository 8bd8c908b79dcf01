// A matrix of jobs that poll one worker group at the same time: one job takes and acknowledges each task, and none is lost.
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../../fakes/aws/data-pipeline.ts'
import { PUBLISHED_RATES, type Rate } from '../../fakes/aws/rates.ts'
import { runTogether } from './many-steps.ts'
import { printLine, SHORT, seconds } from './size.ts'

/** Later, another poll gets the task (API reference, ReportTaskProgress). */
const ACKNOWLEDGED_WITHIN_MS = 120_000

const { PollForTask: PUBLISHED, ReportTaskProgress } = PUBLISHED_RATES
const WITHOUT_BURST: Rate = { perSecond: PUBLISHED.perSecond, burst: PUBLISHED.perSecond }

interface Load {
  readonly pollers: number
  readonly tasks: number
  readonly rate: Rate
}

/** The short one has a fifth of the pollers and tasks. */
const LOADS: readonly Load[] = SHORT
  ? [{ pollers: 4, tasks: 20, rate: WITHOUT_BURST }]
  : [
      { pollers: 20, tasks: 100, rate: PUBLISHED },
      { pollers: 20, tasks: 100, rate: WITHOUT_BURST },
    ]

test.each(LOADS)(
  "$pollers pollers, $tasks tasks, $rate.perSecond polls a second, bursts of $rate.burst: each task is one poller's",
  async ({ pollers, tasks, rate }) => {
    await using service = await LocalDataPipeline.start({
      pollHoldMs: 2_000,
      rates: { PollForTask: rate, ReportTaskProgress },
    })
    const ids = Array.from({ length: tasks }, () => service.addTask().taskId)
    const poller = (index: number) => ({
      action: 'poll-for-task',
      // Together they could take more tasks than there are.
      inputs: { 'worker-group': 'ci', 'max-tasks': '8', 'wait-seconds': '0', hostname: `runner-${index}` },
      contexts: { strategy: { 'job-total': pollers } },
      env: service.env(),
    })
    const { steps } = await runTogether(Array.from({ length: pollers }, (_, index) => poller(index)))

    const polls = service.requestsFor('PollForTask')
    const throttled = service.requests.filter(({ response }) => response?.error === 'ThrottlingException').length
    const waits = service.tasks.map(({ assignedTo, progressReports }) => {
      return (progressReports[0]?.at ?? Number.POSITIVE_INFINITY) - (assignedTo?.at ?? 0)
    })
    const taken = steps.map(({ step }) => JSON.parse(step.outputs['tasks'] ?? '[]') as Array<{ 'task-id': string }>)
    printLine(
      `${pollers} pollers and ${tasks} tasks, ${rate.perSecond} polls a second and bursts of ${rate.burst}: ` +
        `${service.requests.length} calls, ${polls.length} of them polls, ${throttled} throttled, ` +
        `${Math.min(...taken.map(({ length }) => length))} to ${Math.max(...taken.map(({ length }) => length))} tasks a ` +
        `poller, the latest acknowledgement ${seconds(Math.max(...waits))} after the task was handed out, the longest ` +
        `step ${seconds(Math.max(...steps.map(({ step }) => step.tookMs)))}`,
    )
    for (const { step } of steps) expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(taken.flatMap((list) => list.map((task) => task['task-id'])).sort()).toEqual([...ids].sort())
    for (const [index, list] of taken.entries()) {
      for (const task of list) {
        expect(service.task(task['task-id'])).toMatchObject({
          state: 'running',
          assignments: 1,
          assignedTo: { hostname: `runner-${index}` },
        })
      }
    }
    expect(Math.max(...waits)).toBeLessThan(ACKNOWLEDGED_WITHIN_MS)
  },
)
