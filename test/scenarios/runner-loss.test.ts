// The runner is lost, or ends without the post step: the heartbeat process reports what became of the task, once.
import { existsSync, readlinkSync } from 'node:fs'
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { bare, type Fault, hang, late, on, times } from '../fakes/aws/faults.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { environmentOf, eventually, isAlive } from '../support/processes.ts'
import { runStep } from '../support/step.ts'
import { type RunningStep, Worker } from '../support/worker.ts'
import { effectsOf, heartbeatOf, onStatus, RUNNER_LOST, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

// Elsewhere, the stand-in for the runner's process can't be told by its command line.
const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

/** A report is due 45 s after the loss at the latest; the rest is for a machine that is busy. */
const REPORTED_WITHIN_MS = 55_000
const LIMIT_MS = 120_000

/** Waits until the heartbeat process has ended by itself. */
async function ended(job: Job): Promise<void> {
  expect(await job.heartbeatsEnd(REPORTED_WITHIN_MS)).toBe(true)
}

describe('the runner is lost between two steps', () => {
  onLinux.each<[string, Readonly<Record<string, string>>]>([
    ['of an activity', {}],
    ['of a precondition, of which nobody knows whether it holds', { precondition: 'true' }],
  ])(
    '%s: the loss is reported as FAILED, with the link',
    async (_name, inputs) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, inputs, { job })
      expect(held.main).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
      await worker.kill()
      await service.received('SetTaskStatus', 1, REPORTED_WITHIN_MS)
      await ended(job)
      expect(reportsOf(service, held.taskId)).toEqual([{ taskId: held.taskId, ...RUNNER_LOST }])
      expect(service.task(held.taskId).state).toBe('failed')
    },
    LIMIT_MS,
  )

  onLinux(
    'and kills the processes of the job before it ends, as one that shuts down: the loss is reported',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      const pid = heartbeatOf(job)
      expect(environmentOf(pid)['RUNNER_TRACKING_ID']).toBe(`${job.trackingId}_heartbeat`)
      job.end()
      await worker.kill('SIGTERM')
      job.end()
      expect(isAlive(pid)).toBe(true)
      await service.received('SetTaskStatus', 1, REPORTED_WITHIN_MS)
      await ended(job)
      expect(reportsOf(service, held.taskId)).toMatchObject([RUNNER_LOST])
    },
    LIMIT_MS,
  )

  onLinux.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'and the machine sends %s to what is left: the loss is reported',
    async (signal) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      const pid = heartbeatOf(job)
      await worker.kill()
      process.kill(pid, signal)
      await service.received('SetTaskStatus', 1, REPORTED_WITHIN_MS)
      await ended(job)
      expect(reportsOf(service, held.taskId)).toMatchObject([RUNNER_LOST])
    },
    LIMIT_MS,
  )

  onLinux.each<[string, Fault[]]>([
    ['unavailable', times(2, bare(503))],
    ['silent', [hang()]],
  ])(
    'and the service is %s for a while: the loss is reported when it is back',
    async (_name, faults) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      service.injectFault(...faults.map((fault) => on('SetTaskStatus', fault)))
      await worker.kill()
      await service.received('SetTaskStatus', faults.length + 1, REPORTED_WITHIN_MS)
      await ended(job)
      expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
      expect(reportsOf(service, held.taskId)[0]).toMatchObject(RUNNER_LOST)
    },
    LIMIT_MS,
  )

  onLinux(
    'with two tasks held: each loss is reported',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using first = await startActivity(service, {}, { job })
      using second = await startActivity(service, {}, { job })
      expect(job.heartbeats()).toHaveLength(2)
      await worker.kill()
      await service.received('SetTaskStatus', 2, REPORTED_WITHIN_MS)
      await ended(job)
      for (const { taskId } of [first, second]) expect(reportsOf(service, taskId)).toMatchObject([RUNNER_LOST])
    },
    LIMIT_MS,
  )
})

