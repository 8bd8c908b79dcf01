// What a message says of the settings that led to a failure, so that nobody looks for it in the wrong place.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied, on, taskNotFound } from '../fakes/aws/faults.ts'
import { leftOverProcesses } from '../support/job.ts'
import { perform } from '../support/perform.ts'
import { LocalProxy, TlsFront } from '../support/proxy.ts'
import { startActivity } from './holding.ts'
import { reportTo } from './reporting.ts'

const NO_KEYS = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }
const { accessKeyId, secretAccessKey } = TEST_CREDENTIALS

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hints-'))
  const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`
  writeFileSync(join(folder, 'credentials'), `[default]\n${keys}[reporter]\n${keys}`)
})

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  expect(await leftOverProcesses()).toEqual([])
})

function fileWith(name: string, text: string): string {
  const path = join(folder, `of-${name.replaceAll(/\W/g, '-')}`)
  writeFileSync(path, text)
  return path
}

describe('a profile in use', () => {
  const FILE = (): Record<string, string> => ({ AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') })

  test('is named beside what was refused', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(on('SetTaskStatus', taskNotFound()))
    const errorWith = async (env: Record<string, string | undefined>): Promise<string | undefined> =>
      (await reportTo(service, {}, { env: { ...FILE(), ...env } })).step.errors[0]
    const named = await errorWith({ ...NO_KEYS, AWS_PROFILE: 'reporter' })
    expect(named).toContain('TaskNotFoundException')
    expect(named).toContain('The credentials are those of the profile "reporter", which AWS_PROFILE names.')
    expect(await errorWith({ ...NO_KEYS, AWS_DEFAULT_PROFILE: 'reporter' })).toContain(
      'which AWS_DEFAULT_PROFILE names',
    )
    expect(await errorWith({ AWS_PROFILE: 'reporter' })).not.toContain('reporter')
    expect(await errorWith(NO_KEYS)).not.toContain('the profile "')
  })

  test('is named by poll-for-task', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(accessDenied('PollForTask'))
    const env = { ...service.env(), ...NO_KEYS, ...FILE(), AWS_PROFILE: 'reporter' }
    const step = await perform({ action: 'poll-for-task', inputs: { 'worker-group': 'nightly' }, env })
    expect(step.errors).toEqual([expect.stringContaining('the profile "reporter"')])
  })
})

// It has the settings of the step that started it: those of the step that it reports for may be others.
test.concurrent('the heartbeat process: its profile, endpoint and certificates, a relative file too', async () => {
  await using service = await LocalDataPipeline.start()
  await using front = await TlsFront.start(service.url)
  const profile = { ...NO_KEYS, AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'), AWS_PROFILE: 'reporter' }
  const env = { ...profile, AWS_ENDPOINT_URL_DATA_PIPELINE: front.url, AWS_CA_BUNDLE: 'ca.pem' }
  using held = await startActivity(service, {}, { env, files: { 'ca.pem': front.cert } })
  expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
  expect(held.main.stdout).toContain(` in us-east-1 at ${front.url}, with a heartbeat`)
  await held.beats(1)
  service.injectFault(on('SetTaskStatus', taskNotFound()))
  const inputs = { status: 'FAILED', 'error-message': `key ${secretAccessKey}` }
  const step = await held.root(inputs, { env: { AWS_PROFILE: 'default' } })
  expect(step.errors).toEqual([expect.stringMatching(/TaskNotFoundException.*the profile "reporter"/)])
  expect(step.errors[0]).toContain(`to ${front.url}, `)
  // A secret of the profile, which only the process read.
  expect(step.outputs['error-message']).toBe('key ***')
  expect([step.stdout, step.stderr, step.summary].join()).not.toContain(secretAccessKey)
  const post = await held.post()
  expect(post).toMatchObject({ exitCode: 0, errors: [] })
  expect(post.stdout).toContain(` to ${front.url} in us-east-1 (request id`)
  expect(service.task(held.taskId).state).toBe('finished')
})

const onPosix = (process.platform === 'win32' ? test.skip : test) as typeof test

describe('a profile that gives no credentials', () => {
  onPosix.each([
    [
      'the program fails',
      'sh -c "echo \'SSO session is over\' >&2; exit 3" x-password',
      'credential_process failed: SSO session is over)',
    ],
    ['the program says nothing', 'false x-password', 'credential_process failed: no output)'],
    ['there is no program', '/no/such/program x-password', 'credential_process failed: '],
    ['it says something else', 'echo x-password', 'returned invalid JSON'],
    [
      'it says very much',
      'sh -c "yes | head -c 300000 >&2; exit 1" x-password',
      `credential_process failed: ${'y '.repeat(80)}`,
    ],
    ['it says why at the end', 'sh -c "yes | head -c 9000 >&2; echo no key >&2; exit 1" x-password', 'y no key)'],
    [
      'it tells a secret',
      'sh -c "echo use ghp_aTokenThatNobodyMasks >&2; exit 1" x-password',
      'credential_process failed: use ***)',
    ],
  ])('%s: the error says why', async (name, program, reason) => {
    await using service = await LocalDataPipeline.start()
    const env = {
      ...NO_KEYS,
      GH_TOKEN: 'ghp_aTokenThatNobodyMasks',
      AWS_CONFIG_FILE: fileWith(name, `[profile ci]\ncredential_process = ${program}\n`),
      AWS_PROFILE: 'ci',
    }
    const { step } = await reportTo(service, { 'timeout-seconds': '8' }, { env })
    expect(step.errors).toEqual([expect.stringContaining(reason)])
    expect(step.errors[0]).toMatch(/Found no credentials in the profile "ci", which AWS_PROFILE names/)
    expect(step.errors[0]?.length).toBeLessThan(1_200)
    expect(step.stdout).not.toMatch(/x-password|ghp_aToken/)
  })

  test('its source profile is missing: the error names that', async () => {
    await using service = await LocalDataPipeline.start()
    const profile = '[profile ci]\nrole_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = gone\n'
    const env = { ...NO_KEYS, AWS_CONFIG_FILE: fileWith('source', profile), AWS_PROFILE: 'ci' }
    const { step } = await reportTo(service, { 'timeout-seconds': '8' }, { env })
    expect(step.errors).toEqual([expect.stringMatching(/any providers \(the profile: .*\[gone\]/)])
  })

  test('there is none by default: nothing is said of it', async () => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(service, { 'timeout-seconds': '8' }, { env: NO_KEYS })
    expect(step.errors).toEqual([expect.stringContaining('from any providers. Give this job')])
  })
})

describe('the endpoint', () => {
  const ELSEWHERE = 'because of AWS_ENDPOINT_URL_DATA_PIPELINE, AWS_ENDPOINT_URL or the profile'

  test('of another place is named when a report was made', async () => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(service)
    expect(step.stdout).toContain(` to ${service.url} in us-east-1 (request id`)
    expect(step.stdout).not.toContain('AWS Data Pipeline')
  })

  test('of another place is named when a task is not found', async () => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(service, { 'task-id': 'no-such-task' })
    expect(step.errors).toEqual([expect.stringContaining(`The call went to ${service.url}, ${ELSEWHERE}`)])
  })

  test('of another place is named where there is no task', async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 50 })
    const inputs = { 'worker-group': 'nightly', 'wait-seconds': '0' }
    const step = await perform({ action: 'poll-for-task', inputs, env: service.env() })
    expect(step.stdout).toContain(`No task for worker group "nightly" at ${service.url}.`)
  })

  test('of AWS is not', async () => {
    await using service = await LocalDataPipeline.start()
    await using front = await TlsFront.start(service.url, ['datapipeline.us-east-1.amazonaws.com'])
    await using proxy = await LocalProxy.start('forward', front.url)
    const env = {
      AWS_ENDPOINT_URL_DATA_PIPELINE: undefined,
      HTTPS_PROXY: proxy.url,
      AWS_CA_BUNDLE: fileWith('front', front.cert),
    }
    const { step } = await reportTo(service, {}, { env })
    expect(step.stdout).toContain(' to AWS Data Pipeline in us-east-1 (request id')
    const missing = await reportTo(service, { 'task-id': 'no-such-task' }, { env })
    expect(missing.step.errors[0]).not.toContain('The call went to')
  })

  const VARIANTS: [string, string, Record<string, string>][] = [
    ['datapipeline-fips.us-east-1.amazonaws.com', 'AWS_USE_FIPS_ENDPOINT', { AWS_USE_FIPS_ENDPOINT: 'true' }],
    ['datapipeline.us-east-1.api.aws', 'AWS_USE_DUALSTACK_ENDPOINT', { AWS_USE_DUALSTACK_ENDPOINT: 'true' }],
  ]

  // A proxy that leads nowhere stands for a name that is not there.
  test.each(VARIANTS)('%s is not documented: the error names %s', async (host, variable, settings) => {
    await using service = await LocalDataPipeline.start()
    await using proxy = await LocalProxy.start({ status: 502, page: '' })
    const env = { AWS_ENDPOINT_URL_DATA_PIPELINE: undefined, HTTPS_PROXY: proxy.url }
    const reporting = await reportTo(service, { 'timeout-seconds': '1' }, { env: { ...env, ...settings } })
    expect(reporting.step.errors).toEqual([
      expect.stringContaining(`AWS does not document https://${host} for Data Pipeline. Unset ${variable}`),
    ])
    const profile = fileWith(host, `[default]\n${variable.toLowerCase().replace('aws_', '')} = true\n`)
    const { step } = await reportTo(service, { 'timeout-seconds': '1' }, { env: { ...env, AWS_CONFIG_FILE: profile } })
    expect(step.errors).toEqual([expect.stringContaining(`https://${host}`)])
  })

  test.each([
    ['10.0.0.0/8, localhost', true],
    ['localhost', false],
  ])('behind a proxy that does not lead to it, with NO_PROXY=%s', async (noProxy, isSaid) => {
    await using service = await LocalDataPipeline.start()
    await using proxy = await LocalProxy.start({ status: 502, page: '' })
    const env = { AWS_ENDPOINT_URL_DATA_PIPELINE: 'https://datapipeline.invalid', HTTPS_PROXY: proxy.url }
    const { step } = await reportTo(service, { 'timeout-seconds': '1' }, { env: { ...env, NO_PROXY: noProxy } })
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]?.includes('A range in NO_PROXY')).toBe(isSaid)
  })
})

