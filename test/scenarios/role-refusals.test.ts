// What STS and GitHub's token service say no to: some of it passes, and the rest is told as what it is.
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { type Cloud, NO_CREDENTIALS, startCloud } from '../fakes/aws/cloud.ts'
import { TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { bare, error, expiredToken, type FaultKind, hang, times, unrecognizedClient } from '../fakes/aws/faults.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { keysNotFetched, type LocalStsOptions, noIdentityProvider, notAuthorized, TEST_ROLE } from '../fakes/aws/sts.ts'
import { idlePort } from '../support/idle-port.ts'
import { leftOverProcesses } from '../support/job.ts'
import { perform } from '../support/perform.ts'
import { TlsFront } from '../support/proxy.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { effectsOf, startActivity } from './holding.ts'
import { report, reportTo } from './reporting.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const TEMPORARY = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token=='.repeat(8),
}
const WITH_ROLE = { status: 'FAILED', 'role-to-assume': TEST_ROLE.arn }
// As ${{ github.actor }} may be.
const NAMED = { 'role-to-assume': TEST_ROLE.arn, 'role-session-name': 'dependabot[bot]' }
const REPLACED =
  'Invalid value "dependabot[bot]" for input "role-session-name". Expected 2 to 64 letters, digits or any of _+=,.@-. The session is named "dependabot-bot".'
/** Tried no more than that, where it is not known whether a refusal passes. */
const MAX_ATTEMPTS = 5

/** Where a role may come from, beside the input: the variables of a step in which STS is asked for it. */
const SOURCES: Readonly<
  Record<string, (cloud: Cloud, folder: string) => Readonly<Record<string, string | undefined>>>
