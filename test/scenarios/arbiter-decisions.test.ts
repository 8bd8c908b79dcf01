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
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually, isAlive } from '../support/processes.ts'
import { type RunningStep, Worker } from '../support/worker.ts'
import { effectsOf, emptyTemp, heartbeatOf, onStatus, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

const LIMIT_MS = 120_000
/** No beat may come by itself. */
const NO_BEAT = { 'heartbeat-seconds': '300' }
const BY_ANOTHER_STEP = /Nothing is reported for task .*reported by another step/

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

describe('after the report of the root action', () => {
  onLinux('the beats end; the process stays until the post step, which reports nothing', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    const pid = heartbeatOf(held.job)
    expect(await held.root({ status: 'FALSE' })).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    const beats = service.requestsFor('ReportTaskProgress').length
    // The next one would be due after 5 s.
    await eventually(() => false, 6_000)
    expect(service.requestsFor('ReportTaskProgress')).toHaveLength(beats)
    expect(isAlive(pid)).toBe(true)
    const post = await held.post()
    expect(held.job.heartbeats()).toEqual([])
    expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(post.stdout).toMatch(BY_ANOTHER_STEP)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FALSE' }])
  })

  onLinux('a later root action is sent, too: the user asked for it', async () => {
    await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
    using held = await startActivity(service, NO_BEAT)
    await held.root({ status: 'FINISHED' })
    expect((await held.root({ status: 'FAILED' })).exitCode).toBe(0)
    await held.post()
    expect(effectsOf(service, held.taskId)).toEqual(['FINISHED', 'FAILED'])
  })
})

describe('the service has cancelled the task', () => {
  onLinux('the process stays without beats; post reports nothing, and ends it', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    const pid = heartbeatOf(held.job)
    service.cancelTask(held.taskId)
    await held.beats(1)
    await eventually(() => false, 6_000)
    expect(held.respondedBeats()).toBe(1)
    expect(isAlive(pid)).toBe(true)
    const post = await held.post()
    expect(held.job.heartbeats()).toEqual([])
    expect(post.stdout).toMatch(/Nothing is reported for task .*canceled/)
    expect(reportsOf(service, held.taskId)).toEqual([])
  })

  onLinux('a root action is still sent, once', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    service.cancelTask(held.taskId)
    await held.beats(1)
    expect((await held.root({ status: 'FAILED' })).exitCode).toBe(0)
    await held.post()
    expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
  })
})

describe('the temporary folder of the runner', () => {
  onLinux.each<[string, string, (job: Job) => void, (job: Job) => void]>([
    ['is emptied', 'before the root action', emptyTemp, () => {}],
    ['is emptied', 'after the root action', () => {}, emptyTemp],
    ['is emptied', 'before and after it', emptyTemp, emptyTemp],
    ['is removed', 'before the root action', ({ temp }) => rmSync(temp, { recursive: true }), () => {}],
  ])('%s %s: one report, that of the root action', async (_what, _when, before, after) => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, NO_BEAT)
    before(held.job)
    expect(await held.root({ status: 'FAILED' })).toMatchObject({ exitCode: 0, errors: [] })
    after(held.job)
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, errors: [] })
    expect(post.stdout).toMatch(BY_ANOTHER_STEP)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
    expect(held.job.heartbeats()).toEqual([])
  })

  onLinux('is emptied in a container, where steps have no tracking id: one report', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job({ RUNNER_TRACKING_ID: undefined })
    using held = await startActivity(service, NO_BEAT, { job })
    expect(job.heartbeats()).toHaveLength(1)
    emptyTemp(job)
    await held.root({ status: 'FAILED' })
    const post = await held.post()
    expect(post.stdout).toMatch(BY_ANOTHER_STEP)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
    expect(job.heartbeats()).toEqual([])
  })

  onLinux('is emptied, and the service has cancelled the task: nothing is reported', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    service.cancelTask(held.taskId)
    await held.beats(1)
    emptyTemp(held.job)
    const post = await held.post()
    expect(post.stdout).toMatch(/Nothing is reported for task .*canceled/)
    expect(reportsOf(service, held.taskId)).toEqual([])
    expect(held.job.heartbeats()).toEqual([])
  })
})

