// The whole life of a task: take it, hold it while the job works, report its end.
import { existsSync } from 'node:fs'
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied, on, taskNotFound, throttle, times } from '../fakes/aws/faults.ts'
import { readActionFile } from '../support/action-file.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import { RUN_LINK } from '../support/step.ts'
import { heartbeatCounts, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

test.concurrent('take, hold, report: poll-for-task, activity, beats, post', async () => {
  await using service = await LocalDataPipeline.start()
  service.addTask({ workerGroup: 'nightly' })
  using job = new Job(service.env())
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
  // A beat comes every 4.5 to 5 s, or later where the machine is busy.
  expect(longestGapSeconds).toBeGreaterThanOrEqual(4.4)
  expect(longestGapSeconds).toBeLessThan((performance.now() - started) / 1_000)
  expect(post.stdout.match(/::group::/g)).toHaveLength(1)
  expect(post.stdout).toContain('Reported FINISHED')
  expect(post.summary).toContain('FINISHED')
  expect(await job.heartbeatsEnd()).toBe(true)

  const beats = service.requestsFor('ReportTaskProgress').length
  await eventually(() => false, 5_500)
  expect(service.requestsFor('ReportTaskProgress')).toHaveLength(beats)
})

test.concurrent('poll, then a matrix: each job holds one of the tasks and reports it', async () => {
  await using service = await LocalDataPipeline.start()
  for (const name of ['a', 'b', 'c']) service.addTask({ attemptId: `@${name}_Attempt=1` })
  using poller = new Job(service.env())
  const poll = await poller.main('poll', {
    action: 'poll-for-task',
    inputs: { 'worker-group': 'ci', 'max-tasks': '5' },
  })
  const matrix = JSON.parse(poll.outputs['tasks'] ?? '') as { 'task-id': string; 'attempt-id': string }[]
  expect(matrix.map((task) => task['attempt-id'])).toEqual(['@a_Attempt=1', '@b_Attempt=1', '@c_Attempt=1'])
  const statuses = ['success', 'failure', 'cancelled']
  await Promise.all(
    matrix.map(async (task, index) => {
      using held = await startActivity(service, { 'task-id': task['task-id'] })
      expect(held.job.heartbeats()).toHaveLength(1)
      await held.post({ jobStatus: statuses[index] ?? '' })
      expect(await held.job.heartbeatsEnd()).toBe(true)
    }),
  )
  expect(service.tasks.map(({ state }) => state)).toEqual(['finished', 'failed', 'failed'])
  expect(service.requestsFor('SetTaskStatus')).toHaveLength(3)
})

test('the post step runs however the job ends: nothing in action.yml says otherwise', () => {
  const { runs } = readActionFile('activity')
  expect(runs.post).toBeDefined()
  expect(Object.keys(runs)).not.toContain('post-if')
})

describe('the status of the job at its end, with what post reports', () => {
  test.concurrent.each([
    ['success', 'false', 'FINISHED'],
    ['failure', 'false', 'FAILED'],
    ['cancelled', 'false', 'FAILED'],
    ['success', 'true', 'FINISHED'],
    ['failure', 'true', 'FALSE'],
    ['cancelled', 'true', 'FAILED'],
  ])('%s, precondition %s: %s', async (jobStatus, precondition, taskStatus) => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, { precondition })
    const post = await held.post({ jobStatus })
    expect(post.exitCode).toBe(0)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskId: held.taskId, taskStatus }])
    // It was stopped in order, not killed.
    expect(post.warnings).toEqual([])
    expect(await held.job.heartbeatsEnd()).toBe(true)
  })
})

test.concurrent('a failure has the evidence that the root action would send', async () => {
  await using service = await LocalDataPipeline.start()
  using held = await startActivity(service, { 'error-id': 'NightlyBroken', 'error-stack-trace-file': 'build.log' })
  await held.post({ jobStatus: 'failure', files: { 'build.log': 'not ok 3 - the sum is right\n' } })
  const [report] = reportsOf(service, held.taskId)
  expect(report).toMatchObject({ taskStatus: 'FAILED', errorId: 'NightlyBroken' })
  expect(report?.['errorMessage']).toContain(RUN_LINK)
  expect(report?.['errorStackTrace']).toContain('not ok 3')
})

