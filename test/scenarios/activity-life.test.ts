// The whole life of a task: take it, hold it while the job works, report its end. What needs no heartbeat process is in
// activity-start.test.ts.
import { existsSync } from 'node:fs'
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied, on, taskNotFound } from '../fakes/aws/faults.ts'
import { readActionFile } from '../support/action-file.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import { RUN_LINK } from '../support/step.ts'
import { FAST_HEARTBEAT, heartbeatCounts, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

test.concurrent('take, hold, report: poll-for-task, activity, beats, post', async () => {
  await using service = await LocalDataPipeline.start()
  service.addTask({ workerGroup: 'nightly' })
  using job = new Job({ ...service.env(), ...FAST_HEARTBEAT })
  const poll = await job.main('poll', { action: 'poll-for-task', inputs: { 'worker-group': 'nightly' } })
  const taskId = poll.outputs['task-id'] ?? ''
  const started = performance.now()
  using held = await startActivity(service, { 'task-id': taskId }, { job })

  expect(held.main).toMatchObject({ exitCode: 0, errors: [], warnings: [], stderr: '' })
  expect(held.main.outputs['canceled']).toBe('false')
  expect(held.main.outputs['heartbeat-log']).toContain(job.temp)
  expect(held.main.stdout).toContain(taskId.slice(0, 12))
  await held.beats(2)
  expect(existsSync(held.main.outputs['heartbeat-log'] ?? '')).toBe(true)
  expect(service.task(taskId).state).toBe('running')

  const post = await held.post()
  expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [], stderr: '' })
  expect(reportsOf(service, taskId)).toEqual([{ taskId, taskStatus: 'FINISHED' }])
  expect(service.task(taskId)).toMatchObject({ state: 'finished', assignments: 1 })
  const { sent, failed, longestGapSeconds } = heartbeatCounts(post)
  expect(failed).toBe(0)
  expect(sent).toBeGreaterThanOrEqual(2)
  expect(sent).toBeLessThanOrEqual(held.respondedBeats())
  // A beat comes every 4.5 to 5 s, or later where the machine is busy. The heartbeat process has ten seconds in one.
  expect(longestGapSeconds).toBeGreaterThanOrEqual(4.4)
  expect(longestGapSeconds).toBeLessThan((performance.now() - started) / 100)
  expect(post.stdout.match(/::group::/g)).toHaveLength(1)
  expect(post.stdout).toContain('Reported FINISHED')
  expect(post.summary).toContain('FINISHED')
  // It sends no more beats.
  expect(await job.heartbeatsEnd()).toBe(true)
})

test.concurrent('poll, then a matrix: each job holds one of the tasks and reports how it ended', async () => {
  await using service = await LocalDataPipeline.start()
  const ends = [
    { jobStatus: 'success', inputs: {}, report: { taskStatus: 'FINISHED' } },
    // The evidence that the root action would send.
    {
      jobStatus: 'failure',
      inputs: { 'error-id': 'NightlyBroken', 'error-stack-trace-file': 'build.log' },
      report: {
        taskStatus: 'FAILED',
        errorId: 'NightlyBroken',
        errorMessage: expect.stringContaining(RUN_LINK),
        errorStackTrace: expect.stringContaining('not ok 3'),
      },
    },
    { jobStatus: 'cancelled', inputs: {}, report: { taskStatus: 'FAILED' } },
    // What post needs is kept by main: in nested composites the inputs do not reach it.
    {
      jobStatus: 'failure',
      inputs: { precondition: 'true', 'error-id': 'NoData' },
      postInputs: {},
      report: { taskStatus: 'FALSE', errorId: 'NoData' },
    },
  ]
  for (const at of ends.keys()) service.addTask({ attemptId: `@${at}_Attempt=1` })
  using poller = new Job(service.env())
  const inputs = { 'worker-group': 'ci', 'max-tasks': '5' }
  const poll = await poller.main('poll', { action: 'poll-for-task', inputs })
  const matrix = JSON.parse(poll.outputs['tasks'] ?? '') as { 'task-id': string; 'attempt-id': string }[]
  expect(matrix.map((task) => task['attempt-id'])).toEqual(ends.map((_, at) => `@${at}_Attempt=1`))
  await Promise.all(
    ends.map(async ({ jobStatus, inputs, report, postInputs }, at) => {
      const taskId = matrix[at]?.['task-id'] ?? ''
      using held = await startActivity(service, { 'task-id': taskId, ...inputs })
      expect(held.job.heartbeats()).toHaveLength(1)
      const post = await held.post({
        jobStatus,
        files: { 'build.log': 'not ok 3 - the sum is right\n' },
        ...(postInputs && { inputs: postInputs }),
      })
      // It was stopped in order, not killed.
      expect(post).toMatchObject({ exitCode: 0, warnings: [] })
      expect(await held.job.heartbeatsEnd()).toBe(true)
      expect(reportsOf(service, taskId)).toMatchObject([{ taskId, ...report }])
    }),
  )
  expect(service.tasks.map(({ state }) => state)).toEqual(['finished', 'failed', 'failed', 'false'])
  // A precondition that does not hold has no error but the one that the workflow gives.
  expect(service.tasks[3]).not.toHaveProperty('errorMessage')
  expect(service.tasks[3]).not.toHaveProperty('errorStackTrace')
  expect(service.requestsFor('SetTaskStatus')).toHaveLength(4)
})

