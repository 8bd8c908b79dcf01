// The replacement for the runner's process, and how a job finds its processes.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { hang } from '../fakes/aws/faults.ts'
import { Job, leftOverProcesses } from './job.ts'
import { node24 } from './node24.ts'
import { argumentsOf, eventually, isAlive, killAll, parentOf } from './processes.ts'
import { runStep } from './step.ts'
import { type RunningStep, Worker } from './worker.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

describe('a worker', () => {
  onLinux('has the name of the runner’s process, and is the parent of its steps', async () => {
    await using service = await LocalDataPipeline.start()
    await using worker = await Worker.start()
    expect(argumentsOf(worker.pid)[0]).toBe('/opt/runner/bin/Runner.Worker')
    const { taskId } = service.addTask()
    let parent: number | undefined
    const onStart = ({ pid = 0 }: RunningStep): void => {
      parent = parentOf(pid)
    }
    const step = await runStep({ inputs: { 'task-id': taskId }, env: service.env(), worker, onStart })
    expect(step).toMatchObject({ exitCode: 0, errors: [], stderr: '', outputs: { reported: 'true' } })
    expect(step.stdout).toContain('Reported FINISHED')
    expect(parent).toBe(worker.pid)
  })

  onLinux('passes on how a step ends, texts of any language, and signals', async () => {
    await using service = await LocalDataPipeline.start()
    await using worker = await Worker.start()
    service.keepInjectingFault(hang())
    const inputs = { 'task-id': service.addTask().taskId, status: 'größer, 更大' }
    expect((await runStep({ inputs, env: service.env(), worker })).errors[0]).toContain('größer, 更大')
    const onStart = (step: RunningStep): void => {
      void service.received('SetTaskStatus').then(() => step.kill('SIGTERM'))
    }
    const step = await runStep({ inputs: { ...inputs, status: '' }, env: service.env(), worker, onStart })
    expect(step.exitCode).toBe(1)
    expect(step.stdout).toContain('Received SIGTERM')
  })

  onLinux('that is killed leaves its steps, which end without an exit code', async () => {
    await using service = await LocalDataPipeline.start()
    await using worker = await Worker.start()
    service.keepInjectingFault(hang())
    let running: RunningStep | undefined
    const onStart = (step: RunningStep): void => {
      running = step
    }
    const inputs = { 'task-id': service.addTask().taskId }
    const ending = runStep({ inputs, env: service.env(), worker, onStart })
    await service.received('SetTaskStatus')
    await worker.kill()
    expect(isAlive(worker.pid)).toBe(false)
    expect(isAlive(running?.pid ?? 0)).toBe(true)
    running?.kill('SIGKILL')
    expect((await ending).exitCode).toBeNull()
  })

  onLinux.each([
    // Not sh: dash drops variables whose names have hyphens, as those of inputs have.
    ['a shell script', ['bash', '-c', '"$@"; exit', 'bash']],
    ['a loader', ['/lib64/ld-linux-x86-64.so.2']],
  ] as const)('can start a step by %s', async (_name, startedBy) => {
    await using service = await LocalDataPipeline.start()
    await using worker = await Worker.start()
    const inputs = { 'task-id': service.addTask().taskId }
    const step = await runStep({ inputs, env: service.env(), worker, startedBy })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
  })

  test.concurrent('that can’t start a step reports that', async () => {
    await using worker = await Worker.start()
    const startedBy = ['/nonexistent/node'] as const
    await expect(runStep({ inputs: {}, worker, startedBy })).rejects.toThrow('ENOENT')
  })
})

/** A process that looks like a heartbeat process in /proc. */
async function titled(title: string, env: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const code = `process.title = ${JSON.stringify(title)}; process.stdout.write('x'); setInterval(() => {}, 1e6)`
  const child = spawn(node24(), ['--eval', code, 'room for the title'.repeat(4)], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}

describe('a job', () => {
  onLinux('finds heartbeat processes by title; its end kills those whose tracking id is the job’s', async () => {
    using job = new Job()
    using other = new Job()
    const title = 'datapipeline-heartbeat 0123456789abcdef'
    const processes = await Promise.all([
      titled(title, { RUNNER_TRACKING_ID: job.trackingId }),
      titled(title, { RUNNER_TRACKING_ID: `${job.trackingId}_heartbeat` }),
      titled(title, { RUNNER_TEMP: job.temp }),
      titled('something else', { RUNNER_TRACKING_ID: job.trackingId }),
    ])
    const [carrier = 0, suffixed = 0, inContainer = 0, stranger = 0] = processes.map(({ pid }) => pid)
    try {
      const ascending = (one: number, two: number): number => one - two
      expect(job.heartbeats().sort(ascending)).toEqual([carrier, suffixed, inContainer].sort(ascending))
      expect(other.heartbeats()).toEqual([])
      job.end()
      expect(await eventually(() => !isAlive(carrier) && !isAlive(stranger))).toBe(true)
      expect(job.heartbeats().sort(ascending)).toEqual([suffixed, inContainer].sort(ascending))
    } finally {
      killAll([carrier, suffixed, inContainer, stranger])
    }
  })
})
