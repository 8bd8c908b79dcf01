// Credentials in use are hidden by whoever gets them, whatever they come from, and by every action.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, describe, expect, test } from '@jest/globals'
import { NO_CREDENTIALS } from '../fakes/aws/cloud.ts'
import { CredentialStore } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied, error, on } from '../fakes/aws/faults.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { LocalSts, TEST_ROLE } from '../fakes/aws/sts.ts'
import { leftOverProcesses } from '../support/job.ts'
import { perform } from '../support/perform.ts'
import type { StepResult } from '../support/step.ts'
import { inFolder } from '../support/temporary-folder.ts'
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

/** A program that prints these keys. A called step does not give it its variables. */
function printing(folder: string, accessKeyId: string, secretAccessKey: string, sessionToken?: string): string {
  const keys = { Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken }
  writeFileSync(join(folder, 'keys.json'), JSON.stringify(keys))
  return `"${process.execPath}" -e "console.log(fs.readFileSync('${join(folder, 'keys.json')}', 'utf8'))"`
}

describe.each(ACTIONS)('the action in %s', (action, inputs) => {
  const REGION = { AWS_REGION: 'us-east-1' }
  const { accessKeyId, secretAccessKey, sessionToken } = KEYS

  async function expectHidden(env: Readonly<Record<string, string>>, as?: 'process'): Promise<void> {
    await using service = await EchoService.start('json')
    const step = await perform({
      action,
      inputs: { ...inputs, 'timeout-seconds': '20' },
      env: { ...REGION, ...env, AWS_ENDPOINT_URL_DATA_PIPELINE: service.url },
      ...(as && { as }),
    })
    // A process may have to try again on a slow machine.
    expect(as ? [...new Set(service.tokens)] : service.tokens).toEqual([sessionToken])
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('Refused ***')
    expect(new Set(step.masks)).toEqual(new Set([secretAccessKey, sessionToken]))
    expect(said({ ...step, stderr: '' })).not.toContain(sessionToken)
    expect(said(step)).not.toContain(secretAccessKey)
  }

  test('shows no credentials of the environment', async () => {
    await expectHidden({
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    })
  })

  // NODE_DEBUG makes Node itself print headers, which the runner masks, as it was told before.
  test.concurrent('shows no credentials of a profile, when Node prints what it sends', async () => {
    await inFolder(async (folder) => {
      const program = printing(folder, accessKeyId, secretAccessKey, sessionToken)
      writeFileSync(join(folder, 'config'), `[default]\ncredential_process = ${program}\n`)
      await expectHidden({ AWS_CONFIG_FILE: join(folder, 'config'), NODE_DEBUG: 'http,net' }, 'process')
    })
  })

  test("shows neither a role's session nor the OIDC token", async () => {
    await using service = await EchoService.start('json')
    await using oidc = await LocalOidc.start()
    await using sts = await LocalSts.start({ issuer: oidc, credentials: new CredentialStore([]) })
    const role = { ...inputs, 'role-to-assume': TEST_ROLE.arn, 'timeout-seconds': '20' }
    const env = { ...REGION, ...oidc.env(), ...sts.env(), AWS_ENDPOINT_URL_DATA_PIPELINE: service.url }
    const step = await perform({ action, inputs: role, env })
    const token = sts.requests[0]?.parameters['WebIdentityToken']
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('Refused ***')
    expect(step.masks).toEqual(expect.arrayContaining([token, service.tokens[0]]))
    for (const secret of [token, service.tokens[0]]) expect(said(step)).not.toContain(secret)
  })

  test('does not show an OIDC token that STS repeats', async () => {
    await using oidc = await LocalOidc.start()
    await using sts = await EchoService.start('xml')
    const role = { ...inputs, 'role-to-assume': TEST_ROLE.arn, 'timeout-seconds': '4' }
    const env = { ...REGION, ...oidc.env(), AWS_ENDPOINT_URL_STS: sts.url }
    const step = await perform({ action, inputs: role, env })
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('Refused ***')
    for (const token of sts.tokens) expect(said(step)).not.toContain(token)
    expect(step.masks).toEqual(expect.arrayContaining(sts.tokens))
  })
})

