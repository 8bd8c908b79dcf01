import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { NO_CREDENTIALS, startCloud } from '../fakes/aws/cloud.ts'
import { CredentialStore, type Credentials, TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { bare, error, expiredToken, hang, html, reset, times, truncated } from '../fakes/aws/faults.ts'
import { TEST_ROLE } from '../fakes/aws/sts.ts'
import { LocalProxy, TlsFront } from '../support/proxy.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { STALL_MS } from '../support/timing.ts'
import { localEvidence, NO_TOKEN_NOTICE, reportTo } from './reporting.ts'

const TEMPORARY: Required<Pick<Credentials, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'>> = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token=='.repeat(8),
}

describe('in the environment', () => {
  test.concurrent('none: one error at once, that says what to do', async () => {
    await using service = await LocalDataPipeline.start()
    const { step, bodies, taskId } = await reportTo(
      service,
      { status: 'FAILED', 'error-id': 'x' },
      { env: NO_CREDENTIALS },
    )
    expect(bodies).toEqual([])
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain(taskId.slice(0, 12))
    expect(step.errors[0]).toMatch(/credentials/)
    expect(step.errors[0]).toMatch(/configure-aws-credentials.*skipped.*if: always\(\)/)
    expect(step.errors[0]).toContain('role-to-assume')
    expect(step.exitCode).toBe(1)
    // Out of two minutes.
    expect(step.tookMs).toBeLessThan(4_000 + STALL_MS)
  })

  test.concurrent('empty strings, as a skipped step leaves them', async () => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(
      service,
      {},
      { env: { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_SESSION_TOKEN: '' } },
    )
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('configure-aws-credentials')
    expect(step.exitCode).toBe(1)
  })

  test.concurrent('an empty AWS_SESSION_TOKEN beside lasting keys is none', async () => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(service, {}, { env: { AWS_SESSION_TOKEN: '' } })
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('temporary ones, with a session token', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    const { step } = await reportTo(service, {}, { env: service.env(TEMPORARY) })
    expect(step.exitCode).toBe(0)
    expect(service.requests[0]?.signedBy).toBe(TEMPORARY.accessKeyId)
  })

  test.concurrent('pasted with a line end after each', async () => {
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

  test.concurrent('expired: one error at once, with the hint for long jobs', async () => {
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

  test.concurrent('a wrong secret: one error at once', async () => {
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

  test.concurrent.each([
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

  test.concurrent('that does not exist: one error', async () => {
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
  test.concurrent.each<[string, Record<string, string | undefined>, string, RegExp[]]>([
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

  const onPosix = (process.platform === 'win32' ? test.skip : test.concurrent) as typeof test.concurrent

  // Nothing was sent while the credentials were waited for, so nothing can have landed.
  onPosix('of a credential process that is slower than a try: a task that is not found is an error', async () => {
    const response = JSON.stringify({
      Version: 1,
      AccessKeyId: TEST_CREDENTIALS.accessKeyId,
      SecretAccessKey: TEST_CREDENTIALS.secretAccessKey,
    })
    await withFiles({ 'answer.json': response }, async (folder) => {
      const command = `sh -c "sleep 6; cat ${join(folder, 'answer.json')}"`
      writeFileSync(join(folder, 'config'), `[default]\ncredential_process = ${command}\n`)
      await using service = await LocalDataPipeline.start()
      const { step, bodies } = await reportTo(
        service,
        { status: 'FAILED', 'task-id': 'no-such-task', 'timeout-seconds': '16' },
        { env: { ...NO_CREDENTIALS, AWS_CONFIG_FILE: join(folder, 'config') } },
      )
      expect(bodies).toHaveLength(1)
      expect(step.outputs['reported']).toBe('false')
      expect(step.errors).toHaveLength(1)
      expect(step.exitCode).toBe(1)
    })
  })

  onPosix('of a credential process that never ends: one error in time', async () => {
    await withFiles({ config: '[default]\ncredential_process = sleep 30\n' }, async (folder) => {
      await using service = await LocalDataPipeline.start()
      const { step } = await reportTo(
        service,
        { status: 'FAILED', 'error-id': 'x', 'timeout-seconds': '3' },
        { env: { ...NO_CREDENTIALS, AWS_CONFIG_FILE: join(folder, 'config') } },
      )
      expect(step.errors).toHaveLength(1)
      expect(step.exitCode).toBe(1)
      expect(step.tookMs).toBeLessThan(3_000 + STALL_MS)
    })
  })

  // The report waits for its credentials anyway; what is known by then must not be sent.
  onPosix('of a credential process that takes six seconds', async () => {
    const response = JSON.stringify({
      Version: 1,
      AccessKeyId: TEMPORARY.accessKeyId,
      SecretAccessKey: TEMPORARY.secretAccessKey,
      SessionToken: TEMPORARY.sessionToken,
    })
    await withFiles({ 'answer.json': response }, async (folder) => {
      const command = `sh -c "sleep 6; cat ${join(folder, 'answer.json')}"`
      writeFileSync(join(folder, 'config'), `[default]\ncredential_process = ${command}\n`)
      await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
      const { step, bodies } = await reportTo(
        service,
        { status: 'FAILED', 'error-message': `key ${TEMPORARY.secretAccessKey}` },
        { env: { ...NO_CREDENTIALS, AWS_CONFIG_FILE: join(folder, 'config') } },
      )
      expect(step.exitCode).toBe(0)
      expect(bodies).toMatchObject([{ errorMessage: 'key ***' }])
    })
  })

  onPosix('of a credential process, asked before the texts are sent', async () => {
    const response = JSON.stringify({
      Version: 1,
      AccessKeyId: TEMPORARY.accessKeyId,
      SecretAccessKey: TEMPORARY.secretAccessKey,
      SessionToken: TEMPORARY.sessionToken,
    })
    const files = { config: '[default]\ncredential_process = cat ANSWER\n', 'answer.json': response }
    await withFiles(files, async (folder) => {
      writeFileSync(join(folder, 'config'), `[default]\ncredential_process = cat ${join(folder, 'answer.json')}\n`)
      await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
      const { step, bodies } = await reportTo(
        service,
        { status: 'FAILED', 'error-stack-trace': `token ${TEMPORARY.sessionToken}.` },
        { env: { ...NO_CREDENTIALS, AWS_CONFIG_FILE: join(folder, 'config') } },
      )
      expect(step.exitCode).toBe(0)
      expect(bodies).toMatchObject([{ errorStackTrace: 'token ***.' }])
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

  test.concurrent.each(Object.entries(SECRETS))(
    '%s is replaced in every field and appears nowhere',
    async (_name, secret) => {
      await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
      const encoded = encodeURIComponent(secret)
      const text = `before ${secret} between ${encoded} after`
      const reporting = await reportTo(
        service,
        { status: 'FAILED', 'error-id': text, 'error-message': text, 'error-stack-trace': text },
        { env: { ...SECRETS, AWS_ACCESS_KEY_ID: TEMPORARY.accessKeyId } },
      )
      const expected = 'before *** between *** after'
      expect(reporting.bodies[0]).toMatchObject({
        errorId: expected,
        errorMessage: expected,
        errorStackTrace: expected,
      })
      expect(reporting.step.outputs).toMatchObject({ 'error-id': expected, 'error-message': expected })
      expect(reporting.step.exitCode).toBe(0)
      expect(reporting.step.warnings).toHaveLength(3)
      expect(traces(reporting)).not.toContain(secret)
      expect(traces(reporting)).not.toContain(encoded)
    },
  )

  test.concurrent('a secret in pieces, that escape sequences hold apart, is replaced once they are gone', async () => {
    await using service = await LocalDataPipeline.start()
    const secret = TEST_CREDENTIALS.secretAccessKey
    const text = `x ${secret.slice(0, 10)}\u001b[0m${secret.slice(10, 20)}\u0001${secret.slice(20)} y`
    const { bodies } = await reportTo(service, { status: 'FAILED', 'error-message': text })
    expect(bodies).toMatchObject([{ errorMessage: 'x *** y' }])
  })

  test.concurrent('a secret where the text is cut leaves no piece of it', async () => {
    await using service = await LocalDataPipeline.start()
    const secret = TEST_CREDENTIALS.secretAccessKey
    for (const at of [2_000, 2_015, 2_030]) {
      const text = 'x'.repeat(at) + secret + 'y'.repeat(10_000) + secret + 'z'.repeat(at)
      const { bodies } = await reportTo(service, { status: 'FAILED', 'error-stack-trace': text })
      expect(String(bodies[0]?.['errorStackTrace'])).not.toMatch(/wJal|EXAMPLEKEY/)
    }
  })

  test.concurrent('of a file are replaced as well', async () => {
    await using service = await LocalDataPipeline.start()
    const { bodies, step } = await reportTo(
      service,
      { status: 'FAILED', 'error-stack-trace-file': 'log' },
      { files: { log: `AWS_SECRET_ACCESS_KEY=${TEST_CREDENTIALS.secretAccessKey}\n` } },
    )
    expect(String(bodies[0]?.['errorStackTrace'])).toContain('AWS_SECRET_ACCESS_KEY=***')
    expect(step.stdout).not.toContain(TEST_CREDENTIALS.secretAccessKey)
  })

  test.concurrent('do not appear in a dry run either', async () => {
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
  test.concurrent.each(['InvalidSignatureException', 'ThrottlingException'])(
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

  test.concurrent('that are one inside another leave no rest', async () => {
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

  test.concurrent('reports with a session of the role', async () => {
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

  test.concurrent('goes before credentials in the environment, which may have expired', async () => {
    await using cloud = await startCloud()
    const { step } = await reportTo(cloud.service, WITH_ROLE, {
      env: { ...cloud.env, ...cloud.service.env(TEMPORARY) },
    })
    expect(cloud.service.requests[0]?.signedBy).toBe(cloud.sts.requests[0]?.accessKeyId)
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('takes the session name and the audience from the inputs', async () => {
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

  test.concurrent.each([
    ['neither', { ACTIONS_ID_TOKEN_REQUEST_URL: undefined, ACTIONS_ID_TOKEN_REQUEST_TOKEN: undefined }],
    ['no request token', { ACTIONS_ID_TOKEN_REQUEST_TOKEN: undefined }],
    ['empty ones', { ACTIONS_ID_TOKEN_REQUEST_URL: '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: '' }],
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

  test.concurrent.each([
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

  test.concurrent('STS is silent once: the try is given up, and the next one reports', async () => {
    await using cloud = await startCloud()
    cloud.sts.injectFault(hang())
    const { step, bodies } = await reportTo(
      cloud.service,
      { ...WITH_ROLE, 'timeout-seconds': '20' },
      { env: cloud.env },
    )
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(1)
  })

  test.concurrent('STS is silent once while the texts wait for the secrets: reported all the same', async () => {
    await using cloud = await startCloud()
    cloud.sts.injectFault(hang())
    const { step, bodies } = await reportTo(
      cloud.service,
      { ...WITH_ROLE, 'error-message': 'why', 'timeout-seconds': '20' },
      { env: cloud.env },
    )
    expect(step.errors).toEqual([])
    expect(bodies).toMatchObject([{ errorMessage: 'why' }])
  })

  test.concurrent('GitHub is silent once about the token: reported all the same', async () => {
    await using cloud = await startCloud()
    cloud.oidc.injectFault(hang())
    const { step, bodies } = await reportTo(
      cloud.service,
      { ...WITH_ROLE, 'timeout-seconds': '20' },
      { env: cloud.env },
    )
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(1)
  })

  test.concurrent('STS is silent for ever: one error in time', async () => {
    await using cloud = await startCloud()
    cloud.sts.keepInjectingFault(hang())
    const { step } = await reportTo(cloud.service, { ...WITH_ROLE, 'timeout-seconds': '4' }, { env: cloud.env })
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
    expect(step.tookMs).toBeLessThan(4_000 + STALL_MS)
  })

  test.concurrent('GitHub is silent for ever about the token: one error in time', async () => {
    await using cloud = await startCloud()
    cloud.oidc.keepInjectingFault(hang())
    const { step } = await reportTo(cloud.service, { ...WITH_ROLE, 'timeout-seconds': '4' }, { env: cloud.env })
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
    expect(step.tookMs).toBeLessThan(4_000 + STALL_MS)
  })

  // Nothing was sent to Data Pipeline yet, so nothing can have landed there.
  test.concurrent('a task that is not found, after STS was silent once, is not taken for reported', async () => {
    await using cloud = await startCloud()
    cloud.sts.injectFault(hang())
    const { step } = await reportTo(
      cloud.service,
      { ...WITH_ROLE, 'task-id': 'no-such-task', 'timeout-seconds': '20' },
      { env: cloud.env },
    )
    expect(step.outputs['reported']).toBe('false')
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
  })

  test.concurrent("GitHub's token service answers 500 once", async () => {
    await using cloud = await startCloud()
    cloud.oidc.injectFault(bare(500))
    const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(1)
  })

  test.concurrent('a session that Data Pipeline calls expired once is renewed', async () => {
    await using cloud = await startCloud()
    cloud.service.injectFault(expiredToken())
    const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(2)
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('sessions that are always called expired end in one error', async () => {
    await using cloud = await startCloud()
    cloud.service.injectFault(...times(50, expiredToken()))
    const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(bodies.length).toBeLessThan(4)
    expect(step.errors).toHaveLength(1)
    expect(step.exitCode).toBe(1)
  })

  test.concurrent('a task that is not found is told as that, not as a problem of the role', async () => {
    await using cloud = await startCloud()
    const { step } = await reportTo(cloud.service, { ...WITH_ROLE, 'task-id': 'no-such-task' }, { env: cloud.env })
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('TaskNotFoundException')
    expect(step.errors[0]).toContain('task-id')
  })

  test.concurrent('by the variables of a pod (AWS_WEB_IDENTITY_TOKEN_FILE), which is the default chain', async () => {
    await using cloud = await startCloud()
    await withFiles({ token: cloud.oidc.token('sts.amazonaws.com') }, async (folder) => {
      const { step, bodies } = await reportTo(
        cloud.service,
        { status: 'FAILED' },
        {
          env: {
            ...cloud.sts.env(),
            ...NO_CREDENTIALS,
            AWS_ROLE_ARN: TEST_ROLE.arn,
            AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
          },
        },
      )
      expect(step.errors).toEqual([])
      expect(bodies).toHaveLength(1)
    })
  })

  test.concurrent('goes through the proxy for the role, too', async () => {
    const [sts, service] = ['sts.us-east-1.amazonaws.com', 'datapipeline.us-east-1.amazonaws.com'] as const
    await using cloud = await startCloud()
    await using front = await TlsFront.start({ [sts]: cloud.sts.url, [service]: cloud.service.url })
    await using proxy = await LocalProxy.start('forward', front.url)
    await withFiles({ 'ca.pem': front.cert }, async (folder) => {
      const env = {
        ...cloud.env,
        HTTPS_PROXY: proxy.url,
        NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
        AWS_ENDPOINT_URL_STS: undefined,
        AWS_ENDPOINT_URL_DATA_PIPELINE: undefined,
      }
      const { step } = await reportTo(cloud.service, WITH_ROLE, { env })
      expect(step.errors).toEqual([])
      expect(proxy.requests).toEqual([`CONNECT ${sts}:443`, `CONNECT ${service}:443`])
    })
  })

  test.concurrent('with surrounding variables of another role, which it does not mind', async () => {
    await using cloud = await startCloud()
    const { step } = await reportTo(cloud.service, WITH_ROLE, {
      env: {
        ...cloud.env,
        AWS_PROFILE: 'nobody',
        AWS_ROLE_ARN: 'arn:aws:iam::1:role/x',
        AWS_WEB_IDENTITY_TOKEN_FILE: '/none',
      },
    })
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('tokens and session appear nowhere', async () => {
    await using cloud = await startCloud()
    const { step, bodies } = await reportTo(
      cloud.service,
      { ...WITH_ROLE, 'error-message': `${cloud.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}` },
      { env: cloud.env },
    )
    const everything = JSON.stringify([bodies, step.outputs, step.summary]) + step.stderr
    const token = cloud.sts.requests[0]?.parameters['WebIdentityToken'] ?? 'none'
    const session = cloud.service.requests[0]?.headers['x-amz-security-token'] ?? 'none'
    expect(everything).not.toContain(token)
    expect(everything).not.toContain(session)
    expect(everything).not.toContain(cloud.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'])
    // A mask command is what hides a value in the log; nothing else may show it.
    const visible = step.stdout
      .split('\n')
      .filter((line) => !line.startsWith('::add-mask::'))
      .join('\n')
    expect(visible).not.toContain(token)
    expect(visible).not.toContain(session)
  })
})

async function withFiles(files: Record<string, string>, work: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    await work(folder)
  })
}
