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
import { Job, leftOverProcesses } from '../support/job.ts'
import { node24 } from '../support/node24.ts'
import { preloading } from '../support/preload.ts'
import { argumentsOf, environmentOf, eventually, isAlive, openFilesOf } from '../support/processes.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { Worker } from '../support/worker.ts'
import {
  effectsOf,
  type Holding,
  heartbeatGroup,
  heartbeatOf,
  RUNNER_LOST,
  reportsOf,
  STATE_DENIED,
  startActivity,
} from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent
const LOADER = '/lib64/ld-linux-x86-64.so.2'
const withLoader = (existsSync(LOADER) ? test.concurrent : test.skip) as typeof test.concurrent

const LIMIT_MS = 120_000
const NO_BEAT = { 'heartbeat-seconds': '300' }

/** Expects that the task was held until the post step, which then reports as if nothing had been. */
async function expectHeld(service: LocalDataPipeline, held: Holding): Promise<void> {
  const post = await held.post()
  expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  expect(heartbeatGroup(post)?.text).not.toMatch(/runner-gone/)
  expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
  expect(held.job.heartbeats()).toEqual([])
}

describe('its title', () => {
  onLinux('is its own, and has no name by which people end processes', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, NO_BEAT)
    const title = argumentsOf(heartbeatOf(held.job)).join(' ').trimEnd()
    expect(title).toMatch(/^datapipeline-heartbeat [0-9a-f]{16}$/)
    expect(readFileSync(`/proc/${heartbeatOf(held.job)}/comm`, 'utf8')).not.toMatch(/node/)
    await expectHeld(service, held)
  })
})

describe('a signal', () => {
  onLinux.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s does not end it: the task is still held',
    async (signal) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, {}, { job })
      const pid = heartbeatOf(job)
      for (let count = 0; count < 3; count++) process.kill(pid, signal)
      await held.beats(1)
      process.kill(pid, signal)
      await held.beats(held.respondedBeats() + 1)
      expect(isAlive(pid)).toBe(true)
      await expectHeld(service, held)
    },
  )

  onLinux('SIGTERM does not end it either where the runner is not known', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    process.kill(heartbeatOf(held.job), 'SIGTERM')
    await held.beats(1)
    await expectHeld(service, held)
  })

  onLinux('SIGTERM does not end it after the report of the root action: it remembers that', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, NO_BEAT)
    await held.root({ status: 'FALSE' })
    process.kill(heartbeatOf(held.job), 'SIGTERM')
    const post = await held.post()
    expect(post.stdout).toMatch(/Nothing is reported for task .*reported by another step/)
    expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
    expect(held.job.heartbeats()).toEqual([])
  })

  onLinux.each(['success', 'failure'])(
    'SIGKILL does; post of a job that ended with %s says so, and reports',
    async (jobStatus) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, NO_BEAT, { job })
      process.kill(heartbeatOf(job), 'SIGKILL')
      expect(await job.heartbeatsEnd()).toBe(true)
      const post = await held.post({ jobStatus })
      expect(post).toMatchObject({ exitCode: 0, errors: [] })
      expect(post.warnings).toHaveLength(1)
      expect(post.warnings[0]).toMatch(/heartbeat process ended early/)
      expect(effectsOf(service, held.taskId)).toEqual([jobStatus === 'success' ? 'FINISHED' : 'FAILED'])
    },
  )
})

describe('the environment', () => {
  onLinux('has the tracking id with a suffix, and RUNNER_TEMP, where the runner is watched', async () => {
    await using service = await LocalDataPipeline.start()
    await using worker = await Worker.start()
    using job = new Job({}, { worker })
    using held = await startActivity(service, NO_BEAT, { job })
    const environment = environmentOf(heartbeatOf(job))
    expect(environment['RUNNER_TRACKING_ID']).toBe(`${job.trackingId}_heartbeat`)
    expect(environment['RUNNER_TEMP']).toBe(job.temp)
    await expectHeld(service, held)
  })

  onLinux('makes it no likelier victim of a machine without memory than the runner', async () => {
    await using service = await LocalDataPipeline.start()
    const startedBy = ['bash', '-c', 'echo 500 > /proc/self/oom_score_adj; exec "$@"', 'bash'] as const
    using held = await startActivity(service, NO_BEAT, { startedBy })
    expect(readFileSync(`/proc/${heartbeatOf(held.job)}/oom_score_adj`, 'utf8').trim()).toBe('0')
    await expectHeld(service, held)
  })
})