> = {
  'the token file of a pod': ({ sts, oidc }, folder) => {
    writeFileSync(join(folder, 'token'), oidc.token('sts.amazonaws.com'))
    const variables = { AWS_ROLE_ARN: TEST_ROLE.arn, AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token') }
    return { ...sts.env(), ...NO_CREDENTIALS, ...variables }
  },
  'a profile': ({ sts, credentials }, folder) => {
    credentials.add(TEST_CREDENTIALS)
    const { accessKeyId, secretAccessKey } = TEST_CREDENTIALS
    const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}`
    const config = `[profile base]\n${keys}\n[profile ci]\nrole_arn = ${TEST_ROLE.arn}\nsource_profile = base\n`
    writeFileSync(join(folder, 'config'), config)
    return { ...sts.env(), ...NO_CREDENTIALS, AWS_CONFIG_FILE: join(folder, 'config'), AWS_PROFILE: 'ci' }
  },
}

function variablesOf(source: string, cloud: Cloud, folder: string) {
  return SOURCES[source]?.(cloud, folder) ?? {}
}

describe('STS refuses twice, and then no more: reported', () => {
  const REFUSALS: ReadonlyArray<readonly [string, FaultKind]> = [
    ['as it could not fetch the keys of the issuer', keysNotFetched()],
    ['with AccessDenied', notAuthorized()],
  ]

  test.each(REFUSALS)('%s, each time with a new OIDC token', async (_name, refusal) => {
    await using cloud = await startCloud()
    cloud.sts.injectFault(...times(2, refusal))
    const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(1)
    const tokens = cloud.sts.requests.map(({ parameters }) => parameters['WebIdentityToken'])
    expect(tokens).toHaveLength(3)
    expect(new Set(tokens).size).toBe(3)
  })

  test.each(
    Object.keys(SOURCES).flatMap((source) => REFUSALS.map(([name, refusal]) => [source, name, refusal] as const)),
  )('the role of %s, %s', async (source, _name, refusal) => {
    await inFolder(async (folder) => {
      await using cloud = await startCloud()
      cloud.sts.injectFault(...times(2, refusal))
      const { step, bodies } = await reportTo(
        cloud.service,
        { status: 'FAILED' },
        { env: variablesOf(source, cloud, folder) },
      )
      expect(step.errors).toEqual([])
      expect(bodies).toHaveLength(1)
      expect(cloud.sts.requests).toHaveLength(3)
    })
  })

  test.concurrent('activity holds the task, also with a session name that is replaced', async () => {
    await using cloud = await startCloud()
    cloud.sts.injectFault(keysNotFetched(), notAuthorized())
    using held = await startActivity(cloud.service, NAMED, { env: cloud.env })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [], warnings: [REPLACED] })
    cloud.sts.injectFault(keysNotFetched())
    await held.beats(1)
    expect(await held.post()).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(cloud.service.task(held.taskId).state).toBe('finished')
  })

  test.concurrent('the process that holds a task reports for a step without credentials', async () => {
    await using cloud = await startCloud()
    using held = await startActivity(
      cloud.service,
      { 'role-to-assume': TEST_ROLE.arn, 'heartbeat-seconds': '300' },
      { env: cloud.env },
    )
    for (const { accessKeyId = '' } of cloud.sts.requests) cloud.credentials.expire(accessKeyId)
    cloud.sts.injectFault(...times(2, notAuthorized()))
    expect(await held.root({ status: 'FINISHED' })).toMatchObject({ exitCode: 0, errors: [] })
    await held.post()
    expect(effectsOf(cloud.service, held.taskId)).toEqual(['FINISHED'])
  })

  test('poll-for-task takes a task', async () => {
    await using cloud = await startCloud()
    const { taskId } = cloud.service.addTask()
    cloud.sts.injectFault(keysNotFetched(), notAuthorized())
    const inputs = { 'worker-group': 'ci', 'wait-seconds': '0', ...NAMED }
    const step = await perform({ action: 'poll-for-task', inputs, env: { ...cloud.service.env(), ...cloud.env } })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [REPLACED] })
    expect(step.outputs['task-id']).toBe(taskId)
  })
})

describe('STS refuses for good', () => {
  test('the subject, which the role does not trust: some tries, and one error about the trust policy', async () => {
    await using cloud = await startCloud({ roles: [{ ...TEST_ROLE, subject: /^repo:someone-else/ }] })
    const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(bodies).toEqual([])
    expect(cloud.sts.requests).toHaveLength(MAX_ATTEMPTS)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toMatch(/AccessDenied.*trust policy/)
    expect(step.exitCode).toBe(1)
  })

  test.each(Object.keys(SOURCES))('the role of %s: the trust policy, not SetTaskStatus', async (source) => {
    await inFolder(async (folder) => {
      await using cloud = await startCloud({ roles: [] })
      const { step } = await reportTo(cloud.service, { status: 'FAILED' }, { env: variablesOf(source, cloud, folder) })
      expect(cloud.sts.requests).toHaveLength(MAX_ATTEMPTS)
      expect(step.errors).toHaveLength(1)
      expect(step.errors[0]).toMatch(/AccessDenied.*trust policy/)
      expect(step.errors[0]).not.toContain('datapipeline:SetTaskStatus')
    })
  })

  test.each<[string, Partial<LocalStsOptions>, FaultKind[], string]>([
    ['an identity provider that is not there', {}, [noIdentityProvider()], 'No OpenIDConnect provider'],
    ['another audience', { audience: 'octo-org' }, [], 'Incorrect token audience'],
  ])('%s: one error at once', async (_name, options, refusals, saying) => {
    await using cloud = await startCloud(options)
    cloud.sts.injectFault(...refusals)
    const { step } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(cloud.sts.requests).toHaveLength(1)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain(saying)
    expect(step.errors[0]).toContain('identity provider for token.actions.githubusercontent.com')
  })

  test('as it can never fetch the keys: one error when timeout-seconds are over', async () => {
    await using cloud = await startCloud()
    cloud.sts.keepInjectingFault(keysNotFetched())
    const { step } = await reportTo(cloud.service, { ...WITH_ROLE, 'timeout-seconds': '8' }, { env: cloud.env })
    expect(cloud.sts.requests.length).toBeGreaterThan(2)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toMatch(/gave up after \d+ attempts in 8 s \(timeout-seconds\).*verification key/)
  })

  test.each([
    ['https://github.example.com', 'github.example.com/_services/token'],
    ['https://octo.ghe.com', 'token.actions.octo.ghe.com'],
  ])('with the issuer of %s in the hint', async (server, issuer) => {
    await using cloud = await startCloud()
    cloud.sts.injectFault(noIdentityProvider())
    const { step } = await reportTo(cloud.service, WITH_ROLE, { env: { ...cloud.env, GITHUB_SERVER_URL: server } })
    expect(step.errors[0]).toContain(`identity provider for ${issuer},`)
  })
})

test('a role-session-name that STS would not take is replaced, with one warning', async () => {
  await using cloud = await startCloud()
  const { step, bodies } = await reportTo(cloud.service, { ...NAMED, status: 'FINISHED' }, { env: cloud.env })
  expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [REPLACED] })
  expect(bodies).toHaveLength(1)
  expect(cloud.sts.requests[0]?.parameters['RoleSessionName']).toBe('dependabot-bot')
})

describe('a session that the service does not know yet', () => {
  test('of role-to-assume: reported when it does', async () => {
    await using cloud = await startCloud()
    cloud.service.injectFault(...times(3, unrecognizedClient()))
    const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(4)
    // One more is made in case the first was no good; others would only begin anew.
    expect(cloud.sts.requests).toHaveLength(2)
  })

  test('of a step before this one: reported when it does', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    service.injectFault(...times(2, unrecognizedClient()))
    const { step, bodies } = await reportTo(service, { status: 'FAILED' }, { env: service.env(TEMPORARY) })
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(3)
  })

  test('and never does: some tries, and one error', async () => {
    await using cloud = await startCloud()
    cloud.service.keepInjectingFault(unrecognizedClient())
    const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(bodies).toHaveLength(MAX_ATTEMPTS)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('UnrecognizedClientException')
    expect(step.errors[0]).toContain('AWS does not accept the session of the role')
  })
})

test('a session that is always over: the error does not advise the role that is used already', async () => {
  await using cloud = await startCloud()
  cloud.service.keepInjectingFault(expiredToken())
  const { step, bodies } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
  expect(bodies.length).toBeLessThan(4)
  expect(step.exitCode).toBe(1)
  expect(step.errors).toHaveLength(1)
  expect(step.errors[0]).toMatch(/ExpiredTokenException.*AWS does not accept the session of the role/)
  expect(step.errors[0]).not.toContain('role-to-assume')
})

describe("GitHub's token service", () => {
  /** A report by a role, whose OIDC token is asked for there. */
  async function reportAsking(url: string, timePasses = false) {
    const inputs = { ...WITH_ROLE, 'timeout-seconds': '4' }
    const asking = { ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/token?api-version=2.0`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'a' }
    const { step, bodies } = await report(inputs, { env: { ...NO_CREDENTIALS, ...asking }, timePasses })
    expect(bodies).toEqual([])
    expect(step.errors).toHaveLength(1)
    // The job may ask for tokens, or it would not have the address.
    expect(step.errors[0]).not.toContain('id-token')
    return { step, message: step.errors[0] ?? '' }
  }

  test('no longer accepts the right to ask: one error, that says how long it lasts', async () => {
    await using oidc = await LocalOidc.start()
    const { message } = await reportAsking(oidc.url)
    expect(message).toContain('status 401')
    expect(message).toContain('about six hours')
    expect(oidc.requests.length).toBeLessThanOrEqual(MAX_ATTEMPTS)
  })

  test('refuses once: tried again', async () => {
    await using cloud = await startCloud()
    cloud.oidc.injectFault(error('Unauthorized', 'no', 401), bare(500))
    const { step } = await reportTo(cloud.service, WITH_ROLE, { env: cloud.env })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
  })

  test.each<[string, () => Promise<string>]>([
    ['has no such host', async () => 'https://no-such-host.invalid'],
    ['does not listen', async () => `http://127.0.0.1:${await idlePort()}`],
  ])('%s: a hint about the network', async (_name, address) => {
    const url = await address()
    const { step, message } = await reportAsking(url)
    expect(message).toContain(new URL(url).host)
    expect(message).toContain("can't reach GitHub's token service")
    expect(step.stdout).toContain('Trying again')
  })

  test('is silent: a hint about the network', async () => {
    await using oidc = await LocalOidc.start()
    oidc.keepInjectingFault(hang())
    const { message } = await reportAsking(oidc.url, true)
    expect(message).toMatch(/no response/)
  })

  test('has a certificate that is not trusted: one error at once', async () => {
    await using oidc = await LocalOidc.start()
    await using front = await TlsFront.start(oidc.url)
    const { step, message } = await reportAsking(front.url)
    expect(message).toContain(new URL(front.url).host)
    expect(message).toContain('NODE_EXTRA_CA_CERTS')
    expect(step.stdout).not.toContain('Trying again')
  })

  test('gives errors: a hint about GitHub', async () => {
    await using oidc = await LocalOidc.start()
    oidc.keepInjectingFault(bare(500))
    const { message } = await reportAsking(oidc.url)
    expect(message).toMatch(/status 500.*githubstatus\.com/)
  })

  test('gives an answer without end: it is not read to its end', async () => {
    let sent = 0
    const server = createServer((_request, response) => {
      const chunk = Buffer.alloc(64 * 1024, 'x')
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length
      }
      response.on('drain', more)
      more()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { step, message } = await reportAsking(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const attempts = step.stdout.split('Trying again').length
    server.closeAllConnections()
    server.close()
    expect(message).toMatch(/the response is larger than \d+ bytes/)
    // Beside what the sockets hold.
    expect(sent).toBeLessThan(attempts * 16 * 1024 * 1024)
  })
})
