// The process that holds a task: what it withstands, how it is started, and who may speak to it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { NO_CREDENTIALS } from '../fakes/aws/cloud.ts'
import { CredentialStore } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { LocalSts, TEST_ROLE } from '../fakes/aws/sts.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { REPOSITORY } from '../support/action-file.ts'
import { leftOverProcesses } from '../support/job.ts'
import { node24 } from '../support/node24.ts'
import { preloading } from '../support/preload.ts'
import { argumentsOf, environmentOf, eventually, isAlive, openFilesOf } from '../support/processes.ts'
import { inFolder } from '../support/temporary-folder.ts'
import {
  effectsOf,
  FAST_HEARTBEAT,
  type Holding,
  heartbeatGroup,
  heartbeatOf,
  RUNNER_LOST,
  reportsOf,
  STATE_DENIED,
  startActivity,
  startRunner,
} from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent
const LOADER = '/lib64/ld-linux-x86-64.so.2'
const withLoader = (existsSync(LOADER) ? test.concurrent : test.skip) as typeof test.concurrent

const NO_BEAT = { 'heartbeat-seconds': '300' }

/** Expects that the task was held until the post step, which then reports as if nothing had been. */
async function expectHeld(service: LocalDataPipeline, held: Holding): Promise<void> {
  const post = await held.post()
  expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  expect(heartbeatGroup(post)?.text).not.toMatch(/runner-gone/)
  expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
  expect(held.job.heartbeats()).toEqual([])
}

/** The local addresses at which a process listens, as net.connect() takes them: abstract ones begin with NUL. */
function socketsOf(pid: number): string[] {
  const open = new Set(Object.values(openFilesOf(pid)))
  return readFileSync(`/proc/${pid}/net/unix`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , flags, , , inode, path]) => flags === '00010000' && path && open.has(`socket:[${inode}]`))
    .map(([, , , , , , , path = '']) => path.replace(/^@/, '\0'))
}

onLinux('what others see of it: a title, an environment, a rank and a socket of its own, and no task', async () => {
  await using runner = await startRunner()
  const { service, job } = runner
  const startedBy = ['bash', '-c', 'echo 500 > /proc/self/oom_score_adj; exec "$@"', 'bash'] as const
  const held = await startActivity(service, NO_BEAT, { job, startedBy })
  const pid = heartbeatOf(job)
  // No name by which people end processes.
  expect(argumentsOf(pid).join(' ').trimEnd()).toMatch(/^datapipeline-heartbeat [0-9a-f]{16}$/)
  expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).not.toMatch(/node/)
  // With a suffix, as the runner is watched.
  expect(environmentOf(pid)['RUNNER_TRACKING_ID']).toBe(`${job.trackingId}_heartbeat`)
  expect(environmentOf(pid)['RUNNER_TEMP']).toBe(job.temp)
  // No likelier victim of a machine without memory than the runner.
  expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim()).toBe('0')
  const [address = '', ...others] = socketsOf(pid)
  expect(address).not.toBe('')
  expect(others).toEqual([])
  expect(address).not.toContain(held.taskId.slice(0, 12))
  expect(address).not.toContain(job.trackingId)
  await expectHeld(service, held)
})

describe('a signal', () => {
  const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

  onLinux('does not end it: the task is still held', async () => {
    await using runner = await startRunner()
    const { service, job } = runner
    const held = await startActivity(service, {}, { job })
    const pid = heartbeatOf(job)
    for (const signal of [...SIGNALS, ...SIGNALS, ...SIGNALS]) process.kill(pid, signal)
    await held.beats(1)
    for (const signal of SIGNALS) process.kill(pid, signal)
    await held.beats(held.respondedBeats() + 1)
    expect(isAlive(pid)).toBe(true)
    await expectHeld(service, held)
  })

  onLinux('does not end it where the runner is not known, nor after the report of root', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, {}, { env: FAST_HEARTBEAT })
    const pid = heartbeatOf(held.job)
    process.kill(pid, 'SIGTERM')
    await held.beats(1)
    await held.root({ status: 'FALSE' })
    process.kill(pid, 'SIGTERM')
    const post = await held.post()
    expect(post.stdout).toMatch(/Nothing is reported for task .*reported by another step/)
    expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
    expect(held.job.heartbeats()).toEqual([])
  })
})

