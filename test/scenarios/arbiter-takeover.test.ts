// A step that goes on after its end, as in a container, where no signal reaches it: a later step takes its task over.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied, bare, invalidRequest, on } from '../fakes/aws/faults.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import type { StepResult } from '../support/step.ts'
import { fastClock } from '../support/timing.ts'
import { effectsOf, emptyTemp, type Holding, onStatus, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

/** What steps of a container job don't have. Their waits between attempts are short. */
const IN_CONTAINER = { RUNNER_TRACKING_ID: undefined, ...fastClock(10) }
/** Time for a step that goes on until a later one has come. */
const LONG = { 'timeout-seconds': '600' }
/** How a step says that it ends without a report, as it is not its own any more. */
const TAKEN_OVER = /taken over|later step|another step/i

/** The statuses that were sent, with or without effect, in order. */
function statusesOf(service: LocalDataPipeline, taskId: string): unknown[] {
  return reportsOf(service, taskId).map(({ taskStatus }) => taskStatus)
}

/** Expects that the step ended with a clear message and no report. */
function expectTakenOver(step: StepResult): void {
  expect(step.stdout + step.stderr).toMatch(TAKEN_OVER)
  expect(step.outputs['reported']).toBe('false')
  expect(step.errors.length + step.warnings.length + step.notices.length).toBeLessThanOrEqual(1)
}

/** A task of a container job, and steps of the root action for it. */
async function startContainer() {
  const service = await LocalDataPipeline.start()
  const job = new Job({ ...service.env(), ...IN_CONTAINER })
  const { taskId } = service.addTask()
  let roots = 0
  return {
    service,
    job,
    taskId,
    root: (inputs: Readonly<Record<string, string>>, env = {}) =>
      job.main(`root ${++roots}`, { inputs: { 'task-id': taskId, ...inputs }, env }),
    async [Symbol.asyncDispose]() {
      job[Symbol.dispose]()
      await service.stop()
    },
  }
}

// First, as it waits for 10 s, while the others run.
test.concurrent('a root action that goes on after post has reported, and the process is gone, reports nothing', async () => {
  await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
  await using github = await LocalGitHub.start()
  using held = await startActivity(service, { 'heartbeat-seconds': '300' }, { env: github.environment })
  github.injectFault('hang')
  // It collects evidence, connected to the process.
  const root = held.root({ status: 'FAILED', 'github-token': github.token, needs: '{"load":{"result":"failure"}}' })
  expect(await eventually(() => github.requests.length > 0)).toBe(true)
  expect((await held.post()).exitCode).toBe(0)
  const { stdout, outputs } = await root
  expect(stdout).toMatch(TAKEN_OVER)
  expect(outputs['reported']).toBe('false')
  expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
})

describe('a root action that goes on trying after its end', () => {
  onLinux('with FINISHED: a later one with FAILED is the last that is sent', async () => {
    await using container = await startContainer()
    const { service, job, taskId, root } = container
    service.keepInjectingFault(onStatus('FINISHED', bare(503)))
    const ended = root({ status: 'FINISHED', ...LONG })
    await service.received('SetTaskStatus', 2)
    expect(await root({ status: 'FAILED' })).toMatchObject({ exitCode: 0, errors: [] })
    service.clearFaults()
    expectTakenOver(await ended)
    expect(statusesOf(service, taskId).at(-1)).toBe('FAILED')
    expect(effectsOf(service, taskId)).toEqual(['FAILED'])
    // The mark of the later step shows no task id.
    expect(JSON.stringify(Object.entries(job.files()))).not.toContain(taskId.slice(0, 40))
  })

  onLinux('and a later one that is refused as well: only the later goes on, and it reports', async () => {
    await using container = await startContainer()
    const { service, taskId, root } = container
    service.keepInjectingFault(on('SetTaskStatus', bare(503)))
    const first = root({ status: 'FINISHED', ...LONG })
    await service.received('SetTaskStatus', 2)
    const second = root({ status: 'FAILED', ...LONG })
    expect(await eventually(() => statusesOf(service, taskId).includes('FAILED'))).toBe(true)
    expectTakenOver(await first)
    service.clearFaults()
    expect(await second).toMatchObject({ exitCode: 0, errors: [] })
    const statuses = statusesOf(service, taskId)
    expect(statuses.slice(statuses.indexOf('FAILED'))).not.toContain('FINISHED')
    expect(effectsOf(service, taskId)).toEqual(['FAILED'])
  })

  onLinux('and the post step of an activity that could not hold the task: post takes it over', async () => {
    await using container = await startContainer()
    const { service, job } = container
    service.injectFault(accessDenied('ReportTaskProgress'))
    const held = await startActivity(service, { 'fail-on-error': 'false' }, { job, env: IN_CONTAINER })
    expect(job.heartbeats()).toEqual([])
    service.keepInjectingFault(onStatus('FINISHED', bare(503)))
    const root = held.root({ status: 'FINISHED', ...LONG })
    await service.received('SetTaskStatus', 2)
    expect((await held.post({ jobStatus: 'cancelled' })).exitCode).toBe(0)
    service.clearFaults()
    expectTakenOver(await root)
    expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
  })

  onLinux('of a task that is held: a later one takes its place, too', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, { 'heartbeat-seconds': '300' })
    service.keepInjectingFault(onStatus('FINISHED', bare(503)))
    const first = held.root({ status: 'FINISHED' })
    await service.received('SetTaskStatus', 2)
    expect((await held.root({ status: 'FAILED' })).exitCode).toBe(0)
    service.clearFaults()
    expectTakenOver(await first)
    expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
    await held.post()
    expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
    expect(held.job.heartbeats()).toEqual([])
  })
})

