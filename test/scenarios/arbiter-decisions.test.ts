// One task, one report: who may decide how a task ended, and what becomes of a decision.
import { rmSync } from 'node:fs'
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import {
  accessDenied,
  bare,
  invalidRequest,
  late,
  lostReply,
  on,
  taskNotFound,
  throttle,
  times,
} from '../fakes/aws/faults.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually, isAlive } from '../support/processes.ts'
import { fastClock } from '../support/timing.ts'
import type { RunningStep } from '../support/worker.ts'
import {
  effectsOf,
  emptyTemp,
  FAST_HEARTBEAT,
  type Holding,
  heartbeatOf,
  onStatus,
  reportsOf,
  startActivity,
  startRunner,
} from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

/** No beat may come by itself. */
const NO_BEAT = { 'heartbeat-seconds': '300' }
const BY_ANOTHER_STEP = /Nothing is reported for task .*reported by another step/
const CANCELED = /Nothing is reported for task .*canceled/

/** Holds a task in a job of its own, without beats. */
function hold(service: LocalDataPipeline): Promise<Holding> {
  return startActivity(service, NO_BEAT, { env: FAST_HEARTBEAT })
}

/** Starts a step and kills it as soon as its first request for a report has arrived. */
async function killedWhileReporting(
  service: LocalDataPipeline,
  run: (onStart: (step: RunningStep) => void) => Promise<unknown>,
): Promise<void> {
  const count = service.requestsFor('SetTaskStatus').length + 1
  let running: RunningStep | undefined
  const ending = run((step) => {
    running = step
  })
  await service.received('SetTaskStatus', count)
  running?.kill('SIGKILL')
  await ending
}

onLinux('three tasks in a job, reported by root, canceled, and held to the end: each process knows', async () => {
  await using service = await LocalDataPipeline.start()
  using job = new Job(FAST_HEARTBEAT)
  const [held, reported, canceled] = await Promise.all([1, 2, 3].map(() => startActivity(service, {}, { job })))
  if (!held || !reported || !canceled) throw new Error('three are held')
  expect(job.heartbeats()).toHaveLength(3)
  service.cancelTask(canceled.taskId)
  expect(await reported.root({ status: 'FALSE' })).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  for (const { beatsEnd } of [reported, canceled]) expect(await beatsEnd()).toBe(true)
  const counts = (): number[] => [reported, canceled].map(({ respondedBeats }) => respondedBeats())
  const before = counts()
  // Those of the third task show that beats of the others would have been due.
  await held.beats(held.respondedBeats() + 3)
  expect(counts()).toEqual(before)
  expect(job.heartbeats()).toHaveLength(3)

  // The processes themselves know, without their files.
  emptyTemp(job)
  const posts = [await canceled.post(), await reported.post()]
  for (const post of posts) expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  expect(posts[0]?.stdout).toMatch(CANCELED)
  expect(posts[1]?.stdout).toMatch(BY_ANOTHER_STEP)
  expect(job.heartbeats()).toHaveLength(1)
  const beats = held.respondedBeats()
  expect(await eventually(() => held.respondedBeats() > beats)).toBe(true)
  await held.post()
  expect(job.heartbeats()).toEqual([])
  expect(reportsOf(service, canceled.taskId)).toEqual([])
  expect(reportsOf(service, reported.taskId)).toMatchObject([{ taskStatus: 'FALSE' }])
  expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
})

onLinux('the temporary folder is emptied or removed, in a container without a tracking id: one report', async () => {
  await using service = await LocalDataPipeline.start()
  using job = new Job({ ...FAST_HEARTBEAT, RUNNER_TRACKING_ID: undefined })
  const both = await Promise.all([1, 2].map(() => startActivity(service, NO_BEAT, { job })))
  expect(job.heartbeats()).toHaveLength(2)
  const ways = [emptyTemp, ({ temp }: Job) => rmSync(temp, { recursive: true })]
  for (const [index, held] of both.entries()) {
    ways[index]?.(job)
    expect(await held.root({ status: 'FAILED' })).toMatchObject({ exitCode: 0, errors: [] })
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, errors: [], stdout: expect.stringMatching(BY_ANOTHER_STEP) })
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  }
  expect(job.heartbeats()).toEqual([])
})