describe('a later step takes away the code of the action', () => {
  const CHANGES: [string, (dist: string) => void][] = [
    ['removes its folder', (dist) => rmSync(dist, { recursive: true })],
    [
      'replaces what is in it',
      (dist) => {
        rmSync(dist, { recursive: true })
        cpSync(join(REPOSITORY, 'test', 'support'), join(dist, 'actions'), { recursive: true })
      },
    ],
  ]

  /** Runs something with a copy of the built actions. */
  async function withCopy(run: (dist: string) => Promise<void>): Promise<void> {
    await inFolder(async (folder) => {
      const dist = join(folder, 'dist')
      cpSync(join(REPOSITORY, 'dist'), dist, { recursive: true })
      await run(dist)
    })
  }

  onLinux.each(CHANGES)(
    '%s: with a role, beats go on, sessions are renewed, and it is reported',
    async (_name, change) => {
      await withCopy(async (dist) => {
        const credentials = new CredentialStore([])
        await using oidc = await LocalOidc.start()
        await using sts = await LocalSts.start({ issuer: oidc, credentials })
        await using service = await LocalDataPipeline.start({ credentials })
        const env = { ...oidc.env(), ...sts.env(), ...NO_CREDENTIALS }
        using held = await startActivity(service, { 'role-to-assume': TEST_ROLE.arn }, { env, dist })
        change(dist)
        await held.beats(1)
        for (const { accessKeyId } of sts.requests) if (accessKeyId) credentials.expire(accessKeyId)
        await held.beats(held.respondedBeats() + 2)
        expect(held.job.heartbeats()).toHaveLength(1)
        await expectReported(service, held)
      })
    },
    LIMIT_MS,
  )

  onLinux.each(CHANGES)(
    '%s: cancel-run cancels the run',
    async (_name, change) => {
      await withCopy(async (dist) => {
        await using service = await LocalDataPipeline.start()
        await using github = await LocalGitHub.start({ permissions: ['actions: write'] })
        const inputs = { 'on-cancel': 'cancel-run', 'github-token': github.token }
        using held = await startActivity(service, inputs, { env: github.environment, dist })
        change(dist)
        service.cancelTask(held.taskId)
        expect(await eventually(() => github.cancellations.length === 1)).toBe(true)
        const post = await held.post({ jobStatus: 'cancelled', dist: join(REPOSITORY, 'dist') })
        expect(post.stdout).toMatch(/Nothing is reported for task .*canceled/)
        expect(held.job.heartbeats()).toEqual([])
      })
    },
    LIMIT_MS,
  )

  onLinux.each(CHANGES)(
    '%s, so that the runner can not start the post step: the loss is reported',
    async (_name, change) => {
      await withCopy(async (dist) => {
        await using service = await LocalDataPipeline.start()
        await using worker = await Worker.start()
        using job = new Job({}, { worker })
        using held = await startActivity(service, NO_BEAT, { job, dist })
        change(dist)
        job.end()
        await worker.kill('SIGTERM')
        await service.received('SetTaskStatus', 1, 55_000)
        expect(await job.heartbeatsEnd()).toBe(true)
        expect(reportsOf(service, held.taskId)).toMatchObject([RUNNER_LOST])
      })
    },
    LIMIT_MS,
  )

  /** A later checkout has brought the action back. */
  async function expectReported(service: LocalDataPipeline, held: Holding): Promise<void> {
    expect(await held.post({ dist: join(REPOSITORY, 'dist') })).toMatchObject({ exitCode: 0, errors: [] })
    expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
    expect(held.job.heartbeats()).toEqual([])
  }
})