describe('a later step takes away the code of the action', () => {
  const remove = (dist: string): void => rmSync(dist, { recursive: true })

  /** Puts something else where it was. */
  const replace = (dist: string): void => {
    rmSync(dist, { recursive: true, force: true })
    cpSync(join(REPOSITORY, 'test', 'support'), join(dist, 'actions'), { recursive: true })
  }

  /** Runs something with a copy of the built actions. */
  async function withCopy(run: (dist: string) => Promise<void>): Promise<void> {
    await inFolder(async (folder) => {
      const dist = join(folder, 'dist')
      cpSync(join(REPOSITORY, 'dist'), dist, { recursive: true })
      await run(dist)
    })
  }

  onLinux('with a role: beats go on, sessions are renewed, and it is reported', () =>
    withCopy(async (dist) => {
      const credentials = new CredentialStore([])
      await using oidc = await LocalOidc.start()
      await using sts = await LocalSts.start({ issuer: oidc, credentials })
      await using service = await LocalDataPipeline.start({ credentials })
      const env = { ...FAST_HEARTBEAT, ...oidc.env(), ...sts.env(), ...NO_CREDENTIALS }
      using held = await startActivity(service, { 'role-to-assume': TEST_ROLE.arn }, { env, dist })
      remove(dist)
      await held.beats(1)
      for (const { accessKeyId } of sts.requests) if (accessKeyId) credentials.expire(accessKeyId)
      await held.beats(held.respondedBeats() + 2)
      replace(dist)
      for (const { accessKeyId } of sts.requests) if (accessKeyId) credentials.expire(accessKeyId)
      await held.beats(held.respondedBeats() + 2)
      expect(held.job.heartbeats()).toHaveLength(1)
      // A later checkout has brought the action back.
      expect(await held.post({ dist: join(REPOSITORY, 'dist') })).toMatchObject({ exitCode: 0, errors: [] })
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
      expect(held.job.heartbeats()).toEqual([])
    }),
  )

  onLinux('by something else: cancel-run cancels the run', () =>
    withCopy(async (dist) => {
      await using service = await LocalDataPipeline.start()
      await using github = await LocalGitHub.start({ permissions: ['actions: write'] })
      const inputs = { 'on-cancel': 'cancel-run', 'github-token': github.token }
      using held = await startActivity(service, inputs, { env: { ...FAST_HEARTBEAT, ...github.environment }, dist })
      replace(dist)
      service.cancelTask(held.taskId)
      expect(await eventually(() => github.cancellations.length === 1)).toBe(true)
      const post = await held.post({ jobStatus: 'cancelled', dist: join(REPOSITORY, 'dist') })
      expect(post.stdout).toMatch(/Nothing is reported for task .*canceled/)
      expect(held.job.heartbeats()).toEqual([])
    }),
  )

  onLinux('so that the runner can not start the post step: the loss is reported', () =>
    withCopy(async (dist) => {
      await using runner = await startRunner()
      const { service, worker, job } = runner
      const held = await startActivity(service, NO_BEAT, { job, dist })
      remove(dist)
      job.end()
      await worker.kill('SIGTERM')
      await service.received('SetTaskStatus')
      expect(await job.heartbeatsEnd()).toBe(true)
      expect(reportsOf(service, held.taskId)).toMatchObject([RUNNER_LOST])
    }),
  )
})

