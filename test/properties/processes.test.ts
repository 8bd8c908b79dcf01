// The built actions as processes: some tens of cases each, for what only a process shows (uncaught errors, its exit code).
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readActionFile } from '../support/action-file.ts'
import { runStep } from '../support/step.ts'
import { anyInputs, INPUT_TOKEN, pollForTaskInputs, SECRETS, setTaskStatusInputs } from './any-inputs.ts'
import { awsResponse, githubResponses, githubResponseTo } from './any-response.ts'
import { expectCleanEnd, expectTrueReport } from './expectations.ts'
import { HostileServer, success } from './hostile-server.ts'
import { PROPERTY_LIMIT_MS, runs } from './runs.ts'

let server: HostileServer
beforeAll(async () => {
  server = await HostileServer.start()
})
afterAll(() => server.stop())

function environment(): Record<string, string> {
  return {
    ...SECRETS,
    GH_TOKEN: INPUT_TOKEN,
    AWS_ACCESS_KEY_ID: 'AKIA0123456789ABCDEF',
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_DATA_PIPELINE: server.url,
    GITHUB_API_URL: server.url,
  }
}

/** More than all attempts and waits take, as a slow machine must not look like a slow server. */
const PATIENCE = { 'timeout-seconds': '60' }

// One attempt for each call, without waits: they take real time here, and each of many jobs waits for its turn to poll.
const SHORT_WAITS = { 'timeout-seconds': '1', 'wait-seconds': '0', 'job-total': '1' }

const responses = fc.record({
  SetTaskStatus: fc.array(awsResponse('SetTaskStatus'), { maxLength: 2 }),
  PollForTask: fc.constant([success()]),
})

test(
  'set-task-status: any inputs, any responses',
  async () => {
    await fc.assert(
      fc.asyncProperty(setTaskStatusInputs, responses, githubResponses, async (given, scripts, github) => {
        server.exchanges.length = 0
        server.reply = (call, path, before) =>
          call === 'github'
            ? githubResponseTo(github, path, before)
            : (scripts[call as keyof typeof scripts]?.[before] ?? success())
        const step = await runStep({ inputs: { ...given, ...PATIENCE }, env: environment() })
        expect(step.stderr).toBe('')
        const run = step
        expectCleanEnd('.', run)
        expectTrueReport(run, server.of('SetTaskStatus'), {
          taskId: (given['task-id'] ?? '').trim(),
          failOnError: given['fail-on-error']?.trim().toLowerCase() !== 'false',
          dryRun: given['dry-run']?.trim().toLowerCase() === 'true' && run.exitCode === 0,
        })
      }),
      { numRuns: runs(20) },
    )
  },
  PROPERTY_LIMIT_MS,
)

test.each(['.', 'poll-for-task'])(
  'any text in any input of %s',
  async (action) => {
    const good = action === '.' ? setTaskStatusInputs : pollForTaskInputs
    const given = fc.tuple(good, anyInputs(Object.keys(readActionFile(action).inputs)))
    await fc.assert(
      fc.asyncProperty(given, async ([some, more]) => {
        server.reply = () => success()
        const step = await runStep({ action, inputs: { ...some, ...more, ...SHORT_WAITS }, env: environment() })
        expect(step.stderr).toBe('')
        expectCleanEnd(action, step)
      }),
      { numRuns: runs(12) },
    )
  },
  PROPERTY_LIMIT_MS,
)