test('the post step runs however the job ends: nothing in action.yml says otherwise', () => {
  const { runs } = readActionFile('activity')
  expect(runs.post).toBeDefined()
  expect(Object.keys(runs)).not.toContain('post-if')
})

test.concurrent('report False: the heartbeats end, and nothing is reported', async () => {
  await using service = await LocalDataPipeline.start()
  using held = await startActivity(service, { report: 'False' })
  expect(held.job.heartbeats()).toHaveLength(1)
  const post = await held.post({ jobStatus: 'failure' })
  expect(post.exitCode).toBe(0)
  expect(reportsOf(service, held.taskId)).toEqual([])
  expect(post.stdout).toMatch(/[Nn]othing is reported.*report is false/)
  expect(await held.job.heartbeatsEnd()).toBe(true)
})

test.concurrent('two activities in one job don’t meet', async () => {
  await using service = await LocalDataPipeline.start()
  using job = new Job(FAST_HEARTBEAT)
  using first = await startActivity(service, {}, { job })
  using second = await startActivity(service, { precondition: 'true' }, { job })
  expect(job.heartbeats()).toHaveLength(2)
  expect(first.main.outputs['heartbeat-log']).not.toBe(second.main.outputs['heartbeat-log'])
  await Promise.all([first.beats(1), second.beats(1)])
  // Post steps run last in, first out.
  const secondPost = await second.post({ jobStatus: 'failure' })
  // It has noted its end before it ends.
  expect(await eventually(() => job.heartbeats().length === 1)).toBe(true)
  await first.beats(first.respondedBeats() + 1)
  const firstPost = await first.post({ jobStatus: 'failure' })
  expect(await job.heartbeatsEnd()).toBe(true)
  expect(reportsOf(service, second.taskId)).toMatchObject([{ taskStatus: 'FALSE' }])
  expect(reportsOf(service, first.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  expect(heartbeatCounts(secondPost).failed).toBe(0)
  expect(heartbeatCounts(secondPost).sent).toBeGreaterThanOrEqual(1)
  expect(heartbeatCounts(firstPost).failed).toBe(0)
  expect(heartbeatCounts(firstPost).sent).toBeGreaterThanOrEqual(2)
})

describe('with the root action in the same job', () => {
  test.concurrent('that reports, and a beat is told that there is no such task: post does not warn of it', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, {}, { env: FAST_HEARTBEAT })
    service.injectFault(on('ReportTaskProgress', taskNotFound()))
    expect(await held.beatsEnd()).toBe(true)
    await held.root()
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(post.stdout).toMatch(/[Nn]othing is reported.*reported by another step/)
    expect(reportsOf(service, held.taskId)).toHaveLength(1)
  })

  test.concurrent('that makes a dry run, reports another task or can not report: beats go on, and post reports', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, {}, { env: FAST_HEARTBEAT })
    const goesOn = async (): Promise<void> => {
      // The first may have been on its way.
      await held.beats(held.respondedBeats() + 2)
      expect(held.job.heartbeats()).toHaveLength(1)
    }
    await held.root({ 'dry-run': 'true' })
    await held.root({ 'task-id': service.addTask().taskId })
    await goesOn()
    service.keepInjectingFault(on('SetTaskStatus', accessDenied()))
    expect((await held.root()).exitCode).toBe(1)
    service.clearFaults()
    await goesOn()
    const post = await held.post({ jobStatus: 'failure' })
    expect(post.exitCode).toBe(0)
    expect(service.task(held.taskId).state).toBe('failed')
  })
})