describe('steps that report by themselves, as nobody holds the task', () => {
  /** A job whose activity could not hold its task. */
  async function notHeld(service: LocalDataPipeline, env: Readonly<Record<string, string>> = {}): Promise<Holding> {
    service.injectFault(accessDenied('ReportTaskProgress'))
    return startActivity(service, { 'fail-on-error': 'false' }, { env })
  }

  onLinux('a root action that is killed before it reports does not make post forget an earlier report', async () => {
    await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
    await using github = await LocalGitHub.start()
    using held = await notHeld(service, github.environment)
    await held.root({ status: 'FALSE' })
    github.injectFault('hang')
    await held.root(
      { status: 'FAILED', 'github-token': github.token, needs: '{"load":{"result":"failure"}}' },
      {
        onStart: async (step) => {
          await eventually(() => github.requests.length > 0)
          step.kill('SIGKILL')
        },
      },
    )
    const post = await held.post({ jobStatus: 'failure' })
    expect(post.stdout).toMatch(/reported by another step/)
    expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
  })

  onLinux('a decision that the service refuses for good is withdrawn: post reports', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await notHeld(service)
    service.keepInjectingFault(onStatus('FALSE', invalidRequest()))
    expect((await held.root({ status: 'FALSE' })).exitCode).toBe(1)
    expect((await held.post({ jobStatus: 'failure' })).exitCode).toBe(0)
    expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
  })
})

onLinux('nobody takes over with another task, a dry run or a wrong input: the step reports', async () => {
  await using container = await startContainer()
  const { service, taskId, root } = container
  service.keepInjectingFault(onStatus('FALSE', bare(503)))
  const reporting = root({ status: 'FALSE', ...LONG })
  await service.received('SetTaskStatus')
  await Promise.all([
    root({ 'task-id': service.addTask().taskId }),
    root({ status: 'FAILED', 'dry-run': 'true' }),
    root({ status: 'perhaps' }),
  ])
  service.clearFaults()
  expect(await reporting).toMatchObject({ exitCode: 0, errors: [] })
  expect(effectsOf(service, taskId)).toEqual(['FALSE'])
})

describe('the temporary folder of the runner', () => {
  onLinux('is emptied while a step tries again: the mark is gone, and the step reports', async () => {
    await using container = await startContainer()
    const { service, job, taskId, root } = container
    service.keepInjectingFault(on('SetTaskStatus', bare(503)))
    const reporting = root({ status: 'FALSE', ...LONG })
    await service.received('SetTaskStatus')
    emptyTemp(job)
    service.clearFaults()
    expect(await reporting).toMatchObject({ exitCode: 0, errors: [] })
    expect(effectsOf(service, taskId)).toEqual(['FALSE'])
  })

  onLinux.each<[string, (job: Job) => string | undefined]>([
    ['is not there', ({ temp }) => join(temp, 'not', 'there')],
    [
      'is a file',
      ({ temp }) => {
        writeFileSync(join(temp, 'file'), '')
        return join(temp, 'file')
      },
    ],
    ['is not named', () => undefined],
    // Mounted, and the superuser may not write there either.
    ['is read-only', () => '/proc/self'],
  ])('%s: no mark can be written, and the step reports', async (_name, place) => {
    await using container = await startContainer()
    const { service, job, taskId, root } = container
    expect(await root({ status: 'FAILED' }, { RUNNER_TEMP: place(job) })).toMatchObject({ exitCode: 0, errors: [] })
    expect(effectsOf(service, taskId)).toEqual(['FAILED'])
  })

  onLinux('has something else where the mark was: a later step reports', async () => {
    await using container = await startContainer()
    const { service, job, taskId, root } = container
    service.keepInjectingFault(on('SetTaskStatus', accessDenied()))
    await root({})
    service.clearFaults()
    for (const entry of readdirSync(job.temp)) {
      rmSync(join(job.temp, entry), { recursive: true })
      mkdirSync(join(job.temp, entry))
    }
    expect(await root({ status: 'FAILED' })).toMatchObject({ exitCode: 0, errors: [] })
    expect(effectsOf(service, taskId)).toEqual(['FAILED'])
  })
})
