import { expect, jest, test } from '@jest/globals'
import type { HeartbeatClient } from '../../../src/activity/heartbeat-client.ts'
import { HeartbeatSilentError } from '../../../src/activity/heartbeat-client.ts'
import type { ReportResult } from '../../../src/activity/heartbeat-message.ts'
import { HeartbeatRoute } from '../../../src/activity/heartbeat-route.ts'
import { classify } from '../../../src/aws/classify.ts'
import { explainError } from '../../../src/aws/explain-error.ts'
import type { Runner } from '../../../src/github/runner.ts'
import { DeliveryError, type ReportRoute, type RoutedReport } from '../../../src/report/report-route.ts'
import { systemClock } from '../../../src/util/clock.ts'
import { Deadline } from '../../../src/util/deadline.ts'

const AWS = { region: undefined, role: undefined }

function report(deadline = new Deadline(systemClock, 60_000, 'timeout-seconds')): RoutedReport {
  return { taskId: 't', by: 'step', status: 'FAILED', versions: () => [{}], aws: AWS, budgetMs: 60_000, deadline }
}

/** A route through a heartbeat process that does this with a report. */
function routeThrough(
  respond: HeartbeatClient['report'],
  onSilence = (): ReportRoute => {
    throw new Error('no other route is expected')
  },
) {
  const client = { report: respond, shorten: jest.fn() } as unknown as HeartbeatClient
  return { route: new HeartbeatRoute(client, { log: {} } as Runner, onSilence), client }
}

const FAILED: Extract<ReportResult, { outcome: 'failed' }> = {
  outcome: 'failed',
  failure: classify(Object.assign(new Error('oops'), { name: 'AccessDeniedException' })),
  attempts: 3,
  timeSpent: false,
  outcomeUnknown: false,
  origin: undefined,
  source: undefined,
  hint: undefined,
  region: 'us-east-1',
}

test.each<[string, Partial<typeof FAILED>, RegExp]>([
  ['as it was denied', {}, /oops\. Allow the call with this IAM statement/],
  ['with a hint', { hint: 'Do this.' }, /oops\. Do this\.$/],
  [
    'after the budget was spent',
    { timeSpent: true },
    /^gave up after 3 attempts in 60 s \(timeout-seconds\)\. Last error: /,
  ],
  ['and one attempt may have succeeded', { outcomeUnknown: true }, /may have succeeded/],
])('a report that failed, %s: the step explains it as its own', async (_name, parts, expected) => {
  const { route } = routeThrough(async () => ({ ...FAILED, ...parts }))
  const error = await route.deliver(report()).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(DeliveryError)
  const { cause, region } = error as DeliveryError
  expect(region).toBe('us-east-1')
  expect(explainError(cause, { aws: AWS, region, env: {} })).toMatch(expected)
})

test.each([
  ['has sent nothing', [], false],
  ['has sent the report', [true], true],
  ['was refused', [true, false], false],
])('a process that %s, and stops responding: another route, which knows that', async (_name, said, mayHaveLanded) => {
  const deliver = jest.fn<ReportRoute['deliver']>(async () => ({ outcome: 'superseded' }))
  const { route } = routeThrough(
    async (_decision, _budget, { onMayHaveLanded }) => {
      for (const value of said) onMayHaveLanded(value)
      throw new HeartbeatSilentError()
    },
    () => ({ deliver }),
  )
  expect(await route.deliver(report())).toEqual({ outcome: 'superseded' })
  expect(deliver).toHaveBeenCalledWith(expect.objectContaining({ taskId: 't', mayHaveLanded }))
})

test('the step has to end: the process gets to know it, and the step does not wait for the result', async () => {
  const deadline = new Deadline(systemClock, 60_000)
  const { route, client } = routeThrough(
    (_decision, _budget, { signal }) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined))),
  )
  const delivering = route.deliver(report(deadline)).catch((thrown: unknown) => thrown)
  deadline.shorten(50)
  expect(await delivering).toMatchObject({ cause: { message: expect.stringContaining('keeps trying') } })
  expect(client.shorten).toHaveBeenCalled()
})