test.each([
  ['AWS_ENDPOINT_URL_STS', { AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/ci' }],
  ['AWS_CONTAINER_CREDENTIALS_FULL_URI', {}],
])('%s that is no address: the error names it, without its password', async (name, more) => {
  await using service = await LocalDataPipeline.start()
  const token = 'AWS_ROLE_ARN' in more ? { AWS_WEB_IDENTITY_TOKEN_FILE: fileWith('token', 'a-token-of-a-pod') } : {}
  const env = { ...NO_KEYS, ...more, ...token, [name]: 'no address of me:hunter2secret@example.com' }
  const { step } = await reportTo(service, { 'timeout-seconds': '8' }, { env })
  expect(step.errors).toEqual([expect.stringMatching(new RegExp(`Invalid URL.*${name}`))])
  expect(step.stdout).not.toContain('hunter2secret')
})

describe('a value that no header can have', () => {
  test.each([
    ['AWS_SESSION_TOKEN', 'a\u20acb'],
    ['AWS_ACCESS_KEY_ID', 'AKIA\u20ac'],
  ])('%s: one error at once, that names it', async (name, value) => {
    await using service = await LocalDataPipeline.start()
    const { step, bodies } = await reportTo(service, {}, { env: { [name]: value } })
    expect(bodies).toEqual([])
    expect(step.errors).toEqual([expect.stringMatching(new RegExp(`can't be sent.*${name}`))])
    expect(step.stdout).not.toContain('Trying again')
  })

  test('ACTIONS_ID_TOKEN_REQUEST_TOKEN: one error at once, that names it', async () => {
    await using service = await LocalDataPipeline.start()
    const env = {
      ACTIONS_ID_TOKEN_REQUEST_URL: 'http://127.0.0.1:9/token',
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'token\u20ac',
    }
    const { step } = await reportTo(service, { 'role-to-assume': 'arn:aws:iam::123456789012:role/ci' }, { env })
    expect(step.errors).toEqual([
      expect.stringContaining("A character of ACTIONS_ID_TOKEN_REQUEST_TOKEN can't be sent"),
    ])
    expect(step.stdout).not.toContain('Trying again')
  })

  test('github-token: the notice names it, and the report goes out', async () => {
    await using service = await LocalDataPipeline.start()
    const { step, bodies } = await reportTo(service, { status: 'FAILED', 'github-token': 'ghp_\u20ac' })
    expect(bodies).toHaveLength(1)
    expect(step.notices).toEqual([expect.stringContaining("A character of the input github-token can't be sent")])
  })
})

describe('AWS_CA_BUNDLE', () => {
  test.concurrent('leaves what NODE_EXTRA_CA_CERTS trusts', async () => {
    await using service = await LocalDataPipeline.start()
    await using front = await TlsFront.start(service.url)
    await using other = await TlsFront.start(service.url, ['other.example'])
    const env = {
      AWS_ENDPOINT_URL_DATA_PIPELINE: front.url,
      AWS_CA_BUNDLE: 'other.pem',
      NODE_EXTRA_CA_CERTS: fileWith('extra', front.cert),
    }
    const { step } = await reportTo(service, {}, { as: 'process', env, files: { 'other.pem': other.cert } })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  })

  test.each([
    ['is missing', () => '/no/such/file', /AWS_CA_BUNDLE is not used: .*ENOENT/],
    ['is no file', () => '/', /AWS_CA_BUNDLE is not used: it is not a regular file/],
    ['has no certificate', () => fileWith('empty', 'none'), /AWS_CA_BUNDLE is not used: it has no certificate/],
  ])('%s: a warning, and the report goes out', async (_name, path, warning) => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(service, {}, { env: { AWS_CA_BUNDLE: path() } })
    expect(step.warnings).toEqual([expect.stringMatching(warning)])
    expect(step.exitCode).toBe(0)
  })
})