test('the token of a token file is not shown when STS repeats it', async () => {
  await inFolder(async (folder) => {
    await using sts = await EchoService.start('xml')
    const token = 'eyJhbGciOiJFUzI1NiJ9.a-token-of-a-pod.signature'
    writeFileSync(join(folder, 'token'), token)
    const step = await perform({
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
  })
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

  const inHome = (run: (env: Record<string, string>) => Promise<void>): Promise<void> =>
    inFolder((home) => run(signIn(home, TOKEN)))

  test('is not shown when the service repeats it, and not sent in a dry run', async () => {
    await inHome(async (env) => {
      await using service = await EchoService.start('json')
      const step = { inputs: FAILED, env: { ...env, AWS_ENDPOINT_URL_SSO: service.url } }
      expect(await perform({ ...step, inputs: { ...FAILED, 'dry-run': 'true' } })).toMatchObject({ exitCode: 0 })
      expect(service.tokens).toEqual([])
      const { errors, masks, ...rest } = await perform(step)
      expect(service.tokens).toContain(TOKEN)
      expect(errors).toEqual([expect.stringMatching(/AccessDeniedException: Refused \*\*\*, with undefined\. /)])
      expect(masks).toEqual([TOKEN])
      expect(said({ errors, masks, ...rest })).not.toContain(TOKEN)
    })
  })

  test('is not sent over plain http', async () => {
    await inHome(async (env) => {
      const { errors } = await perform({ inputs: FAILED, env: { ...env, AWS_ENDPOINT_URL_SSO: 'http://sso.invalid' } })
      expect(errors).toEqual([expect.stringContaining('http://sso.invalid is plain http')])
    })
  })
})

test('a short placeholder is not masked, as it would shred the log', async () => {
  await using service = await EchoService.start('json')
  const step = await perform({
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
  const ID = 'AKIAIOSFODNN7EXAMPLE'
  const SECRET = 'a-secret-that/only+the-profile-has='
  const KEYS_OF_PROFILE = `aws_access_key_id = ${ID}\naws_secret_access_key = ${SECRET}\n`
  const ROLE = `role_arn = ${TEST_ROLE.arn}\nsource_profile = keys\n[profile keys]\n${KEYS_OF_PROFILE}`
  const TEXTS = {
    'task-id': 'a-task',
    status: 'FAILED',
    'error-id': SECRET,
    'error-message': `why ${SECRET}`,
    'error-stack-trace': SECRET,
  }
  const DRY = { ...TEXTS, 'dry-run': 'true' }
  const POLL = { 'worker-group': SECRET }

  test.each<[string, string, Record<string, string>, { region?: string; action?: string }]>([
    ['dry run', KEYS_OF_PROFILE, DRY, {}],
    ['dry run, without a region', KEYS_OF_PROFILE, DRY, { region: '' }],
    ['dry run, with a program', 'a program', DRY, {}],
    ['dry run, with a role by other keys', ROLE, DRY, {}],
    ['no region', KEYS_OF_PROFILE, TEXTS, { region: '' }],
    ['no region, with a program', 'a program', TEXTS, { region: '' }],
    ['dry run of poll-for-task', KEYS_OF_PROFILE, { ...POLL, 'dry-run': 'true' }, { action: 'poll-for-task' }],
    ['no region in poll-for-task', KEYS_OF_PROFILE, POLL, { action: 'poll-for-task', region: '' }],
  ])('%s', async (_name, config, inputs, { region = 'us-east-1', action = '.' }) => {
    await inFolder(async (folder) => {
      const profile = config === 'a program' ? `credential_process = ${printing(folder, ID, SECRET)}` : config
      writeFileSync(join(folder, 'config'), `[default]\n${profile}\n`)
      const env = { AWS_REGION: region, AWS_CONFIG_FILE: join(folder, 'config') }
      const step = await perform({ action, inputs, env })
      expect(step.exitCode).toBe('dry-run' in inputs ? 0 : 1)
      expect(said(step)).toContain('***')
      expect(said(step)).not.toContain(SECRET)
    })
  })

  test.each<[string, Readonly<Record<string, string>>]>([
    ['that is refused', { AWS_REGION: 'us-east-1' }],
    ['without a region', { AWS_REGION: '' }],
  ])('by a program once only, in a report %s', async (_name, region) => {
    await inFolder(async (folder) => {
      await using service = await LocalDataPipeline.start()
      service.keepInjectingFault(accessDenied())
      const starts = join(folder, 'starts')
      const print = printing(folder, ID, SECRET).replace('-e "', `-e "fs.appendFileSync('${starts}', 'x'); `)
      writeFileSync(join(folder, 'config'), `[default]\ncredential_process = ${print}\n`)
      const env = { ...service.env(), ...NO_CREDENTIALS, ...region, AWS_CONFIG_FILE: join(folder, 'config') }
      const step = await perform({ inputs: TEXTS, env })
      expect(step.errors).toHaveLength(1)
      expect(step.outputs['error-message']).toBe('why ***')
      expect(readFileSync(starts, 'utf8')).toBe('x')
    })
  })

  test.each([
    ['a program that hangs', 'credential_process = sleep 2'],
    ['a role', ROLE],
    ['what is no profile', 'not a config'],
  ])('by %s: the dry run goes on, and calls nothing', async (_name, lines) => {
    await inFolder(async (folder) => {
      await using sts = await EchoService.start('xml')
      writeFileSync(join(folder, 'config'), `[default]\n${lines}\n`)
      const env = { AWS_REGION: 'us-east-1', AWS_CONFIG_FILE: join(folder, 'config'), AWS_ENDPOINT_URL_STS: sts.url }
      const step = await perform({ inputs: DRY, env, timePasses: true })
      expect(step).toMatchObject({ exitCode: 0, errors: [] })
      expect(sts.tokens).toEqual([])
    })
  })
})

describe('the heartbeat process', () => {
  test.concurrent('writes no secret to its log, and its step shows none of those that only it knows', async () => {
    await using oidc = await LocalOidc.start()
    await using service = await LocalDataPipeline.start({ credentials: new CredentialStore([]) })
    await using sts = await LocalSts.start({ issuer: oidc, credentials: service.credentials })
    const env = { ...oidc.env(), ...sts.env(), ...NO_CREDENTIALS, NODE_DEBUG: 'http,net' }
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
})
