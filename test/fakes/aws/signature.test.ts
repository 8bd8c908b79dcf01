import { DataPipelineClient, SetTaskStatusCommand } from '@aws-sdk/client-data-pipeline'
import { expect, jest, test } from '@jest/globals'
import { CredentialStore, type Credentials, TEST_CREDENTIALS } from './credentials.ts'
import { LocalDataPipeline } from './data-pipeline.ts'
import { sendRaw, signedRequest } from './raw-request.ts'
import { type SignedRequest, verifySignature } from './signature.ts'

const NOON = Date.parse('2026-03-01T12:00:00Z')
const setStatus = (client: DataPipelineClient) =>
  client.send(new SetTaskStatusCommand({ taskId: 'unknown', taskStatus: 'FINISHED' }))
const TEMPORARY: Credentials = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 'a/b+c=' }

/** Signs with the SDK, changes the request, and returns the code and the text of the response. */
async function responseTo({
  credentials = TEST_CREDENTIALS,
  region = 'us-east-1',
  signedAt = NOON,
  alter = {},
}: {
  credentials?: Credentials
  region?: string
  signedAt?: number
  alter?: Record<string, string | undefined>
}): Promise<string> {
  const store = new CredentialStore([
    TEST_CREDENTIALS,
    TEMPORARY,
    { ...TEMPORARY, accessKeyId: 'OLD', expiresAt: NOON },
  ])
  await using service = await LocalDataPipeline.start({ credentials: store, region: 'us-east-1', clock: () => NOON })
  // The clock of the SDK does not advance: one second decides.
  const now = jest.spyOn(Date, 'now').mockReturnValue(signedAt)
  const request = await signedRequest(service.url, setStatus, { credentials, region }).finally(() => now.mockRestore())
  for (const [name, value] of Object.entries(alter)) {
    if (value === undefined) delete request.headers[name]
    else request.headers[name] = value
  }
  const { text } = await sendRaw(service.url, request)
  const { __type, message } = JSON.parse(text.split('\r\n\r\n')[1] ?? '')
  return `${__type}: ${message}`
}

/** With a valid signature, the task is looked up, and does not exist. */
const ACCEPTED = 'TaskNotFoundException: The specified task was not found.'
const MISMATCH = /^InvalidSignatureException: The request signature we calculated does not match/
const INVALID_TOKEN = 'UnrecognizedClientException: The security token included in the request is invalid.'

test.each<[string, Parameters<typeof responseTo>[0], string | RegExp]>([
  ['long-lived credentials', {}, ACCEPTED],
  ['temporary credentials', { credentials: TEMPORARY }, ACCEPTED],
  ['a wrong secret', { credentials: { ...TEST_CREDENTIALS, secretAccessKey: 'wrong' } }, MISMATCH],
  ['a header changed after signing', { alter: { 'x-amz-target': 'DataPipeline.PollForTask' } }, MISMATCH],
  ['an unknown key', { credentials: { ...TEST_CREDENTIALS, accessKeyId: 'AKIAUNKNOWN' } }, INVALID_TOKEN],
  ['a wrong session token', { credentials: { ...TEMPORARY, sessionToken: 'wrong' } }, INVALID_TOKEN],
  [
    'a missing session token',
    { credentials: { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'secret' } },
    INVALID_TOKEN,
  ],
  ['a session token too many', { credentials: { ...TEST_CREDENTIALS, sessionToken: 'extra' } }, INVALID_TOKEN],
  [
    'expired credentials',
    { credentials: { ...TEMPORARY, accessKeyId: 'OLD' } },
    'ExpiredTokenException: The security token included in the request is expired',
  ],
  [
    'no signature',
    { alter: { authorization: undefined } },
    'MissingAuthenticationTokenException: Missing Authentication Token',
  ],
  ['another kind of authorization', { alter: { authorization: 'Bearer x' } }, /^IncompleteSignatureException: /],
  [
    'another region',
    { region: 'eu-west-1' },
    'InvalidSignatureException: Credential should be scoped to a valid region.',
  ],
  ['a clock five minutes slow', { signedAt: NOON - 300_000 }, ACCEPTED],
  ['a clock five minutes fast', { signedAt: NOON + 300_000 }, ACCEPTED],
  [
    'a clock more than five minutes slow',
    { signedAt: NOON - 301_000 },
    /^InvalidSignatureException: Signature expired: 20260301T115459Z is now earlier than 20260301T115500Z \(20260301T120000Z - 5 min\.\)$/,
  ],
  [
    'a clock more than five minutes fast',
    { signedAt: NOON + 301_000 },
    /^InvalidSignatureException: Signature not yet current: 20260301T120501Z is still later than 20260301T120500Z \(20260301T120000Z \+ 5 min\.\)$/,
  ],
])('a request with %s', async (_, settings, response) => {
  await expect(responseTo(settings)).resolves.toMatch(response)
})

test('a client with a wrong clock corrects it by the Date header', async () => {
  await using service = await LocalDataPipeline.start({ clock: () => NOON })
  const { taskId } = service.addTask()
  const client = new DataPipelineClient({ endpoint: service.url, region: 'us-east-1', credentials: TEST_CREDENTIALS })
  await client.send(new SetTaskStatusCommand({ taskId, taskStatus: 'FINISHED' }))
  expect(service.requests.map(({ response }) => response)).toEqual([
    { status: 400, error: 'InvalidSignatureException' },
    { status: 200 },
  ])
})

// The published example "get-vanilla" of AWS's Signature Version 4 test suite.
test('the test suite of AWS: the signature known for a request is accepted, and no other', () => {
  const headers = {
    host: 'example.amazonaws.com',
    'x-amz-date': '20150830T123600Z',
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, ' +
      'Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  }
  const request: SignedRequest = {
    method: 'GET',
    url: '/',
    headers,
    headersDistinct: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
  }
  const secretAccessKey = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
  const rules = {
    credentials: new CredentialStore([{ accessKeyId: 'AKIDEXAMPLE', secretAccessKey }]),
    service: 'service',
    now: Date.parse('2015-08-30T12:36:00Z'),
  }
  expect(verifySignature(request, '', rules)).toEqual({ accessKeyId: 'AKIDEXAMPLE', region: 'us-east-1' })
  expect(() => verifySignature(request, 'x', rules)).toThrow('does not match')
})

test('a signature for another service is refused', async () => {
  const request = await signedRequest('http://127.0.0.1:1', setStatus)
  const headersDistinct = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, [value]]))
  const rules = { credentials: new CredentialStore(), service: 'sqs', now: Date.now() }
  expect(() =>
    verifySignature({ method: 'POST', url: '/', headers: request.headers, headersDistinct }, '', rules),
  ).toThrow("Credential should be scoped to correct service: 'sqs'.")
})

test.each(['host', 'x-amz-date'])('%s must be among the signed headers', async (name) => {
  await using service = await LocalDataPipeline.start()
  const request = await signedRequest(service.url, setStatus)
  request.headers['authorization'] = request.headers['authorization']?.replace(`${name};`, '') ?? ''
  const { text } = await sendRaw(service.url, request)
  expect(text).toContain(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`)
})

test('credentials can expire while they are in use', async () => {
  await using service = await LocalDataPipeline.start()
  service.credentials.expire(TEST_CREDENTIALS.accessKeyId)
  const { text } = await sendRaw(service.url, await signedRequest(service.url, setStatus))
  expect(text).toContain('"__type":"ExpiredTokenException"')
  expect(service.requests[0]).not.toHaveProperty('signedBy')
})