describe('the runner is lost, and nothing is reported', () => {
  onLinux(
    'with report: false',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, { report: 'false' }, { job })
      expect(job.heartbeats()).toHaveLength(1)
      await worker.kill()
      await ended(job)
      expect(reportsOf(service, held.taskId)).toEqual([])
    },
    LIMIT_MS,
  )

  onLinux(
    'after the service has cancelled the task',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      service.cancelTask(held.taskId)
      await held.beats(1)
      await worker.kill()
      await ended(job)
      expect(reportsOf(service, held.taskId)).toEqual([])
    },
    LIMIT_MS,
  )

  onLinux.each(['FINISHED', 'FAILED', 'FALSE'] as const)(
    'after the root action has reported %s',
    async (status) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, { 'heartbeat-seconds': '300' }, { job })
      expect((await held.root({ status })).exitCode).toBe(0)
      // It remembers the report.
      expect(job.heartbeats()).toHaveLength(1)
      await worker.kill()
      await ended(job)
      expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: status }])
    },
    LIMIT_MS,
  )

  onLinux(
    'by a heartbeat process that was stopped for longer: another attempt may have the task',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      const pid = heartbeatOf(job)
      process.kill(pid, 'SIGSTOP')
      await worker.kill()
      // By the wall clock: nobody looks for 30 s.
      await eventually(() => false, 31_000)
      process.kill(pid, 'SIGCONT')
      await ended(job)
      expect(reportsOf(service, held.taskId)).toEqual([])
    },
    LIMIT_MS,
  )

  onLinux(
    'after a post step that reported',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      expect(await held.post()).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
      // Post ends only when the process is gone.
      expect(job.heartbeats()).toEqual([])
      job.end()
      await worker.kill()
      expect(reportsOf(service, held.taskId)).toEqual([{ taskId: held.taskId, taskStatus: 'FINISHED' }])
    },
    LIMIT_MS,
  )
})

describe('the runner is lost in the main step', () => {
  onLinux(
    'while the service is slow to acknowledge the task, and the step goes on: the loss is reported',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      service.injectFault(on('ReportTaskProgress', late(3_000)))
      const holding = startActivity(service, {}, { job })
      await service.received('ReportTaskProgress')
      await worker.kill()
      using held = await holding
      await service.received('SetTaskStatus', 1, REPORTED_WITHIN_MS)
      await ended(job)
      expect(reportsOf(service, held.taskId)).toMatchObject([RUNNER_LOST])
    },
    LIMIT_MS,
  )

  onLinux(
    'and the step with it, before it holds the task: no process is left',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      service.injectFault(on('ReportTaskProgress', hang()))
      let main: RunningStep | undefined
      const onStart = (step: RunningStep): void => {
        main = step
      }
      const { taskId } = service.addTask()
      const holding = job.main('activity', {
        action: 'activity',
        inputs: { 'task-id': taskId },
        env: service.env(),
        onStart,
      })
      await service.received('ReportTaskProgress')
      await worker.kill()
      main?.kill('SIGKILL')
      expect((await holding).exitCode).toBeNull()
      await ended(job)
      expect(reportsOf(service, taskId)).toEqual([])
    },
    LIMIT_MS,
  )
})

onLinux(
  'the runner is lost while GitHub is asked to cancel the run of a cancelled task: nothing is reported',
  async () => {
    await using service = await LocalDataPipeline.start()
    await using github = await LocalGitHub.start({ permissions: ['actions: write'] })
    await using worker = await Worker.start()
    using job = new Job(github.environment, { worker })
    github.injectFault('unavailable', { times: 100 })
    using held = await startActivity(service, { 'on-cancel': 'cancel-run', 'github-token': github.token }, { job })
    service.cancelTask(held.taskId)
    expect(await eventually(() => github.requests.length > 0)).toBe(true)
    await worker.kill()
    await ended(job)
    expect(reportsOf(service, held.taskId)).toEqual([])
  },
  LIMIT_MS,
)

