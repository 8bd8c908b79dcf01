// The runner is lost, or ends without the post step: the heartbeat process reports what became of the task, once.
import { existsSync, readlinkSync } from 'node:fs'
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { bare, hang, late, on, times } from '../fakes/aws/faults.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { preloading } from '../support/preload.ts'
import { environmentOf, eventually } from '../support/processes.ts'
import { runStep } from '../support/step.ts'
import { fastClock } from '../support/timing.ts'
import type { RunningStep } from '../support/worker.ts'
import {
  effectsOf,
  FAST_HEARTBEAT,
  heartbeatOf,
  onStatus,
  RUNNER_LOST,
  reportsOf,
  startActivity,
  startRunner,
} from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

// Elsewhere, the stand-in for the runner's process can't be told by its command line.
const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

/** Waits until the heartbeat processes have ended by themselves. */
async function ended(job: Job): Promise<void> {
  expect(await job.heartbeatsEnd()).toBe(true)
}

describe('the runner is lost between two steps', () => {
  onLinux('with two tasks held, one of them a precondition: each is reported as FAILED, with the link', async () => {
    await using runner = await startRunner()
    const { service, worker, job } = runner
    // Nobody knows whether a precondition holds.
    const both = [{}, { precondition: 'true' }].map((inputs) => startActivity(service, inputs, { job }))
    const held = await Promise.all(both)
    for (const { main } of held) expect(main).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(job.heartbeats()).toHaveLength(2)
    await worker.kill()
    await service.received('SetTaskStatus', 2)
    await ended(job)
    for (const { taskId } of held) {
      expect(reportsOf(service, taskId)).toEqual([{ taskId, ...RUNNER_LOST }])
      expect(service.task(taskId).state).toBe('failed')
    }
  })

  onLinux('as it could not start the post step: what the runner leaves reports, whatever signal it gets', async () => {
    await using runner = await startRunner()
    const { service, worker, job } = runner
    const { taskId, beats } = await startActivity(service, {}, { job })
    await beats(1)
    const pid = heartbeatOf(job)
    // The step's workspace is gone as soon as the step has ended. It is not made again.
    expect(existsSync(environmentOf(pid)['GITHUB_WORKSPACE'] ?? '')).toBe(false)
    expect(readlinkSync(`/proc/${pid}/cwd`)).not.toMatch(/ \(deleted\)$/)
    service.injectFault(on('SetTaskStatus', late(2_000)))
    // The job is over: the runner kills what carries its id, and its process for the job ends.
    job.end()
    expect(job.heartbeats()).toEqual([pid])
    await worker.kill('SIGTERM')
    await service.received('SetTaskStatus')
    // While the report is on its way, the machine ends the processes that are left.
    job.end()
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pid, signal)
    await ended(job)
    expect(reportsOf(service, taskId)).toEqual([{ taskId, ...RUNNER_LOST }])
    const [log] = Object.entries(job.files()).flatMap(([path, text]) => (path.endsWith('heartbeat.log') ? [text] : []))
    expect(log).toContain('Reported FAILED')
    expect(log).not.toContain(taskId)
  })

  onLinux('and the service is silent, then unavailable: the loss is reported when it is back', async () => {
    // Here the limits pass faster, too: that of the silent attempt is 10 s.
    await using runner = await startRunner(fastClock(4, { script: 'heartbeat.js', limitFromMs: Infinity }))
    const { service, worker, job } = runner
    const { taskId } = await startActivity(service, {}, { job })
    service.injectFault(on('SetTaskStatus', hang()), ...times(2, on('SetTaskStatus', bare(503))))
    await worker.kill()
    await service.received('SetTaskStatus', 4)
    await ended(job)
    expect(effectsOf(service, taskId)).toEqual(['FAILED'])
    expect(reportsOf(service, taskId)[0]).toMatchObject(RUNNER_LOST)
  })
})

describe('the runner is lost, and nothing is reported', () => {
  onLinux('where there is no report to make, it was made, or another attempt may have the task', async () => {
    await using runner = await startRunner()
    const { service, worker, job } = runner
    // By the wall clock: nobody looks for 31 s.
    const stopped = preloading(`let passed = 0
      const now = Date.now
      Date.now = () => now() + passed
      process.once('SIGCONT', () => { passed = 31_000 })`)
    const NODE_OPTIONS = `${FAST_HEARTBEAT.NODE_OPTIONS} ${stopped.NODE_OPTIONS}`
    const [frozen, ...others] = await Promise.all([
      startActivity(service, { 'heartbeat-seconds': '300' }, { job, env: { NODE_OPTIONS } }),
      startActivity(service, { report: 'false' }, { job }),
      startActivity(service, {}, { job }),
      startActivity(service, { 'heartbeat-seconds': '300' }, { job }),
    ])
    const [silent, cancelled, reported] = others
    service.cancelTask(cancelled.taskId)
    expect(await cancelled.beatsEnd()).toBe(true)
    expect((await reported.root({ status: 'FALSE' })).exitCode).toBe(0)
    // Those remember it.
    expect(job.heartbeats()).toHaveLength(4)
    const pid = job.heartbeats().find((found) => environmentOf(found)['NODE_OPTIONS'] === NODE_OPTIONS) ?? 0
    process.kill(pid, 'SIGSTOP')
    await worker.kill()
    process.kill(pid, 'SIGCONT')
    await ended(job)
    for (const { taskId } of [frozen, silent, cancelled]) expect(reportsOf(service, taskId)).toEqual([])
    expect(reportsOf(service, reported.taskId)).toMatchObject([{ taskStatus: 'FALSE' }])
  })

  onLinux('while GitHub is asked to cancel the run of a cancelled task', async () => {
    await using github = await LocalGitHub.start({ permissions: ['actions: write'] })
    await using runner = await startRunner(github.environment)
    const { service, worker, job } = runner
    github.injectFault('unavailable', { times: 100 })
    const inputs = { 'on-cancel': 'cancel-run', 'github-token': github.token }
    const { taskId } = await startActivity(service, inputs, { job })
    service.cancelTask(taskId)
    expect(await eventually(() => github.requests.length > 0)).toBe(true)
    await worker.kill()
    await ended(job)
    expect(reportsOf(service, taskId)).toEqual([])
  })
})

