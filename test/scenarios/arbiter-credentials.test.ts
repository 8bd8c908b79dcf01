// A report goes where the task was held, and with what it was held, whatever later steps do to the environment.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { NO_CREDENTIALS } from '../fakes/aws/cloud.ts'
import { CredentialStore, type Credentials } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied, bare, on, taskNotFound, unrecognizedClient } from '../fakes/aws/faults.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { keysNotFetched, LocalSts, TEST_ROLE } from '../fakes/aws/sts.ts'
import { idlePort } from '../support/idle-port.ts'
import { leftOverProcesses } from '../support/job.ts'
import { eventually, killAll } from '../support/processes.ts'
import type { RunningStep } from '../support/worker.ts'
import { effectsOf, type Holding, type HoldingOptions, heartbeatCounts, heartbeatOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

const LIMIT_MS = 120_000
const NO_BEAT = { 'heartbeat-seconds': '300' }

type Session = Required<Omit<Credentials, 'expiresAt'>>

/** The session with which the task is held, a later one of the same role, and one of another account. */
const HELD = session('HELD')
const LATER = session('LATER')
const STRANGER = session('STRANGER')

function session(name: string): Session {
  return {
    accessKeyId: `ASIA${name}EXAMPLE`,
    secretAccessKey: `wJalrXUtnFEMI/K7MDENG+bPxRfiCY${name}=`,
    sessionToken: `IQoJb3JpZ2luX2VjEXAMPLE/${name}+token==`.repeat(8),
  }
}

function variablesOf({ accessKeyId, secretAccessKey, sessionToken }: Session): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  }
}

/** Runs the step that reports: the root action or the post step. */
function reportBy(held: Holding, step: 'root' | 'post', options: HoldingOptions) {
  return step === 'root' ? held.root({ status: 'FINISHED' }, { limitMs: 40_000, ...options }) : held.post(options)
}

/** Who signed the reports that had an effect, and for which region. */
function signersOf(service: LocalDataPipeline): { by: string | undefined; region: string | undefined }[] {
  return service
    .requestsFor('SetTaskStatus')
    .filter(({ response }) => response?.status === 200)
    .map(({ signedBy, region }) => ({ by: signedBy, region }))
}

const NOWHERE = `http://127.0.0.1:${await idlePort()}`

