// The heartbeat process: what it has from the step, what it leaves behind, and what ends it.
import { spawn } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import type { HeartbeatSettings } from '../../src/activity/heartbeat-settings.ts'
import type { Credentials } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { REPOSITORY } from '../support/action-file.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { node24 } from '../support/node24.ts'
import { argumentsOf, environmentOf, eventually, isAlive, killAll, openFilesOf } from '../support/processes.ts'
import { fastClock } from '../support/timing.ts'
import type { RunningStep } from '../support/worker.ts'
import { FAST_HEARTBEAT, heartbeatOf, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

const TEMPORARY: Required<Omit<Credentials, 'expiresAt'>> = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token=='.repeat(8),
}

const A_MINUTE_IN_2_S = fastClock(30, { script: 'heartbeat.js' })

/** How long post waits for a heartbeat process that does not end. */
const STOP_WITHIN_MS = 10_000

/** A file that a Node process loads before its program, and what it does in heartbeat processes. */
function preload(job: Job, code: string): Record<string, string> {
  const file = join(job.temp, `${Math.random().toString(36).slice(2)}.cjs`)
  writeFileSync(file, `if ((process.argv[1] ?? '').endsWith('heartbeat.js')) {\n${code}\n}\n`)
  return { NODE_OPTIONS: `--require=${file}` }
}

const BLOCK = (ms: number): string => `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms})`

describe('the heartbeat process', () => {
  onLinux('has no pipe of the step, no port, no secret and no task id where others can read it', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    const secrets = {
      AWS_SECRET_ACCESS_KEY: TEMPORARY.secretAccessKey,
      AWS_SESSION_TOKEN: TEMPORARY.sessionToken,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'container-authorization-token',
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'the-request-token-of-the-job',
      ACTIONS_RUNTIME_TOKEN: 'the-runtime-token-of-the-job',
      GITHUB_TOKEN: 'ghs_16C7e42F292c6912E7710c838347Ae178B4a',
      GH_TOKEN: 'ghp_0123456789abcdefABCDEF0123456789abcd',
    }
    const token = 'ghs_theTokenOfTheInput00000000000000000'
    using held = await startActivity(
      service,
      { 'github-token': token, 'on-cancel': 'cancel-run', 'error-message': 'a message for later' },
      { env: { ...service.env(TEMPORARY), ...FAST_HEARTBEAT, ...secrets } },
    )
    expect(held.main.exitCode).toBe(0)
    const pid = heartbeatOf(held.job)

    const files = openFilesOf(pid)
    for (const stream of ['1', '2']) expect(files[stream]).toBe(held.main.outputs['heartbeat-log'])
    // In a session of its own: signals for the step's group don't reach it.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    expect(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]).toBe(String(pid))

    const sockets = Object.values(files).filter((file) => file.startsWith('socket:'))
    const listening = readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === '0A')
      .map((fields) => `socket:[${fields[9]}]`)
    expect(sockets.filter((socket) => listening.includes(socket))).toEqual([])

    const environment = environmentOf(pid)
    expect(environment['RUNNER_TRACKING_ID']).toBe(held.job.trackingId)
    expect(Object.keys(environment).filter((name) => name.startsWith('INPUT_'))).toEqual([])
    await held.beats(1)
    const seen = {
      arguments: argumentsOf(pid).join(' '),
      environment: JSON.stringify(environment),
      names: Object.keys(held.job.files()).join('\n'),
      contents: Object.values(held.job.files()).join('\n'),
    }
    for (const text of Object.values(seen)) {
      for (const secret of [...Object.values(secrets), token]) expect(text).not.toContain(secret)
      expect(text).not.toContain(held.taskId)
      expect(text).not.toContain(held.taskId.slice(0, 40))
    }
    // Nor in another spelling.
    const letters = (text: string): string => text.replace(/[^a-zA-Z0-9]/g, '')
    expect(letters(seen.names)).not.toContain(letters(held.taskId).slice(0, 12))
    // Its files are where no other user can read them.
    const log = held.main.outputs['heartbeat-log'] ?? ''
    expect(statSync(dirname(log)).mode & 0o077).toBe(0)
    expect(basename(dirname(log))).toMatch(/^[\w-]+$/)

    // What looks like a workflow command in its log is shown as text.
    writeFileSync(log, '\n::error::forged\n##[error]forged\n::endgroup::\n', { flag: 'a' })
    const post = await held.post()
    expect(post.errors).toEqual([])
    expect(post.commands.map(({ name }) => name)).toEqual(['group', 'endgroup'])
    expect(post.stdout).toContain('forged')
    for (const secret of [...Object.values(secrets), token]) expect(post.stdout).not.toContain(secret)
    expect(await held.job.heartbeatsEnd()).toBe(true)
  })
})

