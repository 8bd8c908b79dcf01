// What services, proxies and GitHub say is shown in so many words, however much it is, and on one line.
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { error, type Fault, on, times } from '../fakes/aws/faults.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { perform } from '../support/perform.ts'
import type { StepResult } from '../support/step.ts'
import { report, reportTo } from './reporting.ts'

const MEGABYTE = 'A message of many words, which says nothing.\n'.repeat(25_000)

/** Whether a log is one that people can read, and each of its annotations one that GitHub shows whole. */
function expectFewWords(step: StepResult): void {
  expect(step.stdout.length).toBeLessThan(60_000)
  for (const text of [...step.errors, ...step.warnings, ...step.notices]) expect(text.length).toBeLessThan(4_096)
  expect(step.stdout).toContain('characters left out')
}

const HUGE: [string, Fault][] = [
  ['a message', error('AccessDeniedException', MEGABYTE)],
  ['a message without its end', error('SomethingNew', 'x'.repeat(1_000_000))],
  ['a name of an error', error('N'.repeat(100_000), `no${MEGABYTE}`)],
]

describe.each(HUGE)('%s of the service of a megabyte', (_name, fault) => {
  test('set-task-status', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(fault)
    const { step } = await reportTo(service)
    expect(step.exitCode).toBe(1)
    expectFewWords(step)
    expect(step.errors[0]).toMatch(/^Could not report FINISHED for task /)
    // The end, which says how to mend it, stays.
    expect(step.errors[0]).toMatch(/("Resource": "\*"\}|logging enabled)\. The call went to /)
  })

  test.each(['poll-for-task', 'activity'])('%s', async (action) => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(fault)
    const inputs: Record<string, string> =
      action === 'activity' ? { 'task-id': service.addTask().taskId } : { 'worker-group': 'ci', 'wait-seconds': '0' }
    const step = await perform({ action, inputs, env: service.env() })
    expect(step.exitCode).toBe(1)
    expectFewWords(step)
  })
})

test('a message that comes at each attempt, and a warning', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(...times(2, error('ThrottlingException', MEGABYTE)), error('InvalidRequestException', MEGABYTE))
  const { step } = await reportTo(service, { status: 'FAILED', 'error-message': 'x' })
  expect(step.outputs).toMatchObject({ reported: 'true' })
  expectFewWords(step)
})

test('a message of GitHub', async () => {
  await using github = await LocalGitHub.start()
  github.injectFault({ status: 403, body: { message: MEGABYTE } })
  const { step } = await report({ 'job-status': 'failure', 'github-token': github.token }, { env: github.environment })
  expect(step.exitCode).toBe(0)
  expect(step.notices[0]?.length).toBeLessThan(1_000)
})

const EVIL = 'a\r\nb\u2028c\u202ed\u001b[31m\u0007'

test('ids of tasks with line ends, colours and marks of direction stand on one clean line', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId, attemptId, objects } = service.addTask()
  service.injectFault(
    on('PollForTask', {
      kind: 'body',
      text: JSON.stringify({ taskObject: { taskId, pipelineId: `df-${EVIL}`, attemptId: `@${EVIL}`, objects } }),
    }),
  )
  const inputs = { 'worker-group': `ci\u202e`, 'wait-seconds': '0' }
  const step = await perform({ action: 'poll-for-task', inputs, env: service.env() })
  expect(attemptId).not.toBe('')
  expect(step.stdout).toContain(' of pipeline df-a b cd, attempt @a b cd.\n')
  expect(step.stdout).not.toMatch(/[\u202e\u2028\u001b\u0007]/)
  expect(step.summary).not.toMatch(/[\u202e\u2028\u001b\u0007]/)
  // What others go on with is as it came.
  expect(step.outputs['attempt-id']).toContain('\u202e')
})