describe('a step is killed while it reports', () => {
  onLinux.each([
    ['success', 'FINISHED'],
    ['failure', 'FAILED'],
    ['cancelled', 'FAILED'],
  ])(
    'the post step of a job that ended with %s: %s is reported, and no process is left',
    async (jobStatus, taskStatus) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      service.injectFault(...times(3, on('SetTaskStatus', bare(503))))
      await killedWhileReporting(service, (onStart) => held.post({ jobStatus, onStart }))
      expect(await eventually(() => effectsOf(service, held.taskId).length > 0, 45_000)).toBe(true)
      job.end()
      await worker.kill()
      expect(await job.heartbeatsEnd(60_000)).toBe(true)
      expect(effectsOf(service, held.taskId)).toEqual([taskStatus])
    },
    LIMIT_MS,
  )

  onLinux(
    'the post step, and the service never answers again before the runner ends: sent when it does',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      service.keepInjectingFault(on('SetTaskStatus', bare(503)))
      await killedWhileReporting(service, (onStart) => held.post({ jobStatus: 'failure', onStart }))
      job.end()
      await worker.kill()
      await service.received('SetTaskStatus', 3, 45_000)
      service.clearFaults()
      expect(await eventually(() => effectsOf(service, held.taskId).length > 0, 45_000)).toBe(true)
      expect(await job.heartbeatsEnd(60_000)).toBe(true)
      expect(reportsOf(service, held.taskId).at(-1)).toMatchObject({ errorId: 'GitHubActions:JobFailed' })
      expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
    },
    LIMIT_MS,
  )

  onLinux(
    'the root action, which is then reported before the post step comes: post reports nothing',
    async () => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service, NO_BEAT)
      service.injectFault(...times(2, on('SetTaskStatus', bare(503))))
      await killedWhileReporting(service, (onStart) => held.root({ status: 'FALSE' }, { onStart }))
      expect(await eventually(() => effectsOf(service, held.taskId).length > 0, 45_000)).toBe(true)
      expect(await held.post()).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(BY_ANOTHER_STEP) })
      expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
      expect(held.job.heartbeats()).toEqual([])
    },
    LIMIT_MS,
  )

  onLinux.each([
    ['FINISHED', 'success', 'FINISHED', undefined],
    ['FINISHED', 'failure', 'FAILED', 'GitHubActions:JobFailed'],
    ['FINISHED', 'cancelled', 'FAILED', 'GitHubActions:JobCancelled'],
    ['FAILED', 'success', 'FAILED', 'Nightly:Root'],
    ['FALSE', 'failure', 'FALSE', 'Nightly:Root'],
  ] as const)(
    'the root action with %s, which is still open at the end of a job that ended with %s: %s',
    async (status, jobStatus, taskStatus, errorId) => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service, NO_BEAT)
      service.keepInjectingFault(on('SetTaskStatus', bare(503)))
      const inputs = { status, 'error-id': 'Nightly:Root' }
      await killedWhileReporting(service, (onStart) => held.root(inputs, { onStart }))
      const posting = held.post({ jobStatus, limitMs: 90_000 })
      const before = service.requestsFor('SetTaskStatus').length
      const isReplaced = status !== taskStatus
      const isSeen = (): boolean =>
        isReplaced
          ? reportsOf(service, held.taskId).at(-1)?.['taskStatus'] === taskStatus
          : service.requestsFor('SetTaskStatus').length >= before + 2
      expect(await eventually(isSeen, 50_000)).toBe(true)
      service.clearFaults()
      const post = await posting
      expect(post.exitCode).toBe(0)
      expect(held.job.heartbeats()).toEqual([])
      expect(effectsOf(service, held.taskId)).toEqual([taskStatus])
      const last = reportsOf(service, held.taskId).at(-1)
      expect(last?.['errorId']).toBe(errorId)
    },
    LIMIT_MS,
  )
})

