// Credentials of a job that takes longer than they live.
import { afterAll, describe, expect, test } from '@jest/globals'
import { startCloud } from '../fakes/aws/cloud.ts'
import { CredentialStore, type Credentials } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { error, on } from '../fakes/aws/faults.ts'
import { TEST_ROLE } from '../fakes/aws/sts.ts'
import { leftOverProcesses } from '../support/job.ts'
import { heartbeatCounts, heartbeatGroup, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const TEMPORARY: Required<Omit<Credentials, 'expiresAt'>> = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token=='.repeat(8),
}

describe('with role-to-assume', () => {
  const WITH_ROLE = { 'role-to-assume': TEST_ROLE.arn }

  test.concurrent('sessions that expire midway: new ones, with a new token each time, and no beat fails', async () => {
    // A beat comes after 9 to 10 s; sessions as short as that would be over before a machine that stands still uses them.
    await using cloud = await startCloud({ sessionMs: 8_500 })
    using held = await startActivity(cloud.service, { ...WITH_ROLE, 'heartbeat-seconds': '10' }, { env: cloud.env })
    expect(held.main).toMatchObject({ exitCode: 0, warnings: [] })
    await held.beats(2)
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, warnings: [] })
    expect(heartbeatCounts(post).failed).toBe(0)
    const signers = cloud.service.requestsFor('ReportTaskProgress').map(({ signedBy }) => signedBy)
    expect(signers.length).toBeGreaterThanOrEqual(3)
    expect(new Set(signers).size).toBe(signers.length)
    expect(cloud.oidc.tokensIssued).toBe(cloud.sts.requests.length)
    const tokens = cloud.sts.requests.map(({ parameters }) => parameters['WebIdentityToken'])
    expect(new Set(tokens).size).toBe(tokens.length)
    expect(cloud.service.task(held.taskId).state).toBe('finished')
  })

  test.concurrent('a session that ends before its time: a beat fails, the next has a new session', async () => {
    await using cloud = await startCloud()
    using held = await startActivity(cloud.service, WITH_ROLE, { env: cloud.env })
    await held.beats(1)
    for (const { accessKeyId } of cloud.sts.requests) if (accessKeyId) cloud.credentials.expire(accessKeyId)
    await held.beats(held.respondedBeats() + 2)
    const post = await held.post()
    expect(post.exitCode).toBe(0)
    expect(heartbeatCounts(post).failed).toBe(1)
    expect(heartbeatCounts(post).sent).toBeGreaterThanOrEqual(2)
    expect(cloud.service.task(held.taskId).state).toBe('finished')
  })

  test.concurrent('no file and no log has a token or a secret of a session', async () => {
    await using cloud = await startCloud()
    using held = await startActivity(cloud.service, WITH_ROLE, { env: cloud.env })
    await held.beats(1)
    const files = Object.values(held.job.files()).join('\n')
    const post = await held.post()
    const visible = heartbeatGroup(post)?.text
    for (const text of [files, visible, held.main.stdout.replace(/^::add-mask::.*$/gm, '')]) {
      for (const { parameters, accessKeyId = '' } of cloud.sts.requests) {
        expect(text).not.toContain(parameters['WebIdentityToken'])
        expect(text).not.toContain(cloud.credentials.find(accessKeyId)?.secretAccessKey)
        expect(text).not.toContain(cloud.credentials.find(accessKeyId)?.sessionToken)
      }
      expect(text).not.toContain(cloud.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'])
    }
  })

  test.concurrent('what the service says, with a secret of the session in it, is in no file and not shown', async () => {
    await using cloud = await startCloud()
    using held = await startActivity(cloud.service, WITH_ROLE, { env: cloud.env })
    await held.beats(1)
    const sessions = cloud.sts.requests.map(({ accessKeyId = '' }) => cloud.credentials.find(accessKeyId))
    const token = sessions.at(-1)?.sessionToken ?? ''
    const canonical = `should have been x-amz-security-token:${token}`
    cloud.service.injectFault(on('ReportTaskProgress', error('TaskNotFoundException', canonical)))
    await held.beats(held.respondedBeats() + 1)
    const files = Object.values(held.job.files()).join('\n')
    expect(files).toContain('x-amz-security-token:***')
    expect(files).not.toContain(token)
    const post = await held.post()
    expect(post.stdout).not.toContain(token)
  })
})

describe('credentials of the environment', () => {
  test.concurrent('that expire midway: main says when, beats fail, and post says what to do', async () => {
    const credentials = new CredentialStore([{ ...TEMPORARY }])
    await using service = await LocalDataPipeline.start({ credentials })
    const expiration = new Date(Date.now() + 3_600_000).toISOString()
    const env = { ...service.env(TEMPORARY), AWS_CREDENTIAL_EXPIRATION: expiration }
    using held = await startActivity(service, {}, { env })
    expect(held.main.exitCode).toBe(0)
    expect(held.main.warnings).toHaveLength(1)
    expect(held.main.warnings[0]).toContain(expiration)
    expect(held.main.warnings[0]).toContain('role-to-assume')
    await held.beats(1)
    credentials.expire(TEMPORARY.accessKeyId)
    await held.beats(held.respondedBeats() + 2)
    expect(held.job.heartbeats()).toHaveLength(1)
    const post = await held.post()
    expect(heartbeatCounts(post).sent).toBeGreaterThanOrEqual(1)
    expect(heartbeatCounts(post).failed).toBeGreaterThanOrEqual(2)
    expect(post.exitCode).toBe(1)
    expect(post.errors).toHaveLength(1)
    expect(post.errors[0]).toContain('role-to-assume')
    expect(await held.job.heartbeatsEnd()).toBe(true)
  })

  test.concurrent('of which nobody says when they expire: main warns all the same', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    using held = await startActivity(service, {}, { env: service.env(TEMPORARY) })
    expect(held.main.warnings).toHaveLength(1)
    expect(held.main.warnings[0]).toMatch(/expire/)
    await held.post()
  })

  test.concurrent('go before a profile in the main step, in the beats and in the report', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    const env = { ...service.env(TEMPORARY), AWS_PROFILE: 'nobody', AWS_DEFAULT_PROFILE: 'nobody' }
    using held = await startActivity(service, {}, { env })
    expect(held.main).toMatchObject({ errors: [], warnings: [expect.stringMatching(/expire/)] })
    await held.beats(1)
    expect(await held.post()).toMatchObject({ exitCode: 0, errors: [] })
    expect(new Set(service.requests.map(({ signedBy }) => signedBy))).toEqual(new Set([TEMPORARY.accessKeyId]))
    expect(service.task(held.taskId).state).toBe('finished')
  })

  test.concurrent('that last, or can be renewed: no warning', async () => {
    await using service = await LocalDataPipeline.start()
    using lasting = await startActivity(service)
    expect(lasting.main.warnings).toEqual([])
    await lasting.post()
  })
})
