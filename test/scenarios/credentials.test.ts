import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { NO_CREDENTIALS, startCloud } from '../fakes/aws/cloud.ts'
import { CredentialStore, type Credentials, TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { bare, error, expiredToken, hang, html, reset, truncated } from '../fakes/aws/faults.ts'
import { TEST_ROLE } from '../fakes/aws/sts.ts'
import { passTime } from '../support/called-step.ts'
import { eventually } from '../support/processes.ts'
import { LocalProxy, TlsFront } from '../support/proxy.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { localEvidence, NO_TOKEN_NOTICE, reportTo } from './reporting.ts'

const TEMPORARY: Required<Pick<Credentials, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'>> = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token=='.repeat(8),
}

describe('in the environment', () => {
  test.each<[string, Record<string, string | undefined>]>([
    ['none', NO_CREDENTIALS],
    [
      'empty strings, as a skipped step leaves them',
      { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_SESSION_TOKEN: '' },
    ],
  ])('%s: one error at once, that says what to do', async (_name, env) => {
    await using service = await LocalDataPipeline.start()
    const { step, bodies, taskId } = await reportTo(service, { status: 'FAILED', 'error-id': 'x' }, { env })
    expect(bodies).toEqual([])
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain(taskId.slice(0, 12))
    expect(step.errors[0]).toMatch(/credentials/)
    expect(step.errors[0]).toMatch(/configure-aws-credentials.*skipped.*if: always\(\)/)
    expect(step.errors[0]).toContain('role-to-assume')
    expect(step.exitCode).toBe(1)
    // Out of two minutes.
    expect(step.tookMs).toBeLessThanOrEqual(4_000)
  })

  test('an empty AWS_SESSION_TOKEN beside lasting keys is none', async () => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(service, {}, { env: { AWS_SESSION_TOKEN: '' } })
    expect(step.exitCode).toBe(0)
  })

  test('pasted with a line end after each', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    const pasted = Object.fromEntries(
      Object.entries(service.env(TEMPORARY))
        .filter(([name]) => /^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)$/.test(name))
        .map(([name, value]) => [name, `${value}\n`]),
    )
    expect(Object.keys(pasted)).toHaveLength(3)
    const { step, bodies } = await reportTo(
      service,
      { status: 'FAILED', 'error-message': `key ${TEMPORARY.secretAccessKey}, token ${TEMPORARY.sessionToken}` },
      { env: pasted },
    )
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
    expect(service.requests[0]?.signedBy).toBe(TEMPORARY.accessKeyId)
    expect(bodies).toMatchObject([{ errorMessage: 'key ***, token ***' }])
  })

  test('expired: one error at once, with the hint for long jobs', async () => {
    const store = new CredentialStore([{ ...TEMPORARY, expiresAt: 1 }])
    await using service = await LocalDataPipeline.start({ credentials: store })
    const { step, bodies } = await reportTo(service, { status: 'FAILED' }, { env: service.env(TEMPORARY) })
    expect(bodies).toHaveLength(1)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('ExpiredTokenException')
    expect(step.errors[0]).toContain('role-to-assume')
    expect(step.exitCode).toBe(1)
    expect(step.stdout).not.toContain('Trying again')
  })

  test('a wrong secret: one error at once', async () => {
    await using service = await LocalDataPipeline.start()
    const { step, bodies } = await reportTo(service, {}, { env: { AWS_SECRET_ACCESS_KEY: 'not-the-right-secret-key' } })
    expect(bodies).toHaveLength(1)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('InvalidSignatureException')
    expect(step.stdout).not.toContain('not-the-right-secret-key')
  })
})

