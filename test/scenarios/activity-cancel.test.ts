// The service cancels a task, or does not know it any more: before the job, or while it works.
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { type Fault, on, pipelineDeleted, pipelineNotFound, taskNotFound } from '../fakes/aws/faults.ts'
import { LocalGitHub, type Permission } from '../fakes/github/local-github.ts'
import { leftOverProcesses } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import { type Holding, heartbeatGroup, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

describe('before the job', () => {
  test.concurrent.each(['true', 'false'])(
    'cancelled: main fails at once (fail-on-error %s), no heartbeat is started, and post reports nothing',
    async (failOnError) => {
      await using service = await LocalDataPipeline.start()
      const { taskId } = service.addTask()
      service.cancelTask(taskId)
      using held = await startActivity(service, { 'task-id': taskId, 'fail-on-error': failOnError })
      expect(held.main.exitCode).toBe(1)
      expect(held.main.errors).toHaveLength(1)
      expect(held.main.errors[0]).toMatch(/canceled/)
      expect(held.main.errors[0]).toContain(taskId.slice(0, 12))
      expect(held.main.outputs['canceled']).toBe('true')
      expect(await held.job.heartbeatsEnd()).toBe(true)
      const post = await held.post({ jobStatus: 'failure' })
      expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
      expect(post.stdout).toMatch(/[Nn]othing is reported.*canceled/)
      expect(reportsOf(service, taskId)).toEqual([])
      expect(service.requestsFor('ReportTaskProgress')).toHaveLength(1)
    },
  )

  test.concurrent.each<[string, Fault]>([
    ['the task is not found', taskNotFound()],
    ['the pipeline is not found', pipelineNotFound()],
    ['the pipeline is deleted', pipelineDeleted()],
  ])('%s: main fails at once, also with fail-on-error false, and post reports nothing', async (_name, fault) => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(fault)
    using held = await startActivity(service, { 'fail-on-error': 'false' })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    expect(held.main.outputs['canceled']).toBe('false')
    expect(service.requests).toHaveLength(1)
    expect(await held.job.heartbeatsEnd()).toBe(true)
    const post = await held.post({ jobStatus: 'failure' })
    expect(post).toMatchObject({ exitCode: 0, errors: [] })
    expect(post.stdout).toMatch(/[Nn]othing is reported.*no longer had the task/)
    expect(service.requests).toHaveLength(1)
  })
})

