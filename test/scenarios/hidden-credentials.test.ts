// Credentials in use are hidden by whoever gets them, whatever they come from, and by every action.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, describe, expect, test } from '@jest/globals'
import { CredentialStore, TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied, error, on, taskNotFound } from '../fakes/aws/faults.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { LocalSts, TEST_ROLE } from '../fakes/aws/sts.ts'
import { leftOverProcesses } from '../support/job.ts'
import { runStep, type StepResult } from '../support/step.ts'
import { startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const KEYS = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token=='.repeat(8),
}

/** A service that refuses everything, and says in its message all that it was sent. */
class EchoService {
  readonly #server: Server
  /** The tokens that it was sent. */
  readonly tokens: string[] = []

  private constructor(form: 'json' | 'xml') {
    this.#server = createServer(async (request, response) => {
      const body = await text(request)
      const { authorization, ...headers } = request.headers
      const sent =
        new URLSearchParams(body).get('WebIdentityToken') ??
        headers['x-amz-security-token'] ??
        headers['x-amz-sso_bearer_token']
      this.tokens.push(String(sent))
      const message = `Refused ${sent}, with ${authorization}`
      const id = { 'x-amzn-requestid': 'echo' }
      if (form === 'json') {
        response.writeHead(400, { ...id, 'content-type': 'application/x-amz-json-1.1' })
        response.end(JSON.stringify({ __type: 'AccessDeniedException', message }))
      } else {
        response.writeHead(403, { ...id, 'content-type': 'text/xml' })
        response.end(
          `<ErrorResponse><Error><Code>AccessDenied</Code><Message>${message}</Message></Error></ErrorResponse>`,
        )
      }
    })
  }

  static async start(form: 'json' | 'xml'): Promise<EchoService> {
    const service = new EchoService(form)
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve))
    return service
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** All that a step says to people. */
function said({ stdout, stderr, summary, outputs }: StepResult): string {
  return [stdout, stderr, summary, ...Object.values(outputs)].join('\n')
}

const ACTIONS: [string, Record<string, string>][] = [
  ['.', { 'task-id': 'a-task', status: 'FAILED' }],
  ['poll-for-task', { 'worker-group': 'nightly' }],
  ['activity', { 'task-id': 'a-task' }],
]