test.concurrent('what post needs is kept by main: in nested composites the inputs do not reach it', async () => {
  await using service = await LocalDataPipeline.start()
  using held = await startActivity(service, { precondition: 'true', 'error-id': 'NoData' })
  const post = await held.post({ jobStatus: 'failure', inputs: {} })
  expect(post.exitCode).toBe(0)
  expect(reportsOf(service, held.taskId)).toEqual([{ taskId: held.taskId, taskStatus: 'FALSE', errorId: 'NoData' }])
})

test.concurrent('texts of 90 KB: main says once what it cut, and post reports their beginnings and ends', async () => {
  await using service = await LocalDataPipeline.start()
  const long = (name: string): string => `${name} begins ${'"\\\n'.repeat(30_000)} ${name} ends`
  const inputs = { 'error-message': long('message'), 'error-stack-trace': long('trace'), 'error-id': long('id') }
  using held = await startActivity(service, inputs)
  expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
  for (const name of Object.keys(inputs))
    expect(held.main.warnings.filter((warning) => warning.startsWith(`${name}: truncated from 90`))).toHaveLength(1)
  // Linux, MAX_ARG_STRLEN: what is saved comes as one environment variable.
  expect(Buffer.byteLength(`STATE_activity=${held.main.state['activity']}\0`)).toBeLessThan(128 * 1024)
  const post = await held.post({ jobStatus: 'failure' })
  expect(post).toMatchObject({ exitCode: 0, warnings: [] })
  const [report] = reportsOf(service, held.taskId)
  expect(report?.['errorId']).toMatch(/^id begins[\s\S]*id ends$/)
  expect(report?.['errorMessage']).toMatch(/^message begins[\s\S]*message ends$/)
  expect(report?.['errorStackTrace']).toMatch(/^trace begins[\s\S]*trace ends$/)
  expect(await held.job.heartbeatsEnd()).toBe(true)
})

test.concurrent.each(['false', 'False'])('report %s: the heartbeats end, and nothing is reported', async (report) => {
  await using service = await LocalDataPipeline.start()
  using held = await startActivity(service, { report })
  expect(held.job.heartbeats()).toHaveLength(1)
  const post = await held.post({ jobStatus: 'failure' })
  expect(post.exitCode).toBe(0)
  expect(reportsOf(service, held.taskId)).toEqual([])
  expect(post.stdout).toMatch(/[Nn]othing is reported.*report is false/)
  expect(await held.job.heartbeatsEnd()).toBe(true)
})

test.concurrent('two activities in one job don’t meet', async () => {
  await using service = await LocalDataPipeline.start()
  using job = new Job()
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
    using held = await startActivity(service)
    service.injectFault(on('ReportTaskProgress', taskNotFound()))
    expect(await held.beatsEnd()).toBe(true)
    await held.job.main('root', { inputs: { 'task-id': held.taskId }, env: service.env() })
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(post.stdout).toMatch(/[Nn]othing is reported.*reported by another step/)
    expect(reportsOf(service, held.taskId)).toHaveLength(1)
  })

  test.concurrent('that could not report: the heartbeat goes on, and post reports', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    service.keepInjectingFault(on('SetTaskStatus', accessDenied()))
    const root = await held.job.main('root', { inputs: { 'task-id': held.taskId }, env: service.env() })
    expect(root.exitCode).toBe(1)
    service.clearFaults()
    await eventually(() => false, 1_000)
    expect(held.job.heartbeats()).toHaveLength(1)
    await held.post({ jobStatus: 'failure' })
    expect(service.task(held.taskId).state).toBe('failed')
  })

  test.concurrent('that makes a dry run, or reports another task: post reports', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    const env = service.env()
    await held.job.main('dry', { inputs: { 'task-id': held.taskId, 'dry-run': 'true' }, env })
    await held.job.main('other', { inputs: { 'task-id': service.addTask().taskId }, env })
    await eventually(() => false, 1_000)
    expect(held.job.heartbeats()).toHaveLength(1)
    const post = await held.post()
    expect(post.exitCode).toBe(0)
    expect(service.task(held.taskId).state).toBe('finished')
  })
})