describe('a step is killed while it reports', () => {
  onLinux('the post step: what it had decided is reported, and no process is left', async () => {
    await using runner = await startRunner()
    const { service, worker, job } = runner
    const held = await startActivity(service, {}, { job })
    service.injectFault(...times(3, on('SetTaskStatus', bare(503))))
    await killedWhileReporting(service, (onStart) => held.post({ jobStatus: 'cancelled', onStart }))
    expect(await eventually(() => effectsOf(service, held.taskId).length > 0)).toBe(true)
    job.end()
    await worker.kill()
    expect(await job.heartbeatsEnd()).toBe(true)
    expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
    expect(reportsOf(service, held.taskId).at(-1)?.['errorId']).toBe('GitHubActions:JobCancelled')
  })

  onLinux('the root action, which is then reported, though the reply is lost: post reports nothing', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await hold(service)
    service.injectFault(on('SetTaskStatus', bare(503)), on('SetTaskStatus', lostReply()))
    await killedWhileReporting(service, (onStart) => held.root({ status: 'FALSE' }, { onStart }))
    // The third attempt finds that the second has succeeded.
    await service.received('SetTaskStatus', 3)
    expect(await held.post()).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(BY_ANOTHER_STEP) })
    expect(service.task(held.taskId).status).toBe('FALSE')
    expect(reportsOf(service, held.taskId).map(({ taskStatus }) => taskStatus)).toEqual(['FALSE', 'FALSE', 'FALSE'])
    expect(held.job.heartbeats()).toEqual([])
  })

  // The other combinations: test/unit/activity/arbiter.test.ts.
  onLinux.each([
    ['FINISHED', 'failure', 'FAILED', 'GitHubActions:JobFailed'],
    ['FALSE', 'failure', 'FALSE', 'Nightly:Root'],
  ] as const)(
    'the root action with %s, which is still open at the end of a job that ended with %s: %s',
    async (status, jobStatus, taskStatus, errorId) => {
      await using service = await LocalDataPipeline.start()
      using held = await hold(service)
      service.keepInjectingFault(on('SetTaskStatus', bare(503)))
      const inputs = { status, 'error-id': 'Nightly:Root', 'timeout-seconds': '600' }
      await killedWhileReporting(service, (onStart) => held.root(inputs, { onStart }))
      let started = false
      const posting = held.post({ jobStatus, onStart: () => (started = true) })
      expect(await eventually(() => started)).toBe(true)
      const before = service.requestsFor('SetTaskStatus').length
      const isSeen = (): boolean =>
        status === taskStatus
          ? service.requestsFor('SetTaskStatus').length >= before + 2
          : reportsOf(service, held.taskId).at(-1)?.['taskStatus'] === taskStatus
      expect(await eventually(isSeen)).toBe(true)
      service.clearFaults()
      expect((await posting).exitCode).toBe(0)
      expect(held.job.heartbeats()).toEqual([])
      expect(effectsOf(service, held.taskId)).toEqual([taskStatus])
      expect(reportsOf(service, held.taskId).at(-1)?.['errorId']).toBe(errorId)
    },
  )
})

onLinux('post reports after a dry run of root, and a decision that is refused for good, so withdrawn', async () => {
  await using service = await LocalDataPipeline.start()
  using held = await hold(service)
  await held.root({ status: 'FAILED', 'dry-run': 'true' })
  expect(reportsOf(service, held.taskId)).toEqual([])
  service.keepInjectingFault(onStatus('FALSE', invalidRequest()))
  const root = await held.root({ status: 'FALSE' })
  expect(root.exitCode).toBe(1)
  expect(root.errors).toHaveLength(1)
  expect(root.outputs['reported']).toBe('false')
  expect(held.job.heartbeats()).toHaveLength(1)
  expect((await held.post()).exitCode).toBe(0)
  expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
  expect(held.job.heartbeats()).toEqual([])
})

describe('several activities in one job, for one task', () => {
  onLinux('one process holds it, and the end of one is the end of both', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job(FAST_HEARTBEAT)
    const first = await startActivity(service, {}, { job })
    const second = await startActivity(service, { 'task-id': first.taskId }, { job })
    expect(second.main).toMatchObject({ exitCode: 0, errors: [] })
    expect(job.heartbeats()).toHaveLength(1)
    // Those of both main steps, and a beat.
    await service.received('ReportTaskProgress', 3)
    // Post steps run last in, first out; the ids of the steps differ on GitHub, too.
    expect((await second.post()).exitCode).toBe(0)
    const post = await first.post()
    expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(post.stdout).toMatch(BY_ANOTHER_STEP)
    expect(effectsOf(service, first.taskId)).toEqual(['FINISHED'])
    expect(job.heartbeats()).toEqual([])
  })

  onLinux('of which later ones do not report, or could not begin: the first goes on, and reports', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job(FAST_HEARTBEAT)
    const first = await startActivity(service, {}, { job })
    const pid = heartbeatOf(job)
    const inputs = { 'task-id': first.taskId, report: 'false' }
    const second = await startActivity(service, inputs, { job })
    service.keepInjectingFault(accessDenied('ReportTaskProgress'))
    const third = await startActivity(service, inputs, { job })
    service.clearFaults()
    expect(third.main.exitCode).toBe(1)
    await third.post({ jobStatus: 'failure' })
    const silent = await second.post({ jobStatus: 'failure' })
    expect(silent.stdout).toMatch(/Nothing is reported for task .*report is false/)
    expect(isAlive(pid)).toBe(true)
    expect(await first.post({ jobStatus: 'failure' })).toMatchObject({ exitCode: 0, warnings: [] })
    expect(effectsOf(service, first.taskId)).toEqual(['FAILED'])
    expect(job.heartbeats()).toEqual([])
  })
})

