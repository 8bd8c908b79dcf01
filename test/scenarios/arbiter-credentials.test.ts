// A report goes where the task was held, and with what it was held, whatever later steps do to the environment.
import { writeFileSync } from 'node:fs'
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
import type { StepResult } from '../support/step.ts'
import { inFolder } from '../support/temporary-folder.ts'
import type { RunningStep } from '../support/worker.ts'
import { effectsOf, FAST_HEARTBEAT, type Holding, heartbeatCounts, heartbeatOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

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

/** Who signed the reports that had an effect, and for which region. */
function signersOf(service: LocalDataPipeline): { by: string | undefined; region: string | undefined }[] {
  return service
    .requestsFor('SetTaskStatus')
    .filter(({ response }) => response?.status === 200)
    .map(({ signedBy, region }) => ({ by: signedBy, region }))
}

const NOWHERE = `http://127.0.0.1:${await idlePort()}`

/** What later steps may have set for themselves. Together, as none of it may count. */
const CHANGES: [string, Readonly<Record<string, string | undefined>>][] = [
  [
    'another region, another endpoint, a proxy, and credentials of another account',
    {
      ...variablesOf(STRANGER),
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_ENDPOINT_URL_DATA_PIPELINE: NOWHERE,
      AWS_ENDPOINT_URL: NOWHERE,
      HTTP_PROXY: NOWHERE,
      http_proxy: NOWHERE,
      HTTPS_PROXY: NOWHERE,
      https_proxy: NOWHERE,
    },
  ],
  [
    'no region, no credentials, and a profile that is not there',
    { ...NO_CREDENTIALS, AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined, AWS_PROFILE: 'another' },
  ],
  ['empty credentials', { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_SESSION_TOKEN: '' }],
]
/** Other credentials than those of the beats; nothing else of this counts. */
const OTHERS = { ...variablesOf(LATER), AWS_REGION: 'eu-west-1', AWS_ENDPOINT_URL_DATA_PIPELINE: NOWHERE }
const [BY_HELD, BY_LATER] = [HELD, LATER].map(({ accessKeyId }) => ({ by: accessKeyId, region: 'us-east-1' }))

/** Holds a task with a session, without beats. */
function hold(
  service: LocalDataPipeline,
  inputs: Readonly<Record<string, string>> = NO_BEAT,
  env: Readonly<Record<string, string | undefined>> = service.env(HELD),
) {
  return startActivity(service, inputs, { env: { ...FAST_HEARTBEAT, ...env } })
}

/** Expects that no secret of a session was shown or written. */
function expectSecret(report: StepResult, { job }: Holding): void {
  const texts = [report.stdout, ...Object.values(job.files())].join('\n')
  for (const { secretAccessKey, sessionToken } of [HELD, LATER]) {
    expect(texts).not.toContain(secretAccessKey)
    expect(texts).not.toContain(sessionToken)
  }
}

/** Expects one error, which says what to do. */
function expectExpired({ exitCode, errors }: StepResult): void {
  expect(exitCode).toBe(1)
  expect(errors).toEqual([expect.stringContaining('role-to-assume')])
}

// Which refusals make other credentials necessary: test/unit/activity/decision-sender.test.ts.
describe('the environment of a step that reports', () => {
  onLinux(
    'of the root action: it goes where the task was held, with other credentials only where needed',
    async () => {
      await using service = await LocalDataPipeline.start({ credentials: [HELD, LATER], lostTask: 'accepted' })
      using held = await hold(service)
      for (const [, env] of CHANGES) {
        expect(await held.root({ status: 'FINISHED' }, { env })).toMatchObject({ exitCode: 0, errors: [] })
      }
      expect(signersOf(service)).toEqual([BY_HELD, BY_HELD, BY_HELD])
      service.credentials.expire(HELD.accessKeyId)
      const report = await held.root({ status: 'FAILED' }, { env: OTHERS })
      expect(report).toMatchObject({ exitCode: 0, errors: [] })
      expect(signersOf(service)).toEqual([BY_HELD, BY_HELD, BY_HELD, BY_LATER])
      expectSecret(report, held)
      expectExpired(await held.root({ status: 'FALSE' }))
      await held.post()
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED', 'FINISHED', 'FINISHED', 'FAILED'])
      expect(held.job.heartbeats()).toEqual([])
    },
    120_000,
  )

  onLinux.each(CHANGES.slice(0, 2))('of post, with %s: it goes where the task was held', async (_name, env) => {
    await using service = await LocalDataPipeline.start({ credentials: [HELD] })
    using held = await hold(service)
    expect(await held.post({ env })).toMatchObject({ exitCode: 0, errors: [] })
    expect(signersOf(service)).toEqual([BY_HELD])
    expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
    expect(held.job.heartbeats()).toEqual([])
  })

  onLinux('of post, with other credentials, where those of the beats may not report: with them', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [HELD, LATER] })
    using held = await hold(service)
    service.injectFault(on('SetTaskStatus', accessDenied()))
    const report = await held.post({ env: OTHERS })
    expect(report).toMatchObject({ exitCode: 0, errors: [] })
    expect(signersOf(service)).toEqual([BY_LATER])
    expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
    expectSecret(report, held)
  })

  onLinux('of post, with nothing better than expired credentials: one error, and no process is left', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [HELD] })
    using held = await hold(service)
    service.credentials.expire(HELD.accessKeyId)
    expectExpired(await held.post())
    expect(effectsOf(service, held.taskId)).toEqual([])
    expect(held.job.heartbeats()).toEqual([])
  })

  onLinux.each<['root' | 'post', string, (service: LocalDataPipeline) => void]>([
    ['root', 'that AWS does not know', () => undefined],
    ['post', 'without the task', (service) => service.injectFault(on('SetTaskStatus', taskNotFound()))],
  ])(
    'of %s, with credentials of another account, %s, and STS fails for a moment: it is reported with those of the beats',
    async (step, _name, refuse) => {
      await using oidc = await LocalOidc.start()
      await using service = await LocalDataPipeline.start({ credentials: new CredentialStore([]) })
      await using sts = await LocalSts.start({ issuer: oidc, credentials: service.credentials })
      const inputs = { ...NO_BEAT, 'role-to-assume': TEST_ROLE.arn }
      using held = await hold(service, inputs, { ...oidc.env(), ...sts.env() })
      for (const { accessKeyId = '' } of sts.requests) service.credentials.expire(accessKeyId)
      sts.injectFault(keysNotFetched())
      refuse(service)
      const env = variablesOf(STRANGER)
      const report =
        step === 'root'
          ? await held.root({ status: 'FINISHED' }, { env })
          : await held.post({ env, inputs: { ...NO_BEAT, 'task-id': held.taskId } })
      expect(report).toMatchObject({ exitCode: 0, errors: [] })
      if (step === 'root') await held.post()
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
    },
  )
})