describe('the runner is lost in the main step', () => {
  onLinux('while the service is slow to acknowledge the task, and the step goes on: the loss is reported', async () => {
    await using runner = await startRunner()
    const { service, worker, job } = runner
    service.injectFault(on('ReportTaskProgress', late(2_000)))
    const holding = startActivity(service, {}, { job })
    await service.received('ReportTaskProgress')
    await worker.kill()
    const { taskId } = await holding
    await service.received('SetTaskStatus')
    await ended(job)
    expect(reportsOf(service, taskId)).toMatchObject([RUNNER_LOST])
  })

  onLinux('and the step with it, before it holds the task: no process is left', async () => {
    await using runner = await startRunner()
    const { service, worker, job } = runner
    service.injectFault(on('ReportTaskProgress', hang()))
    let main: RunningStep | undefined
    const onStart = (step: RunningStep): void => {
      main = step
    }
    const { taskId } = service.addTask()
    const step = { action: 'activity', inputs: { 'task-id': taskId }, env: service.env(), onStart }
    const holding = job.main('activity', step)
    await service.received('ReportTaskProgress')
    await worker.kill()
    main?.kill('SIGKILL')
    expect((await holding).exitCode).toBeNull()
    await ended(job)
    expect(reportsOf(service, taskId)).toEqual([])
  })
})

describe('the runner is lost while a step reports', () => {
  onLinux('the post step, with it, and the answer is late: what is under way is not sent again', async () => {
    // The answer is in time by a clock of the usual speed.
    await using runner = await startRunner({ NODE_OPTIONS: undefined }, { lostTask: 'accepted' })
    const { service, worker, job } = runner
    const { taskId, post } = await startActivity(service, {}, { job })
    service.injectFault(on('SetTaskStatus', late(6_000)))
    let running: RunningStep | undefined
    const reporting = post({ onStart: (started) => (running = started) })
    await service.received('SetTaskStatus')
    await worker.kill()
    running?.kill('SIGKILL')
    await reporting
    await ended(job)
    expect(reportsOf(service, taskId)).toEqual([{ taskId, taskStatus: 'FINISHED' }])
  })

  onLinux.each([
    ['the post step, with it', 'post', true, {}, 'FINISHED'],
    ['the root action, alone', 'root', false, {}, 'FALSE'],
    ['the root action, with it, and report is false', 'root', true, { report: 'false' }, 'FALSE'],
  ] as const)('%s: what the step had decided is reported, once', async (_name, step, isKilled, inputs, taskStatus) => {
    await using runner = await startRunner()
    const { service, worker, job } = runner
    const held = await startActivity(service, inputs, { job })
    service.keepInjectingFault(on('SetTaskStatus', bare(503)))
    let running: RunningStep | undefined
    const onStart = (started: RunningStep): void => {
      running = started
    }
    const reporting = step === 'post' ? held.post({ onStart }) : held.root({ status: 'FALSE' }, { onStart })
    await service.received('SetTaskStatus')
    await worker.kill()
    if (isKilled) running?.kill('SIGKILL')
    expect(await held.beatsEnd()).toBe(true)
    service.clearFaults()
    await reporting
    await ended(job)
    expect(effectsOf(service, held.taskId)).toEqual([taskStatus])
  })

  onLinux('the root action, for a task that is not held: nobody reads what it says, and it reports', async () => {
    await using runner = await startRunner()
    const { service, worker } = runner
    service.injectFault(...times(2, onStatus('FAILED', bare(503))))
    const { taskId } = service.addTask()
    const inputs = { 'task-id': taskId, status: 'FAILED' }
    const reporting = runStep({ inputs, env: service.env(), worker })
    await service.received('SetTaskStatus')
    await worker.kill()
    expect(await eventually(() => effectsOf(service, taskId).length > 0)).toBe(true)
    await reporting
    expect(effectsOf(service, taskId)).toEqual(['FAILED'])
  })
})

describe('another process than the runner started the step', () => {
  onLinux('and ends later than 10 s after it: the beats end, and nothing is reported', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job(FAST_HEARTBEAT)
    let parent: RunningStep | undefined
    const startedBy = ['bash', '-c', '"$@"; exec sleep 1000', 'bash'] as const
    const onStart = (started: RunningStep): void => {
      parent = started
    }
    const holding = startActivity(service, {}, { job, startedBy, onStart })
    // The acknowledgement, and three beats: more than 10 s.
    await service.received('ReportTaskProgress', 4)
    expect(await eventually(() => job.steps().length === 0)).toBe(true)
    expect(environmentOf(heartbeatOf(job))['RUNNER_TRACKING_ID']).toBe(job.trackingId)
    parent?.kill('SIGKILL')
    const { taskId } = await holding
    await ended(job)
    expect(reportsOf(service, taskId)).toEqual([])
  })

  onLinux('and its end kills what carries the id of the job: the process is one of these', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    expect(environmentOf(heartbeatOf(held.job))['RUNNER_TRACKING_ID']).toBe(held.job.trackingId)
    held.job.end()
    expect(await held.job.heartbeatsEnd()).toBe(true)
    expect(reportsOf(service, held.taskId)).toEqual([])
  })
})