describe('Node is wrapped', () => {
  /** A parent that starts the step and ends with it. Not by sh, which drops variables with a hyphen in their names. */
  const SCRIPT = ['bash', '-c', '"$@"; exit', 'bash'] as const

  onLinux.each(['with', 'without'])(
    'in a script that is the parent, %s a runner to watch: the task is held',
    async (runner) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, runner === 'with' ? { worker } : {})
      using held = await startActivity(service, {}, { job, startedBy: SCRIPT })
      expect(held.main).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
      // More than 10 s after the script has ended.
      await held.beats(3)
      await expectHeld(service, held)
    },
    LIMIT_MS,
  )

  onLinux(
    'in a script that is the parent, and the runner is lost: the loss is reported',
    async () => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      using held = await startActivity(service, NO_BEAT, { job, startedBy: SCRIPT })
      await worker.kill()
      await service.received('SetTaskStatus', 1, 55_000)
      expect(await job.heartbeatsEnd()).toBe(true)
      expect(reportsOf(service, held.taskId)).toMatchObject([RUNNER_LOST])
    },
    LIMIT_MS,
  )

  withLoader('by a loader that is given Node: the task is held', async () => {
    await using service = await LocalDataPipeline.start()
    await using worker = await Worker.start()
    using job = new Job({}, { worker })
    using held = await startActivity(service, {}, { job, startedBy: [LOADER] })
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

  withLoader('by a loader, in a script that PATH has: the task is held', async () => {
    await inFolder(async (folder) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      const { PATH, startedBy } = wrap(folder)
      using held = await startActivity(service, {}, { job, startedBy, env: { PATH } })
      expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
      await held.beats(1)
      await expectHeld(service, held)
    })
  })

  withLoader('by a loader, and nothing says how: main says that Node is wrapped, and no process is left', async () => {
    await inFolder(async (folder) => {
      await using service = await LocalDataPipeline.start()
      await using worker = await Worker.start()
      using job = new Job({}, { worker })
      const { startedBy } = wrap(folder)
      // Not even its own loader can start it again.
      const removing = preloading(`import { rmSync } from 'node:fs'; rmSync('${folder}/node.bin', { force: true })`)
      using held = await startActivity(service, {}, { job, startedBy, env: { ...removing, PATH: job.temp } })
      expect(held.main.exitCode).toBe(1)
      expect(held.main.errors).toHaveLength(1)
      expect(held.main.errors[0]).toMatch(/wrapped/)
      expect(await job.heartbeatsEnd()).toBe(true)
      await held.post({ jobStatus: 'failure' })
      expect(effectsOf(service, held.taskId)).toEqual(['FAILED'])
    })
  })
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

describe('its socket', () => {
  /** The local addresses at which a process listens, as net.connect() takes them: abstract ones begin with NUL. */
  function socketsOf(pid: number): string[] {
    const open = new Set(Object.values(openFilesOf(pid)))
    return readFileSync(`/proc/${pid}/net/unix`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , flags, , , inode, path]) => flags === '00010000' && path && open.has(`socket:[${inode}]`))
      .map(([, , , , , , , path = '']) => path.replace(/^@/, '\0'))
  }

  /** What a stranger does with a connection. */
  const STRANGERS: [string, string][] = [
    ['says nothing', ''],
    ['says nothing that is understood', `socket.write('GET / HTTP/1.1\\r\\n\\r\\n')`],
    ['has no key', `socket.write(JSON.stringify({ key: '', status: 'FAILED', who: 'root' }) + '\\n')`],
    ['talks much', `socket.write('x'.repeat(1024 * 1024))`],
    ['hangs up', `socket.destroy()`],
  ]

  onLinux.each(STRANGERS)('is not moved by one who %s', async (_name, speak) => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    const [address = '', ...others] = socketsOf(heartbeatOf(held.job))
    expect(address).not.toBe('')
    expect(others).toEqual([])
    // Older versions of Node than the actions' own can't address abstract sockets.
    const code = `
      const { connect } = require('node:net')
      let connected = 0
      for (let count = 0; count < 20; count++) {
        const socket = connect(${JSON.stringify(address)}, () => {
          ${speak}
          if (++connected === 20) console.log('connected')
        })
        socket.on('error', ({ code }) => console.log(code))
      }
      setInterval(() => {}, 1e6)`
    const stranger = spawn(node24(), ['--eval', code], { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      const [said] = await once(stranger.stdout, 'data')
      expect(String(said)).toContain('connected')
      await held.beats(1)
      expect(reportsOf(service, held.taskId)).toEqual([])
      await expectHeld(service, held)
    } finally {
      stranger.kill('SIGKILL')
    }
  })

  onLinux('shows neither the task nor the tracking id', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, NO_BEAT)
    for (const address of socketsOf(heartbeatOf(held.job))) {
      expect(address).not.toContain(held.taskId.slice(0, 12))
      expect(address).not.toContain(held.job.trackingId)
    }
    await expectHeld(service, held)
  })
})