describe('main that could not hold the task', () => {
  test.concurrent('fails the step; post reports FAILED and says that the heartbeats were not started', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(accessDenied('ReportTaskProgress'))
    using held = await startActivity(service)
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    expect(held.main.errors[0]).toContain(held.taskId.slice(0, 12))
    expect(held.main.errors[0]).toContain('datapipeline:ReportTaskProgress')
    expect(held.main.outputs['canceled']).toBe('false')
    expect(await held.job.heartbeatsEnd()).toBe(true)
    const post = await held.post({ jobStatus: 'failure' })
    expect(post.exitCode).toBe(0)
    expect(post.warnings).toHaveLength(1)
    expect(post.warnings[0]).toMatch(/heartbeats were not started/)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  test.concurrent('goes on with fail-on-error false; post reports how the job ended', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(accessDenied('ReportTaskProgress'))
    using held = await startActivity(service, { 'fail-on-error': 'false' })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
    expect(held.main.warnings).toHaveLength(1)
    const post = await held.post()
    expect(post.warnings[0]).toMatch(/heartbeats were not started/)
    expect(service.task(held.taskId).state).toBe('finished')
  })

  test.concurrent('as an input is wrong, fails before any call; post says so and still reports', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, { 'heartbeat-seconds': '3' })
    expect(held.main.exitCode).toBe(1)
    expect(service.requests).toEqual([])
    const post = await held.post({ jobStatus: 'failure' })
    expect(post.stdout).toMatch(/heartbeats were not started/)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  test.concurrent('as the task id is empty: post has nothing to do, and does not fail', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, { 'task-id': '' })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors[0]).toContain('task-id')
    const post = await held.post({ jobStatus: 'failure', inputs: { 'task-id': '' } })
    expect(post).toMatchObject({ exitCode: 0, errors: [] })
    expect(service.requests).toEqual([])
  })

  test.concurrent('at once holds it after throttling and an error of the service', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(...times(2, throttle()))
    using held = await startActivity(service)
    expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
    expect(held.job.heartbeats()).toHaveLength(1)
    await held.post()
    expect(await held.job.heartbeatsEnd()).toBe(true)
  })
})

test.concurrent('dry-run: nothing is called, nothing is started, and the report is shown', async () => {
  await using service = await LocalDataPipeline.start()
  using held = await startActivity(service, { 'dry-run': 'true' })
  expect(held.main).toMatchObject({ exitCode: 0, warnings: [] })
  expect(held.main.stdout).toContain('Dry run')
  expect(held.job.heartbeats()).toEqual([])
  const post = await held.post({ jobStatus: 'failure' })
  expect(post).toMatchObject({ exitCode: 0, warnings: [] })
  expect(post.stdout).toContain('"taskStatus": "FAILED"')
  expect(service.requests).toEqual([])
})

test.concurrent('a job status that nobody knows is an error of post, after the heartbeats have ended', async () => {
  await using service = await LocalDataPipeline.start()
  using held = await startActivity(service)
  const post = await held.post({ jobStatus: 'perhaps' })
  expect(post.exitCode).toBe(1)
  expect(post.errors[0]).toContain('job-status')
  expect(reportsOf(service, held.taskId)).toEqual([])
  expect(await held.job.heartbeatsEnd()).toBe(true)
})

describe('inputs', () => {
  test.concurrent.each([
    ['heartbeat-seconds', '4', ['5', '300']],
    ['heartbeat-seconds', '301', ['5', '300']],
    ['heartbeat-seconds', '7.5', ['whole number']],
    ['on-cancel', 'cancel', ['ignore', 'cancel-run']],
    ['on-cancel', 'Cancel-Run', ['ignore', 'cancel-run']],
    ['report', 'yes', ['true', 'false']],
    ['max-lifetime-minutes', '0', ['1', '7200']],
    ['max-lifetime-minutes', '7201', ['1', '7200']],
    ['task-id', 'a\u001bb', ['control characters']],
    ['timeout-seconds', '0', ['3600']],
    ['precondition', 'maybe', ['true', 'false']],
  ])('%s %j is refused before anything is done', async (name, value, words) => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, { [name]: value, 'fail-on-error': 'false' })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    for (const word of [name, ...words]) expect(held.main.errors[0]).toContain(word)
    expect(service.requests).toEqual([])
    expect(held.job.files()).toEqual({})
  })
})