describe('ends', () => {
  onLinux("with the runner's process that started the step", async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    let runner: number | undefined
    const holding = startActivity(
      service,
      {},
      {
        job,
        env: FAST_HEARTBEAT,
        limitMs: 50_000,
        // It starts the step, waits for its end, and then waits for other things to do.
        startedBy: [
          node24(),
          '--eval',
          `require('node:child_process').spawnSync(process.argv[1], process.argv.slice(2), { stdio: 'inherit' })
           setInterval(() => {}, 1e6)`,
        ],
        onStart: (child) => {
          runner = child.pid
        },
      },
    )
    // A parent that is not the runner's own process counts only when it has outlived the main step by 10 s of the heartbeat's time.
    await service.received('ReportTaskProgress', 4, 40_000)
    expect(await eventually(() => job.steps().length === 0)).toBe(true)
    const pid = heartbeatOf(job)
    expect(isAlive(pid)).toBe(true)
    killAll(runner === undefined ? [] : [runner])
    using held = await holding
    expect(await job.heartbeatsEnd()).toBe(true)
    const beats = service.requestsFor('ReportTaskProgress').length
    expect(beats).toBeGreaterThanOrEqual(4)
    expect(readFileSync(held.main.outputs['heartbeat-log'] ?? '', 'utf8')).toContain('runner-gone')
    // A runner that was started again may still run the post step.
    const post = await held.post()
    expect(post.exitCode).toBe(0)
    expect(service.requestsFor('ReportTaskProgress')).toHaveLength(beats)
    expect(service.task(held.taskId).state).toBe('finished')
  })

  onLinux('at its lifetime', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    const { taskId } = service.addTask()
    const { AWS_SECRET_ACCESS_KEY = '', ...env } = service.env()
    const settings: HeartbeatSettings = {
      taskId,
      aws: { region: 'us-east-1', role: undefined },
      intervalMs: 1_000,
      lifetimeMs: 60_000,
      onCancel: 'ignore',
      folder: job.temp,
      report: true,
      step: { pid: process.pid, startedAt: undefined },
      parent: 0,
      worker: undefined,
      github: undefined,
      jobToken: undefined,
      secrets: { AWS_SECRET_ACCESS_KEY },
    }
    const child = spawn(node24(), [join(REPOSITORY, 'dist', 'heartbeat.js')], {
      env: { PATH: process.env['PATH'], ...FAST_HEARTBEAT, ...env, RUNNER_TRACKING_ID: job.trackingId },
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.stdin.end(JSON.stringify(settings))
    expect(await ended).toBe(0)
    const state = JSON.parse(readFileSync(join(job.temp, 'state.json'), 'utf8'))
    expect(state).toMatchObject({ ended: 'lifetime-over', failures: 0 })
    expect(state.beats).toBeGreaterThanOrEqual(3)
  })

  onLinux('at max-lifetime-minutes: post says so, and reports', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    using held = await startActivity(service, { 'max-lifetime-minutes': '1' }, { job, env: A_MINUTE_IN_2_S })
    expect(await job.heartbeatsEnd()).toBe(true)
    const post = await held.post()
    expect(post.exitCode).toBe(0)
    expect(post.warnings).toHaveLength(1)
    expect(post.warnings[0]).toContain('max-lifetime-minutes')
    expect(service.task(held.taskId).state).toBe('finished')
  })

  onLinux('when main is killed before it was ready: post ends it, and reports', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    let child: RunningStep | undefined
    const env = preload(job, BLOCK(2_500))
    const holding = startActivity(service, {}, { job, env, onStart: (started) => (child = started) })
    expect(await eventually(() => job.heartbeats().length === 1, 20_000)).toBe(true)
    child?.kill('SIGKILL')
    using held = await holding
    const post = await held.post({ jobStatus: 'cancelled', env: { NODE_OPTIONS: undefined } })
    expect(post.exitCode).toBe(0)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
    expect(await job.heartbeatsEnd()).toBe(true)
  })
})