onLinux('the process is dead, and its credentials expired: post reports with its own, where it was held', async () => {
  await using service = await LocalDataPipeline.start({ credentials: [HELD, LATER] })
  using held = await hold(service)
  killAll([heartbeatOf(held.job)])
  service.credentials.expire(HELD.accessKeyId)
  const post = await held.post({ env: OTHERS })
  expect(post).toMatchObject({ exitCode: 0, errors: [] })
  expect(post.warnings.join('\n')).toMatch(/heartbeat process ended early/)
  expect(signersOf(service)).toEqual([BY_LATER])
})

onLinux('a step hands over its credentials, and is killed: they are used, and are in no file', async () => {
  await using service = await LocalDataPipeline.start({ credentials: [HELD, LATER] })
  using held = await hold(service)
  const busy = on('SetTaskStatus', bare(503))
  service.injectFault(on('SetTaskStatus', unrecognizedClient()), busy, busy)
  let root: RunningStep | undefined
  const onStart = (step: RunningStep): void => {
    root = step
  }
  const reporting = held.root({ status: 'FALSE' }, { env: variablesOf(LATER), onStart })
  const isSigned = (): boolean =>
    service.requestsFor('SetTaskStatus').some(({ signedBy }) => signedBy === LATER.accessKeyId)
  expect(await eventually(isSigned)).toBe(true)
  root?.kill('SIGKILL')
  await reporting
  expect(await eventually(() => effectsOf(service, held.taskId).length > 0)).toBe(true)
  expect(Object.values(held.job.files()).join('\n')).not.toContain(LATER.secretAccessKey)
  await held.post()
  expect(effectsOf(service, held.taskId)).toEqual(['FALSE'])
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

  onLinux.each(SOURCES)('%s: one beat fails at the most, and the report is signed with the new ones', (_name, source) =>
    inFolder(async (folder) => {
      await using service = await LocalDataPipeline.start({ credentials: [HELD, LATER] })
      const { env, write } = source(folder)
      write(HELD)
      using held = await hold(service, {}, { ...NO_CREDENTIALS, ...env })
      expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
      await held.beats(1)
      write(LATER)
      service.credentials.expire(HELD.accessKeyId)
      await held.beats(held.respondedBeats() + 2)
      const post = await held.post()
      expect(post).toMatchObject({ exitCode: 0, errors: [] })
      expect(heartbeatCounts(post).failed).toBeLessThanOrEqual(1)
      expect(service.requestsFor('ReportTaskProgress').at(-1)?.signedBy).toBe(LATER.accessKeyId)
      expect(signersOf(service)).toEqual([BY_LATER])
    }),
  )

  onLinux('the token of a pod: one beat fails at the most, and a new session is asked for with the new token', () =>
    inFolder(async (folder) => {
      const credentials = new CredentialStore([])
      await using oidc = await LocalOidc.start()
      await using sts = await LocalSts.start({ issuer: oidc, credentials })
      await using service = await LocalDataPipeline.start({ credentials })
      const file = join(folder, 'token')
      const tokens = [oidc.token('sts.amazonaws.com'), oidc.token('sts.amazonaws.com')] as const
      writeFileSync(file, tokens[0])
      const pod = { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: TEST_ROLE.arn }
      using held = await hold(service, {}, { ...NO_CREDENTIALS, ...sts.env(), ...pod })
      await held.beats(1)
      writeFileSync(file, tokens[1])
      for (const { accessKeyId } of sts.requests) if (accessKeyId) credentials.expire(accessKeyId)
      await held.beats(held.respondedBeats() + 2)
      const post = await held.post()
      expect(post).toMatchObject({ exitCode: 0, errors: [] })
      expect(heartbeatCounts(post).failed).toBeLessThanOrEqual(1)
      expect(sts.requests.at(-1)?.parameters['WebIdentityToken']).toBe(tokens[1])
      expect(effectsOf(service, held.taskId)).toEqual(['FINISHED'])
    }),
  )
})