describe('the runner is lost while a step reports', () => {
  onLinux(
    'the post step, with it, and the answer is late: what is under way is not sent again',
    async () => {
      await using service = await LocalDataPipeline.start({ lostTask: 'accepted' })
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      service.injectFault(on('SetTaskStatus', late(6_000)))
      let running: RunningStep | undefined
      const reporting = held.post({ onStart: (started) => (running = started) })
      await service.received('SetTaskStatus')
      await worker.kill()
      running?.kill('SIGKILL')
      await reporting
      await ended(job)
      expect(reportsOf(service, held.taskId)).toEqual([{ taskId: held.taskId, taskStatus: 'FINISHED' }])
    },
    LIMIT_MS,
  )

  onLinux.each([
    ['the post step', 'with it', 'FINISHED'],
    ['the post step', 'alone', 'FINISHED'],
    ['the root action', 'with it', 'FALSE'],
    ['the root action', 'alone', 'FALSE'],
  ] as const)(
    '%s, %s: what the step had decided is reported, once',
    async (step, how, taskStatus) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      service.injectFault(...times(3, on('SetTaskStatus', bare(503))))
      let running: RunningStep | undefined
      const options = {
        limitMs: 90_000,
        onStart: (started: RunningStep): void => {
          running = started
        },
      }
      const reporting = step === 'the post step' ? held.post(options) : held.root({ status: 'FALSE' }, options)
      await service.received('SetTaskStatus')
      await worker.kill()
      if (how === 'with it') running?.kill('SIGKILL')
      expect(await eventually(() => effectsOf(service, held.taskId).length > 0, REPORTED_WITHIN_MS)).toBe(true)
      await reporting
      await ended(job)
      expect(effectsOf(service, held.taskId)).toEqual([taskStatus])
    },
    LIMIT_MS,
  )

  onLinux(
    'the root action, with it and with report: false: what the user asked for is reported',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, { report: 'false' }, { job })
      service.injectFault(...times(3, on('SetTaskStatus', bare(503))))
      const onStart = (root: RunningStep): void => {
        void service.received('SetTaskStatus').then(async () => {
          await worker.kill()
          root.kill('SIGKILL')
        })
      }
      expect((await held.root({ status: 'FALSE' }, { onStart })).exitCode).toBeNull()
      expect(await eventually(() => effectsOf(service, held.taskId).length > 0, REPORTED_WITHIN_MS)).toBe(true)
      await ended(job)
      expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
    },
    LIMIT_MS,
  )

  onLinux(
    'the root action, for a task that is not held: nobody reads what it says, and it reports',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      service.injectFault(...times(2, onStatus('FAILED', bare(503))))
      const { taskId } = service.addTask()
      const inputs = { 'task-id': taskId, status: 'FAILED' }
      const reporting = runStep({ inputs, env: service.env(), worker })
      await service.received('SetTaskStatus')
      await worker.kill()
      expect(await eventually(() => effectsOf(service, taskId).length > 0)).toBe(true)
      await reporting
      expect(effectsOf(service, taskId)).toEqual(['FAILED'])
    },
    LIMIT_MS,
  )
})

describe('the job ends without its post step', () => {
  onLinux(
    'as the runner could not start it: what the runner leaves reports as for a loss, and ends',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      await held.beats(1)
      // The job is over: the runner kills what carries its id, and its process for the job ends.
      job.end()
      expect(job.heartbeats()).toHaveLength(1)
      await worker.kill('SIGTERM')
      await service.received('SetTaskStatus', 1, REPORTED_WITHIN_MS)
      await ended(job)
      expect(reportsOf(service, held.taskId)).toEqual([{ taskId: held.taskId, ...RUNNER_LOST }])
      const log = Object.entries(job.files()).find(([path]) => path.endsWith('heartbeat.log'))?.[1]
      expect(log).not.toContain(held.taskId)
    },
    LIMIT_MS,
  )

  onLinux(
    'and the workspace was removed: it is not made again, and the beats go on',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      // The step's workspace is gone as soon as the step has ended.
      using held = await startActivity(service, {}, { job })
      await held.beats(1)
      const pid = heartbeatOf(job)
      expect(existsSync(environmentOf(pid)['GITHUB_WORKSPACE'] ?? '')).toBe(false)
      expect(readlinkSync(`/proc/${pid}/cwd`)).not.toMatch(/ \(deleted\)$/)
      await worker.kill()
      await service.received('SetTaskStatus', 1, REPORTED_WITHIN_MS)
      await ended(job)
      expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
    },
    LIMIT_MS,
  )
})

describe('another process than the runner started the step', () => {
  onLinux(
    'and ends later than 10 s after it: the beats end, and nothing is reported',
    async () => {
      await using service = await LocalDataPipeline.start()
      using job = new Job()
      let parent: RunningStep | undefined
      const holding = startActivity(
        service,
        {},
        {
          job,
          limitMs: 100_000,
          startedBy: ['bash', '-c', '"$@"; exec sleep 1000', 'bash'],
          onStart: (started) => {
            parent = started
          },
        },
      )
      // The acknowledgement, and three beats: more than 10 s.
      await service.received('ReportTaskProgress', 4, 60_000)
      expect(await eventually(() => job.steps().length === 0)).toBe(true)
      expect(environmentOf(heartbeatOf(job))['RUNNER_TRACKING_ID']).toBe(job.trackingId)
      parent?.kill('SIGKILL')
      using held = await holding
      expect(await job.heartbeatsEnd(REPORTED_WITHIN_MS)).toBe(true)
      expect(reportsOf(service, held.taskId)).toEqual([])
    },
    LIMIT_MS,
  )

  onLinux(
    'and its end kills what carries the id of the job: the process is one of these',
    async () => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service)
      expect(environmentOf(heartbeatOf(held.job))['RUNNER_TRACKING_ID']).toBe(held.job.trackingId)
      held.job.end()
      expect(await held.job.heartbeatsEnd()).toBe(true)
      expect(reportsOf(service, held.taskId)).toEqual([])
    },
    LIMIT_MS,
  )
})