describe('a heartbeat process that does not get ready', () => {
  onLinux('as it ends: main fails with what it said, no process is left, and post reports FAILED', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    const env = preload(job, `console.error('no library here'); process.exit(7)`)
    using held = await startActivity(service, {}, { job, env })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    expect(held.main.errors[0]).toContain('exit code 7')
    expect(held.main.errors[0]).toContain('no library here')
    const post = await held.post({ jobStatus: 'failure' })
    expect(post.stdout).toMatch(/heartbeats were not started/)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  onLinux('in time: main gives up after a while, and no process is left', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    // Main waits a second and a half instead of 15.
    const { NODE_OPTIONS } = preload(job, BLOCK(600_000))
    const env = { NODE_OPTIONS: `${NODE_OPTIONS} ${fastClock(10, { script: 'activity.js' }).NODE_OPTIONS}` }
    using held = await startActivity(service, {}, { job, env })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors[0]).toMatch(/not ready within [\d.]+ s \(it has written no state\)/)
    expect(await job.heartbeatsEnd()).toBe(true)
    const post = await held.post({ jobStatus: 'failure', env: { NODE_OPTIONS: undefined } })
    expect(post.stdout).toMatch(/heartbeats were not started/)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  onLinux('before the runner wants main to end: main gives up, and no process is left', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    const onStart = async (child: RunningStep): Promise<void> => {
      await eventually(() => service.requestsFor('ReportTaskProgress').some(({ response }) => response))
      child.kill('SIGTERM')
    }
    using held = await startActivity(service, {}, { job, env: preload(job, BLOCK(600_000)), onStart, limitMs: 40_000 })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    // Of the 15 s that it has otherwise.
    expect(Number(/not ready within ([\d.]+) s/.exec(held.main.errors[0] ?? '')?.[1])).toBeLessThan(15)
    expect(await job.heartbeatsEnd()).toBe(true)
    const post = await held.post({ jobStatus: 'cancelled', env: { NODE_OPTIONS: undefined } })
    expect(post.stdout).toMatch(/heartbeats were not started/)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  })
})

onLinux('post does not kill a later process that has the number of a heartbeat that is gone', async () => {
  await using service = await LocalDataPipeline.start()
  using held = await startActivity(service)
  const pid = heartbeatOf(held.job)
  process.kill(pid, 'SIGKILL')
  expect(await held.job.heartbeatsEnd()).toBe(true)
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore' })
  try {
    // As if the system had given it the number: in all that was noted of the heartbeat.
    const renumbered = (text: string): string => text.replaceAll(`"pid":${pid}`, `"pid":${bystander.pid}`)
    const file = join(dirname(held.main.outputs['heartbeat-log'] ?? ''), 'state.json')
    writeFileSync(file, renumbered(readFileSync(file, 'utf8')))
    const state = Object.entries(held.main.state).map(([name, value]) => [`STATE_${name}`, renumbered(value)])
    const post = await held.post({ env: Object.fromEntries(state) })
    expect(isAlive(bystander.pid ?? 0)).toBe(true)
    expect(post.tookMs).toBeLessThan(STOP_WITHIN_MS)
    expect(service.task(held.taskId).state).toBe('finished')
  } finally {
    bystander.kill('SIGKILL')
  }
})