const CHANGES: [string, Readonly<Record<string, string | undefined>>][] = [
  ['another region', { AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-1' }],
  ['no region', { AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined }],
  ['a profile that is not there', { AWS_PROFILE: 'another' }],
  ['another endpoint', { AWS_ENDPOINT_URL_DATA_PIPELINE: NOWHERE, AWS_ENDPOINT_URL: NOWHERE }],
  ['a proxy', { HTTP_PROXY: NOWHERE, http_proxy: NOWHERE, HTTPS_PROXY: NOWHERE, https_proxy: NOWHERE }],
  ['empty credentials', { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_SESSION_TOKEN: '' }],
  ['no credentials', NO_CREDENTIALS],
  ['credentials of another account', variablesOf(STRANGER)],
]

describe.each(['root', 'post'] as const)('the environment of the %s step', (step) => {
  onLinux.each(CHANGES)(
    'has %s: the report goes where the task was held',
    async (_name, env) => {
      await using service = await LocalDataPipeline.start({ credentials: [HELD] })
      using held = await startActivity(service, NO_BEAT, { env: service.env(HELD) })
      expect(await reportBy(held, step, { env })).toMatchObject({ exitCode: 0, errors: [] })
      if (step === 'root') await held.post({ env })
      expect(signersOf(service)).toEqual([{ by: HELD.accessKeyId, region: 'us-east-1' }])
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
      expect(held.job.heartbeats()).toEqual([])
    },
    LIMIT_MS,
  )

  onLinux.each<[string, (service: LocalDataPipeline) => void]>([
    ['expired', ({ credentials }) => credentials.expire(HELD.accessKeyId)],
    ['are refused', (service) => service.injectFault(on('SetTaskStatus', unrecognizedClient()))],
    ['may not report', (service) => service.injectFault(on('SetTaskStatus', accessDenied()))],
  ])(
    'has other credentials, where those of the beats %s: it is reported with them, to where the task was held',
    async (_name, refuse) => {
      await using service = await LocalDataPipeline.start({ credentials: [HELD, LATER] })
      using held = await startActivity(service, NO_BEAT, { env: service.env(HELD) })
      refuse(service)
      const env = {
        ...variablesOf(LATER),
        AWS_REGION: 'eu-west-1',
        AWS_ENDPOINT_URL_DATA_PIPELINE: NOWHERE,
      }
      const report = await reportBy(held, step, { env })
      expect(report).toMatchObject({ exitCode: 0, errors: [] })
      if (step === 'root') await held.post({ env })
      expect(signersOf(service)).toEqual([{ by: LATER.accessKeyId, region: 'us-east-1' }])
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
      const texts = [report.stdout.replace(/^::add-mask::.*$/gm, ''), ...Object.values(held.job.files())].join('\n')
      for (const { secretAccessKey, sessionToken } of [HELD, LATER]) {
        expect(texts).not.toContain(secretAccessKey)
        expect(texts).not.toContain(sessionToken)
      }
    },
    LIMIT_MS,
  )

  onLinux.each<[string, (service: LocalDataPipeline) => void]>([
    ['that AWS does not know', () => undefined],
    ['for which there is no such task', (service) => service.injectFault(on('SetTaskStatus', taskNotFound()))],
  ])(
    'has credentials of another account, %s, and STS fails for a moment: it is reported with those of the beats',
    async (_name, refuse) => {
      await using oidc = await LocalOidc.start()
      await using service = await LocalDataPipeline.start({ credentials: new CredentialStore([]) })
      await using sts = await LocalSts.start({ issuer: oidc, credentials: service.credentials })
      const role = { 'role-to-assume': TEST_ROLE.arn }
      using held = await startActivity(service, { ...NO_BEAT, ...role }, { env: { ...oidc.env(), ...sts.env() } })
      for (const { accessKeyId = '' } of sts.requests) service.credentials.expire(accessKeyId)
      sts.injectFault(keysNotFetched())
      refuse(service)
      const inputs = step === 'root' ? {} : { inputs: { ...NO_BEAT, 'task-id': held.taskId } }
      expect(await reportBy(held, step, { env: variablesOf(STRANGER), ...inputs })).toMatchObject({
        exitCode: 0,
        errors: [],
      })
      if (step === 'root') await held.post()
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
    },
    LIMIT_MS,
  )

  onLinux('has nothing better than expired credentials: one error, and no process is left', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [HELD] })
    using held = await startActivity(service, NO_BEAT, { env: service.env(HELD) })
    service.credentials.expire(HELD.accessKeyId)
    const report = await reportBy(held, step, {})
    expect(report.exitCode).toBe(1)
    expect(report.errors).toHaveLength(1)
    expect(report.errors[0]).toContain('role-to-assume')
    if (step === 'root') await held.post()
    expect(effectsOf(service, held.taskId)).toEqual([])
    expect(held.job.heartbeats()).toEqual([])
  })
})

describe('the credentials of the beats expire, and the heartbeat process is dead', () => {
  onLinux('post reports with its own, to where the task was held', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [HELD, LATER] })
    using held = await startActivity(service, NO_BEAT, { env: service.env(HELD) })
    killAll([heartbeatOf(held.job)])
    service.credentials.expire(HELD.accessKeyId)
    const env = { ...variablesOf(LATER), AWS_REGION: 'eu-west-1', AWS_ENDPOINT_URL_DATA_PIPELINE: NOWHERE }
    const post = await held.post({ env })
    expect(post).toMatchObject({ exitCode: 0, errors: [] })
    expect(post.warnings.join('\n')).toMatch(/heartbeat process ended early/)
    expect(signersOf(service)).toEqual([{ by: LATER.accessKeyId, region: 'us-east-1' }])
  })
})

describe('a step hands over its credentials, and is killed', () => {
  onLinux(
    'while the report is tried: it is made with them, and they are in no file',
    async () => {
      await using service = await LocalDataPipeline.start({ credentials: [HELD, LATER] })
      using held = await startActivity(service, NO_BEAT, { env: service.env(HELD) })
      const busy = on('SetTaskStatus', bare(503))
      service.injectFault(on('SetTaskStatus', unrecognizedClient()), busy, busy)
      let root: RunningStep | undefined
      const onStart = (step: RunningStep): void => {
        root = step
      }
      const reporting = held.root({ status: 'FALSE' }, { env: variablesOf(LATER), onStart, limitMs: 60_000 })
      const isSigned = (): boolean =>
        service.requestsFor('SetTaskStatus').some(({ signedBy }) => signedBy === LATER.accessKeyId)
      expect(await eventually(isSigned, 40_000)).toBe(true)
      root?.kill('SIGKILL')
      await reporting
      expect(await eventually(() => effectsOf(service, held.taskId).length > 0, 40_000)).toBe(true)
      expect(Object.values(held.job.files()).join('\n')).not.toContain(LATER.secretAccessKey)
      await held.post()
      expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
    },
    LIMIT_MS,
  )
})

