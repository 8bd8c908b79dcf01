// Credentials of a job that takes longer than they live.
import { afterAll, describe, expect, test } from '@jest/globals'
import { startCloud } from '../fakes/aws/cloud.ts'
import { CredentialStore, type Credentials } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { error, on } from '../fakes/aws/faults.ts'
import { TEST_ROLE } from '../fakes/aws/sts.ts'
import { leftOverProcesses } from '../support/job.ts'
import { FAST_HEARTBEAT, heartbeatCounts, startActivity } from './holding.ts'

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
    // A beat comes after 2.7 to 3 s; sessions shorter than that would be over before a machine that stands still uses them.
    await using cloud = await startCloud({ sessionMs: 2_500 })
    const env = { ...cloud.env, ...FAST_HEARTBEAT }
    using held = await startActivity(cloud.service, { ...WITH_ROLE, 'heartbeat-seconds': '30' }, { env })
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

  test.concurrent('a session that ends before its time: the next beat has a new one; no secret is in a file or log', async () => {
    await using cloud = await startCloud()
    using held = await startActivity(cloud.service, WITH_ROLE, { env: { ...cloud.env, ...FAST_HEARTBEAT } })
    await held.beats(1)
    for (const { accessKeyId } of cloud.sts.requests) if (accessKeyId) cloud.credentials.expire(accessKeyId)
    await held.beats(held.respondedBeats() + 2)
    const sessions = cloud.sts.requests.map(({ accessKeyId = '' }) => cloud.credentials.find(accessKeyId))
    // What the service says, with a secret in it.
    const canonical = `should have been x-amz-security-token:${sessions.at(-1)?.sessionToken}`
    cloud.service.injectFault(on('ReportTaskProgress', error('InternalServiceError', canonical, 500)))
    await held.beats(held.respondedBeats() + 2)
    const files = Object.values(held.job.files()).join('\n')
    expect(files).toContain('x-amz-security-token:***')
    const post = await held.post()
    expect(post.exitCode).toBe(0)
    expect(heartbeatCounts(post).failed).toBe(2)
    expect(heartbeatCounts(post).sent).toBeGreaterThanOrEqual(2)
    expect(cloud.service.task(held.taskId).state).toBe('finished')
    for (const text of [files, post.stdout, held.main.stdout]) {
      for (const { parameters, accessKeyId = '' } of cloud.sts.requests) {
        expect(text).not.toContain(parameters['WebIdentityToken'])
        expect(text).not.toContain(cloud.credentials.find(accessKeyId)?.secretAccessKey)
        expect(text).not.toContain(cloud.credentials.find(accessKeyId)?.sessionToken)
      }
      expect(text).not.toContain(cloud.env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'])
    }
  })
})

describe('credentials of the environment', () => {
  test.concurrent('that expire midway: main says when, beats fail, and post says what to do', async () => {
    const credentials = new CredentialStore([{ ...TEMPORARY }])
    await using service = await LocalDataPipeline.start({ credentials })
    const expiration = new Date(Date.now() + 3_600_000).toISOString()
    const env = { ...service.env(TEMPORARY), ...FAST_HEARTBEAT, AWS_CREDENTIAL_EXPIRATION: expiration }
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

  test.concurrent('of which nobody says when they expire: main warns; they go before a profile in all steps and beats', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    const profile = { AWS_PROFILE: 'nobody', AWS_DEFAULT_PROFILE: 'nobody' }
    const env = { ...service.env(TEMPORARY), ...FAST_HEARTBEAT, ...profile }
    using held = await startActivity(service, {}, { env })
    expect(held.main).toMatchObject({ errors: [], warnings: [expect.stringMatching(/expire/)] })
    await held.beats(1)
    expect(await held.post()).toMatchObject({ exitCode: 0, errors: [] })
    expect(new Set(service.requests.map(({ signedBy }) => signedBy))).toEqual(new Set([TEMPORARY.accessKeyId]))
    expect(service.task(held.taskId).state).toBe('finished')
  })
})