describe('in a profile', () => {
  const FILE = `[default]
aws_access_key_id = ${TEST_CREDENTIALS.accessKeyId}
aws_secret_access_key = ${TEST_CREDENTIALS.secretAccessKey}
[reporter]
aws_access_key_id = ${TEMPORARY.accessKeyId}
aws_secret_access_key = ${TEMPORARY.secretAccessKey}
aws_session_token = ${TEMPORARY.sessionToken}
`

  test.each([
    ['default', undefined, TEST_CREDENTIALS],
    ['reporter', 'reporter', TEMPORARY],
  ])('%s', async (_name, profile, credentials) => {
    await withFiles({ credentials: FILE }, async (folder) => {
      await using service = await LocalDataPipeline.start({ credentials: [credentials] })
      const { step } = await reportTo(
        service,
        { status: 'FAILED', 'error-message': `curl -d ${credentials.secretAccessKey} https://x` },
        {
          env: { ...NO_CREDENTIALS, AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'), AWS_PROFILE: profile },
        },
      )
      expect(step.exitCode).toBe(0)
      expect(service.requests[0]?.signedBy).toBe(credentials.accessKeyId)
      expect(service.requests[0]?.body['errorMessage']).toBe('curl -d *** https://x')
    })
  })

  test('that does not exist: one error', async () => {
    await withFiles({ credentials: FILE }, async (folder) => {
      await using service = await LocalDataPipeline.start()
      const { step, bodies } = await reportTo(
        service,
        {},
        { env: { ...NO_CREDENTIALS, AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'), AWS_PROFILE: 'nobody' } },
      )
      expect(bodies).toEqual([])
      expect(step.errors).toHaveLength(1)
      expect(step.errors[0]).toMatch(/profile|credentials/)
      expect(step.exitCode).toBe(1)
    })
  })

  const PROFILE = { AWS_PROFILE: 'reporter' }
  const KEYS = {
    AWS_ACCESS_KEY_ID: TEST_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: TEST_CREDENTIALS.secretAccessKey,
  }
  const [ENVIRONMENT, REPORTER] = [TEST_CREDENTIALS.accessKeyId, TEMPORARY.accessKeyId]

  // As the AWS CLI does, but for half a pair, which it refuses.
  test.each<[string, Record<string, string | undefined>, string, RegExp[]]>([
    ['a key pair goes before AWS_PROFILE', { ...KEYS, ...PROFILE }, ENVIRONMENT, []],
    ['a key pair goes before AWS_DEFAULT_PROFILE', { ...KEYS, AWS_DEFAULT_PROFILE: 'reporter' }, ENVIRONMENT, []],
    ['a key pair does, where the profile does not exist', { ...KEYS, AWS_PROFILE: 'nobody' }, ENVIRONMENT, []],
    ['AWS_DEFAULT_PROFILE is known', { AWS_DEFAULT_PROFILE: 'reporter' }, REPORTER, []],
    ['AWS_PROFILE goes before AWS_DEFAULT_PROFILE', { ...PROFILE, AWS_DEFAULT_PROFILE: 'nobody' }, REPORTER, []],
    ['an empty AWS_PROFILE is none', { AWS_PROFILE: '', AWS_DEFAULT_PROFILE: 'reporter' }, REPORTER, []],
    [
      'an id without its secret is no pair',
      { ...PROFILE, AWS_ACCESS_KEY_ID: ENVIRONMENT },
      REPORTER,
      [/AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not/],
    ],
    [
      'a secret without its id is no pair',
      { ...PROFILE, ...KEYS, AWS_ACCESS_KEY_ID: ' ' },
      REPORTER,
      [/AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not/],
    ],
  ])('%s', async (_name, env, signer, warnings) => {
    await withFiles({ credentials: FILE }, async (folder) => {
      await using service = await LocalDataPipeline.start({ credentials: [TEST_CREDENTIALS, TEMPORARY] })
      const files = { AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') }
      const { step } = await reportTo(service, {}, { env: { ...NO_CREDENTIALS, ...files, ...env } })
      expect(step.errors).toEqual([])
      expect(step.warnings).toEqual(warnings.map((text) => expect.stringMatching(text)))
      expect(step.stderr).toBe('')
      expect(service.requests.map(({ signedBy }) => signedBy)).toEqual([signer])
    })
  })

  const onPosix = (process.platform === 'win32' ? test.skip : test) as typeof test

  /** Reports with a profile whose program gives these credentials seven seconds of the step later. */
  async function reportSlowly(service: LocalDataPipeline, keys: Credentials, inputs: Record<string, string>) {
    return await inFolder(async (folder) => {
      const [started, answer] = [join(folder, 'started'), join(folder, 'answer.json')]
      const command = `sh -c "touch ${started}; until test -e ${answer}; do sleep 0.05; done; cat ${answer}"`
      writeFileSync(join(folder, 'config'), `[default]\ncredential_process = ${command}\n`)
      const env = { ...NO_CREDENTIALS, AWS_CONFIG_FILE: join(folder, 'config') }
      const reporting = reportTo(service, { status: 'FAILED', ...inputs }, { env })
      expect(await eventually(() => existsSync(started))).toBe(true)
      passTime(7_000)
      const { accessKeyId, secretAccessKey, sessionToken } = keys
      const given = { Version: 1, AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey }
      writeFileSync(`${answer}.new`, JSON.stringify({ ...given, SessionToken: sessionToken }))
      renameSync(`${answer}.new`, answer)
      return await reporting
    })
  }

  // Nothing was sent while the credentials were waited for, so nothing can have landed.
  onPosix('of a credential process that is slower than a try: a task that is not found is an error', async () => {
    await using service = await LocalDataPipeline.start()
    const inputs = { 'task-id': 'no-such-task', 'timeout-seconds': '16' }
    const { step, bodies } = await reportSlowly(service, TEST_CREDENTIALS, inputs)
    expect(bodies).toHaveLength(1)
    expect(step.outputs['reported']).toBe('false')
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
  })

  // The report waits for its credentials anyway; what is known by then must not be sent.
  onPosix('of a credential process that takes some seconds', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    const { step, bodies } = await reportSlowly(service, TEMPORARY, {
      'error-message': `key ${TEMPORARY.secretAccessKey}`,
      'error-stack-trace': `token ${TEMPORARY.sessionToken}.`,
    })
    expect(step.exitCode).toBe(0)
    expect(bodies).toMatchObject([{ errorMessage: 'key ***', errorStackTrace: 'token ***.' }])
  })

  onPosix('of a credential process that never ends: one error in time', async () => {
    await withFiles({ config: '[default]\ncredential_process = sleep 2\n' }, async (folder) => {
      await using service = await LocalDataPipeline.start()
      const { step } = await reportTo(
        service,
        { status: 'FAILED', 'error-id': 'x', 'timeout-seconds': '3' },
        { env: { ...NO_CREDENTIALS, AWS_CONFIG_FILE: join(folder, 'config') }, timePasses: true },
      )
      expect(step.errors).toHaveLength(1)
      expect(step.exitCode).toBe(1)
      expect(step.tookMs).toBeLessThanOrEqual(4_000)
    })
  })
})

describe('secrets in error texts', () => {
  const SECRETS = {
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.request.token',
    ACTIONS_RUNTIME_TOKEN: 'eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.runtime.token',
    GITHUB_TOKEN: 'ghs_16C7e42F292c6912E7710c838347Ae178B4a',
    GH_TOKEN: 'ghp_0123456789abcdefABCDEF0123456789abcd',
    'INPUT_GITHUB-TOKEN': 'ghs_16C7e42F292c6912E7710c838347Ae178B4b',
    ...{ AWS_SECRET_ACCESS_KEY: TEMPORARY.secretAccessKey, AWS_SESSION_TOKEN: TEMPORARY.sessionToken },
  }

  /** Everything that leaves the step. */
  const traces = ({ step, bodies }: Awaited<ReturnType<typeof reportTo>>): string =>
    JSON.stringify([bodies, step.outputs, step.summary, step.state]) + step.stdout + step.stderr

  test('they are replaced in every field and appear nowhere', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    const secrets = Object.values(SECRETS).flatMap((secret) => [secret, encodeURIComponent(secret)])
    const text = secrets.join(' and ')
    const reporting = await reportTo(
      service,
      { status: 'FAILED', 'error-id': text.slice(-900), 'error-message': text, 'error-stack-trace': text },
      { env: { ...SECRETS, AWS_ACCESS_KEY_ID: TEMPORARY.accessKeyId } },
    )
    const expected = secrets.map(() => '***').join(' and ')
    expect(reporting.bodies[0]).toMatchObject({ errorMessage: expected, errorStackTrace: expected })
    expect(reporting.step.outputs).toMatchObject({ 'error-message': expected })
    expect(reporting.bodies[0]?.['errorId']).toMatch(/\*\*\*$/)
    expect(reporting.step.outputs['error-id']).toBe(reporting.bodies[0]?.['errorId'])
    expect(reporting.step.exitCode).toBe(0)
    expect(reporting.step.warnings).toHaveLength(3)
    for (const secret of secrets) expect(traces(reporting)).not.toContain(secret)
  })

  test('a secret in pieces, that escape sequences hold apart, is replaced once they are gone', async () => {
    await using service = await LocalDataPipeline.start()
    const secret = TEST_CREDENTIALS.secretAccessKey
    const text = `x ${secret.slice(0, 10)}\u001b[0m${secret.slice(10, 20)}\u0001${secret.slice(20)} y`
    const { bodies } = await reportTo(service, { status: 'FAILED', 'error-message': text })
    expect(bodies).toMatchObject([{ errorMessage: 'x *** y' }])
  })

  test('of a file are replaced as well', async () => {
    await using service = await LocalDataPipeline.start()
    const { bodies, step } = await reportTo(
      service,
      { status: 'FAILED', 'error-stack-trace-file': 'log' },
      { files: { log: `AWS_SECRET_ACCESS_KEY=${TEST_CREDENTIALS.secretAccessKey}\n` } },
    )
    expect(String(bodies[0]?.['errorStackTrace'])).toContain('AWS_SECRET_ACCESS_KEY=***')
    expect(step.stdout).not.toContain(TEST_CREDENTIALS.secretAccessKey)
  })

  test('do not appear in a dry run either', async () => {
    await using service = await LocalDataPipeline.start()
    const reporting = await reportTo(service, {
      status: 'FAILED',
      'dry-run': 'true',
      'error-message': `key ${TEST_CREDENTIALS.secretAccessKey}`,
    })
    expect(reporting.step.stdout).toContain('key ***')
    expect(traces(reporting)).not.toContain(TEST_CREDENTIALS.secretAccessKey)
  })

  // AWS shows the canonical request, with the session token in it, where a signature does not match.
  test.each(['InvalidSignatureException', 'ThrottlingException'])(
    'in a message of the service (%s) are not shown',
    async (code) => {
      await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
      const message = `The Canonical String should have been\n'POST\n/\n\nx-amz-security-token:${TEMPORARY.sessionToken}\n'`
      service.injectFault(error(code, message))
      const reporting = await reportTo(service, { status: 'FAILED' }, { env: service.env(TEMPORARY) })
      expect(reporting.step.stdout).toContain('Canonical String')
      expect(traces(reporting)).not.toContain(TEMPORARY.sessionToken)
    },
  )

  test('that are one inside another leave no rest', async () => {
    await using service = await LocalDataPipeline.start()
    const { bodies } = await reportTo(
      service,
      { status: 'FAILED', 'error-message': 'a abcdefgh123456 b abcdefgh c' },
      { env: { GITHUB_TOKEN: 'abcdefgh', GH_TOKEN: 'abcdefgh123456' } },
    )
    expect(bodies).toMatchObject([{ errorMessage: 'a *** b *** c' }])
  })
})

describe('role-to-assume', () => {
  const WITH_ROLE = { status: 'FAILED', 'role-to-assume': TEST_ROLE.arn }

  test('reports with a session of the role', async () => {
    await using cloud = await startCloud()
    const { step, bodies, taskId } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(step.errors).toEqual([])
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('given') }])
    expect(step.notices).toEqual([NO_TOKEN_NOTICE])
    expect(cloud.oidc.requests).toMatchObject([{ audience: 'sts.amazonaws.com', status: 200 }])
    expect(cloud.sts.requests).toHaveLength(1)
    expect(cloud.sts.requests[0]?.parameters).toMatchObject({
      RoleArn: TEST_ROLE.arn,
      RoleSessionName: 'GitHubActions',
    })
    expect(cloud.service.requests[0]?.signedBy).toBe(cloud.sts.requests[0]?.accessKeyId)
    expect(step.exitCode).toBe(0)
  })

  test.each<[string, Record<string, string>]>([
    [
      'credentials in the environment, which may have expired',
      {
        AWS_ACCESS_KEY_ID: TEMPORARY.accessKeyId,
        AWS_SECRET_ACCESS_KEY: TEMPORARY.secretAccessKey,
        AWS_SESSION_TOKEN: TEMPORARY.sessionToken,
      },
    ],
    [
      'variables of another role',
      { AWS_PROFILE: 'nobody', AWS_ROLE_ARN: 'arn:aws:iam::1:role/x', AWS_WEB_IDENTITY_TOKEN_FILE: '/none' },
    ],
  ])('goes before %s', async (_name, variables) => {
    await using cloud = await startCloud()
    const { step } = await reportTo(cloud.service, WITH_ROLE, { env: { ...cloud.env, ...variables } })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(cloud.service.requests[0]?.signedBy).toBe(cloud.sts.requests[0]?.accessKeyId)
  })

  test('takes the session name and the audience from the inputs', async () => {
    await using cloud = await startCloud({ audience: 'my-cloud' })
    const { step } = await reportTo(
      cloud.service,
      { ...WITH_ROLE, 'role-session-name': 'nightly-42', audience: 'my-cloud' },
      { env: cloud.env },
    )
    expect(cloud.oidc.requests).toMatchObject([{ audience: 'my-cloud' }])
    expect(cloud.sts.requests[0]?.parameters['RoleSessionName']).toBe('nightly-42')
    expect(step.exitCode).toBe(0)
  })

  test.each([
    ['neither', { ACTIONS_ID_TOKEN_REQUEST_URL: undefined, ACTIONS_ID_TOKEN_REQUEST_TOKEN: undefined }],
    ['no request token', { ACTIONS_ID_TOKEN_REQUEST_TOKEN: undefined }],
  ])('without id-token: write (%s): one error at once, that says so', async (_name, missing) => {
    await using cloud = await startCloud()
    const { step, bodies, taskId } = await reportTo(cloud.service, WITH_ROLE, { env: { ...cloud.env, ...missing } })
    expect(bodies).toEqual([])
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('id-token: write')
    expect(step.errors[0]).toContain(taskId.slice(0, 12))
    expect(step.exitCode).toBe(1)
    expect(step.stdout).not.toContain('Trying again')
  })

  test.each([
    ['500 of the service', error('InternalFailure', 'The request processing has failed.', 500)],
    ['a bare 503', bare(503)],
    ['an HTML page with status 502', html(502)],
    ['an HTML page with status 200', html(200)],
    ['a truncated answer', truncated()],
    ['a reset', reset()],
    ['throttling', error('Throttling', 'Rate exceeded', 400)],
    ['IDPCommunicationError', error('IDPCommunicationError', 'could not reach the IdP', 400)],
  ] as const)('STS answers once with %s: tried again', async (_name, fault) => {
    await using cloud = await startCloud()
    cloud.sts.injectFault(fault)
    const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(1)
    expect(cloud.sts.requests).toHaveLength(2)
    expect(step.exitCode).toBe(0)
  })

  // The time of a called step does not reach the client of STS.
  describe('no response once, until the try is given up', () => {
    test.concurrent.each(['sts', 'oidc'] as const)('of %s: the next one reports', async (server) => {
      await using cloud = await startCloud()
      cloud[server].injectFault(hang())
      // The texts wait for the secrets.
      const inputs = { ...WITH_ROLE, 'error-message': 'why', 'timeout-seconds': '20' }
      const { step, bodies } = await reportTo(cloud.service, inputs, { as: 'process', env: cloud.env })
      expect(step.errors).toEqual([])
      expect(bodies).toMatchObject([{ errorMessage: 'why' }])
    })

    // Nothing was sent to Data Pipeline yet, so nothing can have landed there.
    test.concurrent('of sts: a task that is not found is not taken for reported', async () => {
      await using cloud = await startCloud()
      cloud.sts.injectFault(hang())
      const inputs = { ...WITH_ROLE, 'task-id': 'no-such-task', 'timeout-seconds': '20' }
      const { step } = await reportTo(cloud.service, inputs, { as: 'process', env: cloud.env })
      expect(step.outputs['reported']).toBe('false')
      expect(step.errors).toHaveLength(1)
      expect(step.exitCode).toBe(1)
    })
  })

  test.each(['sts', 'oidc'] as const)('%s is silent for ever: one error in time', async (server) => {
    await using cloud = await startCloud()
    cloud[server].keepInjectingFault(hang())
    const inputs = { ...WITH_ROLE, 'timeout-seconds': '4' }
    const { step } = await reportTo(cloud.service, inputs, { env: cloud.env, timePasses: true })
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
    expect(step.tookMs).toBeLessThanOrEqual(5_000)
  })

  test('a session that Data Pipeline calls expired once is renewed', async () => {
    await using cloud = await startCloud()
    cloud.service.injectFault(expiredToken())
    const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(2)
    expect(step.exitCode).toBe(0)
  })

  test('a task that is not found is told as that, not as a problem of the role', async () => {
    await using cloud = await startCloud()
    const { step } = await reportTo(cloud.service, { ...WITH_ROLE, 'task-id': 'no-such-task' }, { env: cloud.env })
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('TaskNotFoundException')
    expect(step.errors[0]).toContain('task-id')
  })

  test('goes through the proxy for the role, too', async () => {
    const [sts, service] = ['sts.us-east-1.amazonaws.com', 'datapipeline.us-east-1.amazonaws.com'] as const
    await using cloud = await startCloud()
    await using front = await TlsFront.start({ [sts]: cloud.sts.url, [service]: cloud.service.url })
    await using proxy = await LocalProxy.start('forward', front.url)
    await withFiles({ 'ca.pem': front.cert }, async (folder) => {
      const env = {
        ...cloud.env,
        HTTPS_PROXY: proxy.url,
        AWS_CA_BUNDLE: join(folder, 'ca.pem'),
        AWS_ENDPOINT_URL_STS: undefined,
        AWS_ENDPOINT_URL_DATA_PIPELINE: undefined,
      }
      const { step } = await reportTo(cloud.service, WITH_ROLE, { env })
      expect(step.errors).toEqual([])
      expect(proxy.requests).toEqual([`CONNECT ${sts}:443`, `CONNECT ${service}:443`])
    })
  })
})

async function withFiles(files: Record<string, string>, work: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    await work(folder)
  })
}