describe('a machine that rotates the credentials of the environment', () => {
  /** A folder of the machine, with what it rotates. */
  interface Source {
    readonly env: Readonly<Record<string, string>>
    readonly write: (session: Session) => void
  }

  const SOURCES: [string, (folder: string) => Source][] = [
    [
      'a credentials file',
      (folder) => {
        const file = join(folder, 'credentials')
        const write = ({ accessKeyId, secretAccessKey, sessionToken }: Session): void =>
          writeFileSync(
            file,
            `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n` +
              `aws_session_token = ${sessionToken}\n`,
          )
        return { env: { AWS_SHARED_CREDENTIALS_FILE: file }, write }
      },
    ],
    [
      'a profile with a process',
      (folder) => {
        const output = join(folder, 'output.json')
        writeFileSync(join(folder, 'config'), `[default]\ncredential_process = cat "${output}"\n`)
        const write = ({ accessKeyId, secretAccessKey, sessionToken }: Session): void =>
          writeFileSync(
            output,
            JSON.stringify({
              Version: 1,
              AccessKeyId: accessKeyId,
              SecretAccessKey: secretAccessKey,
              SessionToken: sessionToken,
            }),
          )
        return { env: { AWS_CONFIG_FILE: join(folder, 'config') }, write }
      },
    ],
  ]

  onLinux.each(SOURCES)(
    '%s: one beat fails at the most, and the report is signed with the new ones',
    async (_name, source) => {
      const folder = mkdtempSync(join(tmpdir(), 'rotated-'))
      try {
        await using service = await LocalDataPipeline.start({ credentials: [HELD, LATER] })
        const { env, write } = source(folder)
        write(HELD)
        using held = await startActivity(service, {}, { env: { ...NO_CREDENTIALS, ...env } })
        expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
        await held.beats(1)
        write(LATER)
        service.credentials.expire(HELD.accessKeyId)
        await held.beats(held.respondedBeats() + 2)
        const post = await held.post()
        expect(post).toMatchObject({ exitCode: 0, errors: [] })
        expect(heartbeatCounts(post).failed).toBeLessThanOrEqual(1)
        expect(service.requestsFor('ReportTaskProgress').at(-1)?.signedBy).toBe(LATER.accessKeyId)
        expect(signersOf(service)).toEqual([{ by: LATER.accessKeyId, region: 'us-east-1' }])
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
    LIMIT_MS,
  )

  onLinux(
    'the token of a pod: one beat fails at the most, and a new session is asked for with the new token',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'rotated-'))
      try {
        const credentials = new CredentialStore([])
        await using oidc = await LocalOidc.start()
        await using sts = await LocalSts.start({ issuer: oidc, credentials })
        await using service = await LocalDataPipeline.start({ credentials })
        const file = join(folder, 'token')
        const tokens = [oidc.token('sts.amazonaws.com'), oidc.token('sts.amazonaws.com')] as const
        writeFileSync(file, tokens[0])
        const env = {
          ...NO_CREDENTIALS,
          ...sts.env(),
          AWS_WEB_IDENTITY_TOKEN_FILE: file,
          AWS_ROLE_ARN: TEST_ROLE.arn,
        }
        using held = await startActivity(service, {}, { env })
        await held.beats(1)
        writeFileSync(file, tokens[1])
        for (const { accessKeyId } of sts.requests) if (accessKeyId) credentials.expire(accessKeyId)
        await held.beats(held.respondedBeats() + 2)
        const post = await held.post()
        expect(post).toMatchObject({ exitCode: 0, errors: [] })
        expect(heartbeatCounts(post).failed).toBeLessThanOrEqual(1)
        expect(sts.requests.at(-1)?.parameters['WebIdentityToken']).toBe(tokens[1])
        expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
    LIMIT_MS,
  )
})