describe('Node is wrapped', () => {
  /** A parent that starts the step and ends with it. Not by sh, which drops variables with a hyphen in their names. */
  const SCRIPT = ['bash', '-c', '"$@"; exit', 'bash'] as const

  onLinux('in a script that is the parent: the task is held, and the loss of its runner is reported', async () => {
    await using runner = await startRunner()
    const { service, worker, job } = runner
    const held = await startActivity(service, {}, { job, startedBy: SCRIPT })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    // More than 10 s after the script has ended.
    await held.beats(3)
    await worker.kill()
    await service.received('SetTaskStatus')
    expect(await job.heartbeatsEnd()).toBe(true)
    expect(reportsOf(service, held.taskId)).toMatchObject([RUNNER_LOST])
  })

  onLinux('in a script that is the parent, without a runner to watch: the task is held', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, {}, { env: FAST_HEARTBEAT, startedBy: SCRIPT })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    await held.beats(3)
    await expectHeld(service, held)
  })

  withLoader('by a loader that is given Node: the task is held', async () => {
    await using runner = await startRunner()
    const { service, job } = runner
    const held = await startActivity(service, {}, { job, startedBy: [LOADER] })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
    await held.beats(1)
    await expectHeld(service, held)
  })

  /** A Node that only its loader can start, a script in the same folder that does that, and how it starts a step. */
  function wrap(folder: string): { readonly PATH: string; readonly startedBy: readonly [string, ...string[]] } {
    const [binary, script] = [join(folder, 'node.bin'), join(folder, 'node')]
    copyFileSync(node24(), binary)
    chmodSync(binary, 0o644)
    writeFileSync(script, `#!/bin/bash\nexec ${LOADER} "${binary}" "$@"\n`, { mode: 0o755 })
    // In place of the Node that the step would be started with.
    return { PATH: folder, startedBy: ['/bin/bash', '-c', 'shift; exec "$0" "$@"', script] }
  }

  withLoader('by a loader, in a script: the task is held where PATH has it, else main says that Node is wrapped', () =>
    inFolder(async (folder) => {
      await using runner = await startRunner()
      const { service, job } = runner
      const { PATH, startedBy } = wrap(folder)
      const held = await startActivity(service, {}, { job, startedBy, env: { PATH } })
      expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
      await held.beats(1)
      await expectHeld(service, held)

      // Not even its own loader can start it again.
      const removing = preloading(`import { rmSync } from 'node:fs'; rmSync('${folder}/node.bin', { force: true })`)
      const env = { ...removing, PATH: job.temp }
      const { taskId, main, post } = await startActivity(service, {}, { job, startedBy, env })
      expect(main.exitCode).toBe(1)
      expect(main.errors).toEqual([expect.stringContaining('wrapped')])
      expect(await job.heartbeatsEnd()).toBe(true)
      await post({ jobStatus: 'failure' })
      expect(effectsOf(service, taskId)).toEqual(['FAILED'])
    }),
  )
})

describe("a container's user who may not write the files of the runner", () => {
  onLinux('main says which user to take, and post reports', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, NO_BEAT, { env: preloading(STATE_DENIED) })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    expect(held.main.errors[0]).toContain('EACCES')
    expect(held.main.errors[0]).toMatch(/container/)
    expect(held.main.errors[0]).toMatch(/user/)
    expect(held.job.heartbeats()).toEqual([])
    await held.post({ jobStatus: 'failure', env: { NODE_OPTIONS: undefined } })
    expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
  })
})

onLinux('its socket is not moved by strangers who say nothing, nonsense or much, or hang up', async () => {
  await using service = await LocalDataPipeline.start()
  using held = await startActivity(service, {}, { env: FAST_HEARTBEAT })
  // Together fewer than the process takes at once.
  const strangers = [
    '',
    `socket.write('GET / HTTP/1.1\\r\\n\\r\\n')`,
    `socket.write(JSON.stringify({ key: '', status: 'FAILED', who: 'root' }) + '\\n')`,
    `socket.write('x'.repeat(1024 * 1024))`,
    'socket.destroy()',
  ].map((speak) => `(socket) => { ${speak} }`)
  // Older versions of Node than the actions' own can't address abstract sockets.
  const code = `
    const { connect } = require('node:net')
    let missing = 0
    for (const speak of [${strangers.join()}]) {
      for (let count = 0; count < 15; count++) {
        missing++
        const socket = connect(${JSON.stringify(socketsOf(heartbeatOf(held.job))[0])}, () => {
          speak(socket)
          if (--missing === 0) console.log('connected')
        })
        socket.on('error', ({ code }) => console.error(code))
      }
    }
    setInterval(() => {}, 1e6)`
  const stranger = spawn(node24(), ['--eval', code], { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const [said] = await once(stranger.stdout, 'data')
    expect(String(said)).toBe('connected\n')
    await held.beats(1)
    expect(reportsOf(service, held.taskId)).toEqual([])
    await expectHeld(service, held)
  } finally {
    stranger.kill('SIGKILL')
  }
})