describe.each(ACTIONS)('the action in %s', (action, inputs) => {
  // NODE_DEBUG makes Node itself print headers, which the runner masks, as it was told before.
  const LOUD = { AWS_REGION: 'us-east-1', NODE_DEBUG: 'http,net' }

  test.concurrent.each(['environment', 'profile'])('shows no credentials of the %s', async (source) => {
    const folder = mkdtempSync(join(tmpdir(), 'aws-'))
    try {
      await using service = await EchoService.start('json')
      const { accessKeyId, secretAccessKey, sessionToken } = KEYS
      const keys = {
        Version: 1,
        AccessKeyId: accessKeyId,
        SecretAccessKey: secretAccessKey,
        SessionToken: sessionToken,
      }
      writeFileSync(join(folder, 'keys.json'), JSON.stringify(keys))
      const program = `"${process.execPath}" -e "console.log(fs.readFileSync('${join(folder, 'keys.json')}', 'utf8'))"`
      writeFileSync(join(folder, 'config'), `[default]\ncredential_process = ${program}\n`)
      const env =
        source === 'profile'
          ? { AWS_CONFIG_FILE: join(folder, 'config') }
          : {
              AWS_ACCESS_KEY_ID: accessKeyId,
              AWS_SECRET_ACCESS_KEY: secretAccessKey,
              AWS_SESSION_TOKEN: sessionToken,
            }
      const step = await runStep({
        action,
        inputs: { ...inputs, 'timeout-seconds': '20' },
        env: { ...LOUD, ...env, AWS_ENDPOINT_URL_DATA_PIPELINE: service.url },
      })
      expect(service.tokens).toEqual([sessionToken])
      expect(step.errors).toHaveLength(1)
      expect(step.errors[0]).toContain('Refused ***')
      expect(new Set(step.masks)).toEqual(new Set([secretAccessKey, sessionToken]))
      expect(said({ ...step, stderr: '' })).not.toContain(sessionToken)
      expect(said(step)).not.toContain(secretAccessKey)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test.concurrent("shows neither a role's session nor the OIDC token", async () => {
    await using service = await EchoService.start('json')
    await using oidc = await LocalOidc.start()
    await using sts = await LocalSts.start({ issuer: oidc, credentials: new CredentialStore([]) })
    const role = { ...inputs, 'role-to-assume': TEST_ROLE.arn, 'timeout-seconds': '20' }
    const env = { ...LOUD, ...oidc.env(), ...sts.env(), AWS_ENDPOINT_URL_DATA_PIPELINE: service.url }
    const step = await runStep({ action, inputs: role, env })
    const token = sts.requests[0]?.parameters['WebIdentityToken']
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('Refused ***')
    expect(step.masks).toEqual(expect.arrayContaining([token, service.tokens[0]]))
    expect(said({ ...step, stderr: '' })).not.toContain(service.tokens[0])
  })

  test.concurrent('does not show an OIDC token that STS repeats', async () => {
    await using oidc = await LocalOidc.start()
    await using sts = await EchoService.start('xml')
    const role = { ...inputs, 'role-to-assume': TEST_ROLE.arn, 'timeout-seconds': '4' }
    const step = await runStep({ action, inputs: role, env: { ...LOUD, ...oidc.env(), AWS_ENDPOINT_URL_STS: sts.url } })
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('Refused ***')
    for (const token of sts.tokens) expect(said({ ...step, stderr: '' })).not.toContain(token)
    expect(step.masks).toEqual(expect.arrayContaining(sts.tokens))
  })
})

test.concurrent('the token of a token file is not shown when STS repeats it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aws-'))
  try {
    await using sts = await EchoService.start('xml')
    const token = 'eyJhbGciOiJFUzI1NiJ9.a-token-of-a-pod.signature'
    writeFileSync(join(folder, 'token'), token)
    const step = await runStep({
      inputs: { 'task-id': 'a-task', status: 'FAILED', 'timeout-seconds': '4' },
      env: {
        AWS_REGION: 'us-east-1',
        AWS_ROLE_ARN: TEST_ROLE.arn,
        AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
        AWS_ENDPOINT_URL_STS: sts.url,
      },
    })
    expect(sts.tokens).toContain(token)
    expect(step.errors).toHaveLength(1)
    expect(said(step)).not.toContain(token)
    expect(step.masks).toEqual([token])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Makes a home in which somebody has signed in by `aws sso login`. */
function signIn(home: string, token: string): Record<string, string> {
  const url = 'https://octo-org.awsapps.com/start'
  const cache = join(home, '.aws', 'sso', 'cache')
  mkdirSync(cache, { recursive: true })
  const file = `${createHash('sha1').update(url).digest('hex')}.json`
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
  writeFileSync(join(cache, file), JSON.stringify({ accessToken: token, expiresAt, region: 'us-east-1' }))
  const account = 'sso_region = us-east-1\nsso_account_id = 123456789012\nsso_role_name = ci'
  const config = join(home, '.aws', 'config')
  writeFileSync(config, `[default]\nsso_start_url = ${url}\n${account}\n`)
  return { AWS_REGION: 'us-east-1', HOME: home, USERPROFILE: home, AWS_CONFIG_FILE: config }
}

describe('the token of a sign-in', () => {
  const TOKEN = 'a-token-of-a-person-who-signed-in'
  const FAILED = { 'task-id': 'a-task', status: 'FAILED', 'timeout-seconds': '4' }

  async function inHome(run: (env: Record<string, string>) => Promise<void>): Promise<void> {
    const home = mkdtempSync(join(tmpdir(), 'home-'))
    try {
      await run(signIn(home, TOKEN))
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  }

  test.concurrent('is not shown when the service repeats it, and not sent in a dry run', async () => {
    await inHome(async (env) => {
      await using service = await EchoService.start('json')
      const step = { inputs: FAILED, env: { ...env, AWS_ENDPOINT_URL_SSO: service.url } }
      expect(await runStep({ ...step, inputs: { ...FAILED, 'dry-run': 'true' } })).toMatchObject({ exitCode: 0 })
      expect(service.tokens).toEqual([])
      const { errors, masks, ...rest } = await runStep(step)
      expect(service.tokens).toContain(TOKEN)
      expect(errors).toEqual([expect.stringMatching(/AccessDeniedException: Refused \*\*\*, with undefined\. /)])
      expect(masks).toEqual([TOKEN])
      expect(said({ errors, masks, ...rest })).not.toContain(TOKEN)
    })
  })

  test.concurrent('is not sent over plain http', async () => {
    await inHome(async (env) => {
      const { errors } = await runStep({ inputs: FAILED, env: { ...env, AWS_ENDPOINT_URL_SSO: 'http://sso.invalid' } })
      expect(errors).toEqual([expect.stringContaining('http://sso.invalid is plain http')])
    })
  })
})

test.concurrent('a short placeholder is not masked, as it would shred the log', async () => {
  await using service = await EchoService.start('json')
  const step = await runStep({
    inputs: { 'task-id': 'a-task', status: 'FAILED' },
    env: {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_ENDPOINT_URL_DATA_PIPELINE: service.url,
    },
  })
  expect(step.masks).toEqual([])
})

describe('where nothing is sent, credentials of a profile are asked for first', () => {
  const SECRET = 'a-secret-that/only+the-profile-has='
  const KEYS_OF_PROFILE = `aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = ${SECRET}\n`
  const RESPONSE = JSON.stringify({ Version: 1, AccessKeyId: 'AKIAIOSFODNN7EXAMPLE', SecretAccessKey: SECRET })
  const PRINT = `"${process.execPath}" -e "console.log(process.env.RESPONSE)"`
  const TEXTS = { status: 'FAILED', 'error-id': SECRET, 'error-message': `why ${SECRET}`, 'error-stack-trace': SECRET }

  interface Case {
    readonly config: string
    readonly inputs: Readonly<Record<string, string>>
    readonly action?: string
    readonly region?: string
    readonly exitCode: number
  }

  test.concurrent.each<[string, Case]>([
    ['dry run', { config: KEYS_OF_PROFILE, inputs: { ...TEXTS, 'dry-run': 'true' }, exitCode: 0 }],
    [
      'dry run, without a region',
      { config: KEYS_OF_PROFILE, inputs: { ...TEXTS, 'dry-run': 'true' }, region: '', exitCode: 0 },
    ],
    [
      'dry run, with a program',
      { config: `credential_process = ${PRINT}`, inputs: { ...TEXTS, 'dry-run': 'true' }, exitCode: 0 },
    ],
    [
      'dry run, with a role by other keys',
      {
        config: `role_arn = ${TEST_ROLE.arn}\nsource_profile = keys\n[profile keys]\n${KEYS_OF_PROFILE}`,
        inputs: { ...TEXTS, 'dry-run': 'true' },
        exitCode: 0,
      },
    ],
    ['no region', { config: KEYS_OF_PROFILE, inputs: TEXTS, region: '', exitCode: 1 }],
    ['no region, with a program', { config: `credential_process = ${PRINT}`, inputs: TEXTS, region: '', exitCode: 1 }],
    [
      'dry run of poll-for-task',
      {
        config: KEYS_OF_PROFILE,
        action: 'poll-for-task',
        inputs: { 'worker-group': SECRET, 'dry-run': 'true' },
        exitCode: 0,
      },
    ],
    [
      'no region in poll-for-task',
      { config: KEYS_OF_PROFILE, action: 'poll-for-task', inputs: { 'worker-group': SECRET }, region: '', exitCode: 1 },
    ],
  ])('%s', async (_name, { config, inputs, action = '.', region = 'us-east-1', exitCode }) => {
    const folder = mkdtempSync(join(tmpdir(), 'aws-'))
    try {
      writeFileSync(join(folder, 'config'), `[default]\n${config}\n`)
      const step = await runStep({
        action,
        inputs: { ...(action === '.' && { 'task-id': 'a-task' }), ...inputs },
        env: { AWS_REGION: region, AWS_CONFIG_FILE: join(folder, 'config'), RESPONSE },
      })
      expect(step.exitCode).toBe(exitCode)
      expect(said(step)).toContain('***')
      expect(said(step)).not.toContain(SECRET)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test.concurrent.each<[string, Readonly<Record<string, string>>]>([
    ['that is refused', { AWS_REGION: 'us-east-1' }],
    ['without a region', { AWS_REGION: '' }],
  ])('by a program once only, in a report %s', async (_name, region) => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(accessDenied())
    const folder = mkdtempSync(join(tmpdir(), 'aws-'))
    try {
      const starts = join(folder, 'starts')
      const program = `"${process.execPath}" -e "fs.appendFileSync('${starts}', 'x'); console.log(process.env.RESPONSE)"`
      writeFileSync(join(folder, 'config'), `[default]\ncredential_process = ${program}\n`)
      const keys = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }
      const env = { ...service.env(), ...keys, ...region, AWS_CONFIG_FILE: join(folder, 'config'), RESPONSE }
      const step = await runStep({ inputs: { 'task-id': 'a-task', ...TEXTS }, env })
      expect(step.errors).toHaveLength(1)
      expect(step.outputs['error-message']).toBe('why ***')
      expect(readFileSync(starts, 'utf8')).toBe('x')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test.concurrent('by a program that hangs, or a role: the dry run goes on, and calls nothing', async () => {
    await using sts = await EchoService.start('xml')
    const folder = mkdtempSync(join(tmpdir(), 'aws-'))
    try {
      const role = `[default]\nrole_arn = ${TEST_ROLE.arn}\nsource_profile = keys\n[profile keys]\n${KEYS_OF_PROFILE}`
      for (const config of ['[default]\ncredential_process = sleep 60\n', role, 'not a config']) {
        writeFileSync(join(folder, 'config'), config)
        const step = await runStep({
          inputs: { 'task-id': 'a-task', ...TEXTS, 'dry-run': 'true' },
          env: { AWS_REGION: 'us-east-1', AWS_CONFIG_FILE: join(folder, 'config'), AWS_ENDPOINT_URL_STS: sts.url },
        })
        expect(step).toMatchObject({ exitCode: 0, errors: [] })
      }
      expect(sts.tokens).toEqual([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('the heartbeat process', () => {
  test.concurrent('writes no secret to its log, and its step shows none of those that only it knows', async () => {
    await using oidc = await LocalOidc.start()
    await using service = await LocalDataPipeline.start({ credentials: new CredentialStore([]) })
    await using sts = await LocalSts.start({ issuer: oidc, credentials: service.credentials })
    const none = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }
    const env = { ...oidc.env(), ...sts.env(), ...none, NODE_DEBUG: 'http,net' }
    using held = await startActivity(service, { 'role-to-assume': TEST_ROLE.arn }, { env })
    await held.beats(1)
    // The first was that of the main step.
    const { accessKeyId = '', parameters } = sts.requests[1] ?? {}
    const { secretAccessKey = '', sessionToken = '' } = service.credentials.find(accessKeyId) ?? {}
    const secrets = [secretAccessKey, sessionToken, String(parameters?.['WebIdentityToken'])]
    service.keepInjectingFault(
      on('SetTaskStatus', error('InvalidRequestException', `You sent ${secrets.join(' and ')}.`)),
    )
    const post = await held.post()
    expect(post.errors).toHaveLength(1)
    expect(post.errors[0]).toContain('You sent ***')
    const files = Object.values(held.job.files()).join('\n')
    expect(files).toContain('Holding the task')
    for (const secret of secrets) {
      expect(`${files}${said(post)}`).not.toContain(secret)
    }
    expect(files).not.toContain('::add-mask::')
  })

  test.concurrent('makes a report that is refused: the step shows no secret of the profile in its texts', async () => {
    await using service = await LocalDataPipeline.start()
    const none = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }
    const { accessKeyId, secretAccessKey } = TEST_CREDENTIALS
    const folder = mkdtempSync(join(tmpdir(), 'aws-'))
    try {
      const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}`
      writeFileSync(join(folder, 'config'), `[default]\n${keys}\n`)
      const env = { ...none, AWS_CONFIG_FILE: join(folder, 'config') }
      using held = await startActivity(service, {}, { env })
      service.injectFault(on('SetTaskStatus', taskNotFound()))
      const step = await held.root({ status: 'FAILED', 'error-message': `key ${secretAccessKey}` })
      expect(step.errors).toEqual([expect.stringContaining('TaskNotFoundException')])
      expect(step.outputs['error-message']).toBe('key ***')
      expect(said(step)).not.toContain(secretAccessKey)
      await held.post()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