describe('the heartbeat process gives no word', () => {
  /** A step that soon loses patience with a process that is stopped. */
  const IMPATIENT = { env: fastClock(10) }

  onLinux('after SIGSTOP: the root action reports by itself, and post does not report again', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await hold(service)
    const pid = heartbeatOf(held.job)
    process.kill(pid, 'SIGSTOP')
    expect(await held.root({ status: 'FAILED' }, IMPATIENT)).toMatchObject({ exitCode: 0, errors: [] })
    expect(await eventually(() => !isAlive(pid))).toBe(true)
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, errors: [], stdout: expect.stringMatching(BY_ANOTHER_STEP) })
    expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
  })

  onLinux.each([
    ['SIGKILL', 'success', 'FINISHED'],
    ['SIGSTOP', 'failure', 'FAILED'],
  ] as const)(
    'after %s: post of a job that ended with %s says that it ended early, and reports by itself',
    async (signal, jobStatus, taskStatus) => {
      await using service = await LocalDataPipeline.start()
      using held = await hold(service)
      const pid = heartbeatOf(held.job)
      process.kill(pid, signal)
      const post = await held.post({ jobStatus, ...IMPATIENT })
      expect(post).toMatchObject({ exitCode: 0, errors: [] })
      expect(post.warnings).toEqual([expect.stringContaining('heartbeat process ended early')])
      expect(effectsOf(service, held.taskId)).toEqual([taskStatus])
      expect(isAlive(pid)).toBe(false)
      expect(held.job.heartbeats()).toEqual([])
    },
  )

  onLinux('frozen after what it sent was refused: that the task is not found is an error', async () => {
    await using service = await LocalDataPipeline.start()
    // Its wait after a refusal is long enough to stop it.
    using held = await startActivity(service, NO_BEAT)
    const pid = heartbeatOf(held.job)
    service.keepInjectingFault(on('SetTaskStatus', throttle()))
    const onStart = ({ stdout }: RunningStep): void => {
      let said = ''
      const freeze = (text: string | Buffer): void => {
        said += text
        if (!said.includes('Attempt 1 failed')) return
        stdout?.off('data', freeze)
        process.kill(pid, 'SIGSTOP')
        service.clearFaults()
        service.keepInjectingFault(on('SetTaskStatus', taskNotFound()))
      }
      stdout?.on('data', freeze)
    }
    const { outputs, warnings, errors } = await held.root({ status: 'FINISHED' }, { onStart })
    expect(outputs['reported']).toBe('false')
    expect(warnings).toEqual([])
    expect(errors).toEqual([expect.stringContaining('TaskNotFoundException')])
    // It could have sent the decision in its hands, too.
    expect(isAlive(pid)).toBe(false)
    await held.post()
  })

  onLinux('killed while its request has no response: a task that is not found means that it landed', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await hold(service)
    service.injectFault(on('SetTaskStatus', late(60_000)))
    const reporting = held.root({ status: 'FALSE' })
    expect(await eventually(() => service.task(held.taskId).status === 'FALSE')).toBe(true)
    process.kill(heartbeatOf(held.job), 'SIGKILL')
    const { exitCode, outputs, warnings } = await reporting
    expect(exitCode).toBe(0)
    expect(outputs['reported']).toBe('true')
    expect(warnings.join('\n')).toMatch(/[Mm]ost likely/)
    await held.post()
  })

  onLinux('frozen for a moment: it is left alone, and sends the report', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await hold(service)
    const pid = heartbeatOf(held.job)
    process.kill(pid, 'SIGSTOP')
    let started: RunningStep | undefined
    const reporting = held.root({ status: 'FALSE' }, { onStart: (step) => (started = step) })
    expect(await eventually(() => started !== undefined)).toBe(true)
    process.kill(pid, 'SIGCONT')
    expect((await reporting).exitCode).toBe(0)
    expect(isAlive(pid)).toBe(true)
    await held.post()
    expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
    expect(held.job.heartbeats()).toEqual([])
  })
})
