import { DataPipelineClient, SetTaskStatusCommand } from '@aws-sdk/client-data-pipeline'
import { fromWebToken } from '@aws-sdk/credential-provider-web-identity'
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from './data-pipeline.ts'
import { bare, type FaultKind } from './faults.ts'
import { LocalOidc } from './oidc.ts'
import {
  internalFailure,
  keysNotFetched,
  LocalSts,
  type LocalStsOptions,
  noIdentityProvider,
  notAuthorized,
  TEST_ROLE,
  webTokenExpired,
} from './sts.ts'

const NOON = Date.parse('2026-03-01T12:00:00Z')

/** All three services with one clock and one store of credentials, and the SDK's provider that calls them. */
async function startAll(options: Partial<LocalStsOptions> = {}) {
  const time = { now: NOON }
  const clock = () => time.now
  const services = new AsyncDisposableStack()
  const oidc = services.use(await LocalOidc.start({ clock }))
  const service = services.use(await LocalDataPipeline.start({ clock }))
  const sts = services.use(await LocalSts.start({ issuer: oidc, credentials: service.credentials, clock, ...options }))
  const assume = ({
    token = oidc.token('sts.amazonaws.com'),
    roleArn = TEST_ROLE.arn,
    durationSeconds = 900,
    maxAttempts = 1,
  } = {}) =>
    fromWebToken({
      ...{ webIdentityToken: token, roleArn, durationSeconds, roleSessionName: 'github' },
      clientConfig: { endpoint: sts.url, region: 'us-east-1', maxAttempts },
    })()
  return { time, oidc, service, sts, assume, [Symbol.asyncDispose]: () => services.disposeAsync() }
}

test('a token of the issuer is exchanged for credentials that Data Pipeline accepts until they expire', async () => {
  await using all = await startAll()
  const { time, service, sts } = all
  const credentials = await all.assume()
  expect(credentials).toMatchObject({ sessionToken: expect.any(String), expiration: new Date(NOON + 900_000) })
  expect(sts.requests).toMatchObject([
    {
      parameters: { Action: 'AssumeRoleWithWebIdentity', RoleArn: TEST_ROLE.arn, RoleSessionName: 'github' },
      response: { status: 200 },
      accessKeyId: credentials.accessKeyId,
    },
  ])

  const { expiration, ...keys } = credentials
  const end = (taskId: string) =>
    new DataPipelineClient({
      ...{ endpoint: service.url, region: 'us-east-1', credentials: keys, maxAttempts: 1 },
      systemClockOffset: time.now - Date.now(),
    }).send(new SetTaskStatusCommand({ taskId, taskStatus: 'FINISHED' }))
  await end(service.addTask().taskId)
  expect(service.requests[0]?.signedBy).toBe(credentials.accessKeyId)
  time.now = expiration?.getTime() ?? 0
  await expect(end(service.addTask().taskId)).rejects.toThrow('The security token included in the request is expired')
})

test('a session may last as long as the role allows', async () => {
  await using all = await startAll()
  await expect(all.assume({ durationSeconds: 3600 })).resolves.toMatchObject({ expiration: new Date(NOON + 3_600_000) })
})

test('a configured lifetime overrides the requested one', async () => {
  await using all = await startAll({ sessionMs: 1500 })
  await expect(all.assume()).resolves.toMatchObject({ expiration: new Date(NOON + 1500) })
})

test.each<[string, Partial<LocalStsOptions>, { roleArn?: string; token?: string; durationSeconds?: number }, string]>([
  ['a role it does not know', {}, { roleArn: 'arn:aws:iam::123456789012:role/other' }, 'AccessDenied'],
  ['a subject that the role does not trust', { roles: [{ ...TEST_ROLE, subject: /^repo:you\// }] }, {}, 'AccessDenied'],
  ['a token for another audience', { audience: 'sts.example.com' }, {}, 'InvalidIdentityToken'],
  ['a token that is none', {}, { token: 'a.b.c' }, 'InvalidIdentityToken'],
  ['a session too short', {}, { durationSeconds: 60 }, 'ValidationError'],
  ['a session longer than the role allows', {}, { durationSeconds: 3601 }, 'ValidationError'],
])('%s is refused', async (_, options, request, name) => {
  await using all = await startAll(options)
  await expect(all.assume(request)).rejects.toMatchObject({ name: expect.stringContaining(name) })
  expect(all.sts.requests.at(-1)?.response?.error).toBe(name)
})

test('a token is expired after five minutes', async () => {
  await using all = await startAll()
  const token = all.oidc.token('sts.amazonaws.com')
  all.time.now += 300_000
  await expect(all.assume({ token })).rejects.toMatchObject({
    name: 'ExpiredTokenException',
    message: expect.stringContaining('Token expired: current date/time 1772366700 must be before'),
  })
})

test.each([
  ['no signature', undefined, 'MissingAuthenticationTokenException'],
  ['an unknown key', 'ASIAUNKNOWN', 'InvalidClientTokenId'],
])('AssumeRole with %s is refused', async (_, accessKeyId, code) => {
  await using all = await startAll()
  const parameters = { Action: 'AssumeRole', RoleArn: TEST_ROLE.arn, RoleSessionName: 'ci' }
  const authorization =
    accessKeyId &&
    `AWS4-HMAC-SHA256 Credential=${accessKeyId}/20260301/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0`
  const headers = authorization ? { authorization } : {}
  const response = await fetch(all.sts.url, { method: 'POST', body: new URLSearchParams(parameters), headers })
  expect(response.status).toBe(403)
  expect(all.sts.requests).toMatchObject([{ response: { error: code } }])
})

test.each<[string, FaultKind, string]>([
  ['notAuthorized', notAuthorized(), 'Not authorized to perform sts:AssumeRoleWithWebIdentity'],
  ['webTokenExpired', webTokenExpired(), 'Token expired'],
  ['keysNotFetched', keysNotFetched(), 'verification key'],
  ['noIdentityProvider', noIdentityProvider(), 'No OpenIDConnect provider'],
  ['internalFailure', internalFailure(), 'unknown error'],
  ['bare(500)', bare(500), ''],
])('%s affects one request', async (_, fault, message) => {
  await using all = await startAll()
  all.sts.injectFault(fault)
  await expect(all.assume()).rejects.toThrow(message)
  await expect(all.assume()).resolves.toHaveProperty('accessKeyId')
})