describe('a decision', () => {
  onLinux('of root that the service refuses for good is withdrawn, and post reports', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, NO_BEAT)
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

  onLinux('of root whose reply is lost is not sent by the next as well', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, NO_BEAT)
    service.injectFault(on('SetTaskStatus', lostReply()))
    expect((await held.root({ status: 'FAILED' })).exitCode).toBe(0)
    const post = await held.post()
    expect(post.stdout).toMatch(BY_ANOTHER_STEP)
    expect(service.task(held.taskId).state).toBe('failed')
    expect(new Set(reportsOf(service, held.taskId).map(({ taskStatus }) => taskStatus))).toEqual(new Set(['FAILED']))
  })

  onLinux('is made by no dry run: post reports', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, NO_BEAT)
    await held.root({ status: 'FAILED', 'dry-run': 'true' })
    expect(reportsOf(service, held.taskId)).toEqual([])
    await held.post()
    expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
  })
})

describe('two activities in one job', () => {
  onLinux('for one task: one process holds it, and the end of one is the end of both', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    using first = await startActivity(service, {}, { job })
    using second = await startActivity(service, { 'task-id': first.taskId }, { job })
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

  onLinux('for one task, of which the later does not report: the earlier does', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    using first = await startActivity(service, {}, { job })
    using second = await startActivity(service, { 'task-id': first.taskId, report: 'false' }, { job })
    expect((await second.post({ jobStatus: 'failure' })).stdout).toMatch(
      /Nothing is reported for task .*report is false/,
    )
    await first.post({ jobStatus: 'failure' })
    expect(effectsOf(service, first.taskId)).toEqual(['FAILED'])
    expect(job.heartbeats()).toEqual([])
  })

  onLinux('for one task, of which the later could not begin: the earlier goes on to hold it', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    using first = await startActivity(service, {}, { job })
    const pid = heartbeatOf(job)
    service.injectFault(accessDenied('ReportTaskProgress'))
    using second = await startActivity(service, { 'task-id': first.taskId, report: 'false' }, { job })
    expect(second.main.exitCode).toBe(1)
    await second.post({ jobStatus: 'failure' })
    expect(isAlive(pid)).toBe(true)
    const post = await first.post({ jobStatus: 'failure' })
    expect(post).toMatchObject({ exitCode: 0, warnings: [] })
    expect(effectsOf(service, first.taskId)).toEqual(['FAILED'])
    expect(job.heartbeats()).toEqual([])
  })

  onLinux('for two tasks: the end of one does not touch the other', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    using first = await startActivity(service, {}, { job })
    using second = await startActivity(service, {}, { job })
    expect(job.heartbeats()).toHaveLength(2)
    await second.root({ status: 'FALSE' })
    expect((await second.post()).stdout).toMatch(BY_ANOTHER_STEP)
    expect(job.heartbeats()).toHaveLength(1)
    await first.beats(first.respondedBeats() + 1)
    await first.post()
    expect(job.heartbeats()).toEqual([])
    expect(effectsOf(service, first.taskId)).toEqual(['FINISHED'])
    expect(effectsOf(service, second.taskId)).toEqual(['FALSE'])
  })
})

onLinux(
  'the service fails for longer than a process may be silent: the process goes on trying, and reports',
  async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, NO_BEAT)
    const pid = heartbeatOf(held.job)
    service.keepInjectingFault(on('SetTaskStatus', bare(503)))
    const reporting = held.root({ status: 'FALSE' }, { limitMs: 90_000 })
    await service.received('SetTaskStatus')
    await eventually(() => false, 7_000)
    expect(isAlive(pid)).toBe(true)
    service.clearFaults()
    expect(await reporting).toMatchObject({ exitCode: 0, errors: [] })
    expect(isAlive(pid)).toBe(true)
    await held.post()
    expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
  },
)