/** Holds a task, lets the service cancel it, and waits until the next beat has heard of it. */
async function cancelled(
  service: LocalDataPipeline,
  inputs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<Holding & { readonly beatsBefore: number }> {
  const held = await startActivity(service, inputs, { env })
  expect(held.main.exitCode).toBe(0)
  service.cancelTask(held.taskId)
  const beatsBefore = held.respondedBeats()
  await held.beats(beatsBefore + 1)
  return { ...held, beatsBefore }
}

describe('while the job works', () => {
  test.concurrent.each([
    ['by default', {}],
    ['with on-cancel ignore', { 'on-cancel': 'ignore' }],
  ])('cancelled, %s: the beats end, the run goes on, and post reports nothing', async (_name, inputs) => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ permissions: ['actions: write', 'checks: read'] })
    using held = await cancelled(service, { ...inputs, 'github-token': github.token }, github.environment)
    expect(await held.beatsEnd()).toBe(true)
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, errors: [] })
    expect(post.stdout).toMatch(/[Nn]othing is reported.*canceled/)
    expect(heartbeatGroup(post)?.text).toMatch(/canceled the task/)
    expect(reportsOf(service, held.taskId)).toEqual([])
    expect(github.requests).toEqual([])
    expect(held.respondedBeats()).toBe(held.beatsBefore + 1)
  })

  test.concurrent.each([
    ['on github.com', ''],
    ['on GitHub Enterprise Server', '/api/v3'],
  ])('cancelled, with on-cancel cancel-run, %s: the run is cancelled once', async (_name, basePath) => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ basePath, permissions: ['actions: write'] })
    const inputs = { 'on-cancel': 'cancel-run', 'github-token': github.token }
    using held = await cancelled(service, inputs, github.environment)
    expect(await held.beatsEnd()).toBe(true)
    expect(github.cancellations).toHaveLength(1)
    expect(github.cancellations[0]?.path).toContain(`/actions/runs/${github.runId}/cancel`)
    expect(github.violations).toEqual([])
    // GitHub cancels the job, and lets its post steps run.
    const post = await held.post({ jobStatus: 'cancelled' })
    expect(post).toMatchObject({ exitCode: 0, errors: [] })
    expect(post.stdout).toMatch(/[Nn]othing is reported.*canceled/)
    expect(reportsOf(service, held.taskId)).toEqual([])
  })

  test.concurrent('cancelled, with cancel-run and without "actions: write": the log says what is missing', async () => {
    await using service = await LocalDataPipeline.start()
    const permissions: Permission[] = ['actions: read', 'checks: read']
    await using github = await LocalGitHub.start({ permissions })
    const inputs = { 'on-cancel': 'cancel-run', 'github-token': github.token }
    using held = await cancelled(service, inputs, github.environment)
    expect(await held.beatsEnd()).toBe(true)
    expect(github.requests).toHaveLength(1)
    expect(github.cancellations).toEqual([])
    const post = await held.post()
    expect(post.exitCode).toBe(0)
    expect(post.stdout).toContain('actions: write')
    expect(reportsOf(service, held.taskId)).toEqual([])
  })

  test.concurrent.each([
    ['503', 'unavailable'],
    ['a reset', 'reset'],
  ] as const)(
    'cancelled, with cancel-run, and GitHub answers twice with %s: tried again until it lands',
    async (_name, fault) => {
      await using service = await LocalDataPipeline.start()
      await using github = await LocalGitHub.start({ permissions: ['actions: write'] })
      github.injectFault(fault, { times: 2 })
      const inputs = { 'on-cancel': 'cancel-run', 'github-token': github.token }
      using held = await cancelled(service, inputs, github.environment)
      expect(await held.beatsEnd()).toBe(true)
      expect(github.requests).toHaveLength(3)
      expect(github.cancellations).toHaveLength(1)
      const post = await held.post({ jobStatus: 'cancelled' })
      expect(heartbeatGroup(post)?.text).toMatch(
        /Could not cancel the workflow run yet[\s\S]*Could not cancel the workflow run yet[\s\S]*Canceled the workflow run/,
      )
      expect(reportsOf(service, held.taskId)).toEqual([])
    },
  )

  test.concurrent('cancelled, with cancel-run and no token: the log says so', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await cancelled(service, { 'on-cancel': 'cancel-run', 'github-token': '' })
    expect(await held.beatsEnd()).toBe(true)
    const post = await held.post()
    expect(post.stdout).toContain('github-token')
    expect(reportsOf(service, held.taskId)).toEqual([])
  })

  test.concurrent('cancelled, and the post step comes while GitHub is silent: nothing is reported', async () => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ permissions: ['actions: write'] })
    github.injectFault('hang')
    const inputs = { 'on-cancel': 'cancel-run', 'github-token': github.token }
    using held = await cancelled(service, inputs, github.environment)
    expect(await eventually(() => github.requests.length > 0)).toBe(true)
    const post = await held.post({ jobStatus: 'cancelled' })
    expect(post.exitCode).toBe(0)
    expect(reportsOf(service, held.taskId)).toEqual([])
    expect(await held.job.heartbeatsEnd()).toBe(true)
  })

  test.concurrent('cancelled, and the heartbeat is killed before it ends: nothing is reported', async () => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ permissions: ['actions: write'] })
    github.injectFault('hang')
    const inputs = { 'on-cancel': 'cancel-run', 'github-token': github.token }
    using held = await cancelled(service, inputs, github.environment)
    expect(await eventually(() => github.requests.length > 0)).toBe(true)
    held.job.end()
    const post = await held.post({ jobStatus: 'cancelled' })
    expect(post.exitCode).toBe(0)
    expect(reportsOf(service, held.taskId)).toEqual([])
  })

  test.concurrent('the token is in no file, even where GitHub sends it back', async () => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ permissions: ['actions: write'] })
    github.injectFault({ status: 422, body: { message: `No: Bearer ${github.token}` } })
    const inputs = { 'on-cancel': 'cancel-run', 'github-token': github.token }
    using held = await cancelled(service, inputs, github.environment)
    expect(await held.beatsEnd()).toBe(true)
    expect(Object.values(held.job.files()).join()).toContain('No: Bearer ***')
    expect(Object.values(held.job.files()).join()).not.toContain(github.token)
    const post = await held.post()
    expect(post.stdout).not.toContain(github.token)
  })

  test.concurrent.each<[string, Fault]>([
    ['the task is not found', taskNotFound()],
    ['the pipeline is deleted', pipelineDeleted()],
  ])('%s: the beats end, and post says so', async (_name, fault) => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    service.keepInjectingFault(on('ReportTaskProgress', fault))
    const before = held.respondedBeats()
    await held.beats(before + 1)
    expect(await held.beatsEnd()).toBe(true)
    expect(held.respondedBeats()).toBe(before + 1)
    const post = await held.post()
    expect(post.warnings.join('\n')).toMatch(/heartbeats ended early.*not found|heartbeats ended early.*deleted/)
  })
})
