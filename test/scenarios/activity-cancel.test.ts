// The service cancels a task, or does not know it any more: before the job, or while it works.
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { on, pipelineDeleted } from '../fakes/aws/faults.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { leftOverProcesses } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import { FAST_HEARTBEAT, type Holding, heartbeatGroup, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

test.concurrent('cancelled before the job: the heartbeat process, which had begun, is ended by main', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  service.cancelTask(taskId)
  using held = await startActivity(service, { 'task-id': taskId })
  expect(held.main).toMatchObject({ exitCode: 1, errors: [expect.stringMatching(/canceled/)] })
  expect(await held.job.heartbeatsEnd()).toBe(true)
  const post = await held.post({ jobStatus: 'failure' })
  expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  expect(post.stdout).toMatch(/[Nn]othing is reported.*canceled/)
  expect(service.requests).toHaveLength(1)
})

/** Holds a task, lets the service cancel it, and waits until the next beat has heard of it. */
async function cancelled(
  service: LocalDataPipeline,
  inputs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Holding & { readonly arrivedBefore: number }> {
  const held = await startActivity(service, inputs, { env: { ...FAST_HEARTBEAT, ...env } })
  expect(held.main.exitCode).toBe(0)
  service.cancelTask(held.taskId)
  const arrivedBefore = service.requestsFor('ReportTaskProgress').length
  await held.beats(held.respondedBeats() + 1)
  return { ...held, arrivedBefore }
}

function cancelledRun(service: LocalDataPipeline, github: LocalGitHub): ReturnType<typeof cancelled> {
  return cancelled(service, { 'on-cancel': 'cancel-run', 'github-token': github.token }, github.environment)
}

describe('while the job works', () => {
  test.concurrent('cancelled: the beats end, the run goes on, and post reports nothing', async () => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ permissions: ['actions: write', 'checks: read'] })
    using held = await cancelled(service, { 'github-token': github.token }, github.environment)
    expect(await held.beatsEnd()).toBe(true)
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, errors: [] })
    expect(post.stdout).toMatch(/[Nn]othing is reported.*canceled/)
    expect(heartbeatGroup(post)?.text).toMatch(/canceled the task/)
    expect(reportsOf(service, held.taskId)).toEqual([])
    expect(github.requests).toEqual([])
    expect(service.requestsFor('ReportTaskProgress').length).toBeLessThanOrEqual(held.arrivedBefore + 1)
  })

  test.concurrent.each([
    ['on github.com, which answers with 503 and with a reset first', '', ['unavailable', 'reset'] as const],
    ['on GitHub Enterprise Server', '/api/v3', []],
  ])('cancelled, with on-cancel cancel-run, %s: the run is cancelled once', async (_name, basePath, faults) => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ basePath, permissions: ['actions: write'] })
    for (const fault of faults) github.injectFault(fault, { times: 1 })
    using held = await cancelledRun(service, github)
    expect(await held.beatsEnd()).toBe(true)
    expect(github.requests).toHaveLength(faults.length + 1)
    expect(github.cancellations).toHaveLength(1)
    expect(github.cancellations[0]?.path).toContain(`/actions/runs/${github.runId}/cancel`)
    expect(github.violations).toEqual([])
    // GitHub cancels the job, and lets its post steps run.
    const post = await held.post({ jobStatus: 'cancelled' })
    expect(post).toMatchObject({ exitCode: 0, errors: [] })
    expect(post.stdout).toMatch(/[Nn]othing is reported.*canceled/)
    const log = heartbeatGroup(post)?.text ?? ''
    expect(log.match(/Could not cancel the workflow run yet/g) ?? []).toHaveLength(faults.length)
    expect(log).toMatch(/Canceled the workflow run\.[^C]*$/)
    expect(reportsOf(service, held.taskId)).toEqual([])
  })

  test.concurrent('cancelled, with cancel-run and without "actions: write": the log says what is missing', async () => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ permissions: ['actions: read', 'checks: read'] })
    // The token is in no file, even where GitHub sends it back.
    const message = `Resource not accessible by integration. No: Bearer ${github.token}`
    github.injectFault({ status: 403, body: { message } })
    using held = await cancelledRun(service, github)
    expect(await held.beatsEnd()).toBe(true)
    expect(github.requests).toHaveLength(1)
    expect(github.cancellations).toEqual([])
    const files = Object.values(held.job.files()).join()
    expect(files).toContain('No: Bearer ***')
    expect(files).not.toContain(github.token)
    const post = await held.post()
    expect(post.exitCode).toBe(0)
    expect(post.stdout).toContain('actions: write')
    expect(post.stdout).not.toContain(github.token)
    expect(reportsOf(service, held.taskId)).toEqual([])
  })

  test.concurrent('cancelled, with cancel-run and no token: the log says so', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await cancelled(service, { 'on-cancel': 'cancel-run', 'github-token': '' })
    expect(await held.beatsEnd()).toBe(true)
    const post = await held.post()
    expect(post.stdout).toContain('github-token')
    expect(reportsOf(service, held.taskId)).toEqual([])
  })

  test.concurrent.each([
    ['the post step comes while GitHub is silent', false],
    ['the heartbeat is killed before it ends', true],
  ])('cancelled, and %s: nothing is reported', async (_name, isKilled) => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ permissions: ['actions: write'] })
    github.injectFault('hang')
    using held = await cancelledRun(service, github)
    expect(await eventually(() => github.requests.length > 0)).toBe(true)
    if (isKilled) held.job.end()
    const post = await held.post({ jobStatus: 'cancelled' })
    expect(post.exitCode).toBe(0)
    expect(reportsOf(service, held.taskId)).toEqual([])
    expect(await held.job.heartbeatsEnd()).toBe(true)
  })

  test.concurrent('the pipeline is deleted: the beats end, and post says so', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, {}, { env: FAST_HEARTBEAT })
    service.keepInjectingFault(on('ReportTaskProgress', pipelineDeleted()))
    await held.beats(held.respondedBeats() + 1)
    expect(await held.beatsEnd()).toBe(true)
    const refused = service.requestsFor('ReportTaskProgress').filter(({ fault }) => fault !== undefined)
    expect(refused).toHaveLength(1)
    const post = await held.post()
    expect(post.warnings.join('\n')).toMatch(/heartbeats ended early.*deleted/)
  })
})