describe('the heartbeat process gives no word', () => {
  onLinux.each(['SIGKILL', 'SIGSTOP'] as const)(
    'after %s: the root action reports by itself, and post does not report again',
    async (signal) => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service, NO_BEAT)
      const pid = heartbeatOf(held.job)
      process.kill(pid, signal)
      expect(await held.root({ status: 'FAILED' })).toMatchObject({ exitCode: 0, errors: [] })
      expect(await eventually(() => !isAlive(pid))).toBe(true)
      const post = await held.post()
      expect(post).toMatchObject({ exitCode: 0, errors: [], stdout: expect.stringMatching(BY_ANOTHER_STEP) })
      expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
    },
    LIMIT_MS,
  )

  onLinux.each(['SIGKILL', 'SIGSTOP'] as const)(
    'after %s: post says that it ended early, and reports by itself',
    async (signal) => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service, NO_BEAT)
      const pid = heartbeatOf(held.job)
      process.kill(pid, signal)
      const post = await held.post({ jobStatus: 'failure' })
      expect(post).toMatchObject({ exitCode: 0, errors: [] })
      expect(post.warnings.join('\n')).toMatch(/heartbeat process ended early/)
      expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
      expect(isAlive(pid)).toBe(false)
      expect(held.job.heartbeats()).toEqual([])
    },
    LIMIT_MS,
  )

  onLinux(
    'when it is frozen with a decision in its hands: the step sends it by itself, and it is sent once',
    async () => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service, NO_BEAT)
      const pid = heartbeatOf(held.job)
      service.keepInjectingFault(on('SetTaskStatus', bare(503)))
      const reporting = held.root({ status: 'FALSE' }, { limitMs: 90_000 })
      await service.received('SetTaskStatus')
      process.kill(pid, 'SIGSTOP')
      expect(await eventually(() => !isAlive(pid))).toBe(true)
      service.clearFaults()
      expect(await reporting).toMatchObject({ exitCode: 0, errors: [] })
      const post = await held.post()
      expect(post.stdout).toMatch(BY_ANOTHER_STEP)
      expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
    },
    LIMIT_MS,
  )

  onLinux(
    'when it is frozen after the service has refused what it sent: that the task is not found is an error',
    async () => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service, NO_BEAT)
      service.keepInjectingFault(on('SetTaskStatus', throttle()))
      const onStart = ({ stdout }: RunningStep): void => {
        let said = ''
        const freeze = (text: string | Buffer): void => {
          said += text
          if (!said.includes('Attempt 1 failed')) return
          stdout?.off('data', freeze)
          process.kill(heartbeatOf(held.job), 'SIGSTOP')
          service.clearFaults()
          service.keepInjectingFault(on('SetTaskStatus', taskNotFound()))
        }
        stdout?.on('data', freeze)
      }
      const { outputs, warnings, errors } = await held.root({ status: 'FINISHED' }, { onStart })
      expect(outputs['reported']).toBe('false')
      expect(warnings).toEqual([])
      expect(errors).toEqual([expect.stringContaining('TaskNotFoundException')])
      await held.post()
    },
    LIMIT_MS,
  )

  onLinux.each(['SIGKILL', 'SIGSTOP'] as const)(
    'after %s, before it has sent anything: that the task is not found is an error',
    async (signal) => {
      await using service = await LocalDataPipeline.start()
      await using github = await LocalGitHub.start()
      using held = await startActivity(service, NO_BEAT, { env: github.environment })
      github.injectFault('hang')
      service.injectFault(on('SetTaskStatus', taskNotFound()))
      // It collects evidence, connected to the process.
      const needs = '{"load":{"result":"failure"}}'
      const reporting = held.root({ status: 'FAILED', 'github-token': github.token, needs })
      expect(await eventually(() => github.requests.length > 0)).toBe(true)
      process.kill(heartbeatOf(held.job), signal)
      const { outputs, warnings, errors } = await reporting
      expect(outputs['reported']).toBe('false')
      expect(warnings.join('\n')).not.toMatch(/[Mm]ost likely/)
      expect(errors).toEqual([expect.stringContaining('TaskNotFoundException')])
      await held.post()
    },
    LIMIT_MS,
  )

  onLinux(
    'after SIGKILL, while its request has no response: that the task is not found means that the report landed',
    async () => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service, NO_BEAT)
      service.injectFault(on('SetTaskStatus', late(60_000)))
      const reporting = held.root({ status: 'FALSE' }, { limitMs: 90_000 })
      expect(await eventually(() => service.task(held.taskId).status === 'FALSE')).toBe(true)
      process.kill(heartbeatOf(held.job), 'SIGKILL')
      const { exitCode, outputs, warnings } = await reporting
      expect(exitCode).toBe(0)
      expect(outputs['reported']).toBe('true')
      expect(warnings.join('\n')).toMatch(/[Mm]ost likely/)
      await held.post()
    },
    LIMIT_MS,
  )

  onLinux(
    'when it is frozen for a moment: it is left alone, and sends the report',
    async () => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service, NO_BEAT)
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
    },
    LIMIT_MS,
  )
})
