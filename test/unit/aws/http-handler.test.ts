import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import type { HttpRequest } from '@smithy/types'
import { AttemptTimeoutError, InvalidResponseError } from '../../../src/aws/errors.ts'
import { AwsHttpHandler } from '../../../src/aws/http-handler.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'

const JSON_TYPE = { 'content-type': 'application/x-amz-json-1.1' }
const FROM_AWS = { ...JSON_TYPE, 'x-amzn-requestid': 'r-1' }
const DATA_PIPELINE = { 'x-amz-target': 'DataPipeline.SetTaskStatus' }
const STS = { 'content-type': 'application/x-www-form-urlencoded' }

/** Sends a request of these headers to a server of its own. */
async function send(
  listener: RequestListener,
  headers: Record<string, string> = DATA_PIPELINE,
  { requestLimitMs = 5_000, signal, body }: { requestLimitMs?: number; signal?: AbortSignal; body?: string } = {},
) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const hidden: string[] = []
  const sent: number[] = []
  const handler = new AwsHttpHandler({
    env: {},
    requestLimitMs,
    ca: undefined,
    hide: (secrets) => void hidden.push(...secrets),
  })
  const request = {
    protocol: 'http:',
    hostname: '127.0.0.1',
    port,
    method: 'POST',
    path: '/',
    query: {},
    headers,
    body,
  } as unknown as HttpRequest
  try {
    const { response } = await handler.handle(request, {
      ...(signal && { abortSignal: signal }),
      onSend: () => void sent.push(1),
    })
    return { status: response.statusCode, body: Buffer.from(response.body).toString(), hidden, sent, handler, port }
  } finally {
    handler.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

const responding =
  (status: number, headers: Record<string, string>, body = ''): RequestListener =>
  (request, response) => {
    request.resume()
    response.writeHead(status, headers).end(body)
  }

describe('responses of AWS Data Pipeline', () => {
  test.each<[string, number, Record<string, string>, string]>([
    ['a JSON object', 200, FROM_AWS, '{}'],
    ['nothing', 200, FROM_AWS, ''],
    ['an error', 400, FROM_AWS, '{"__type":"InvalidRequestException"}'],
    ['an error of a proxy that drops headers', 400, {}, '{"__type":"InvalidRequestException"}'],
    ['an error without a body', 500, { ...FROM_AWS, 'x-amzn-errortype': 'InternalServiceError' }, ''],
  ])('%s', async (_name, status, headers, body) => {
    expect(await send(responding(status, headers, body))).toMatchObject({ status, body })
  })

  test.each<[string, number, Record<string, string>, string]>([
    ['a page', 200, { 'content-type': 'text/html' }, '<html>Sign in</html>'],
    ['a page with an error', 502, { 'content-type': 'text/html' }, '<html>Bad gateway</html>'],
    ['JSON that is cut short', 200, FROM_AWS, '{"a":'],
    ['JSON that is no object', 200, FROM_AWS, '[]'],
    ['an object of somebody else', 200, { 'content-type': 'application/json' }, '{}'],
    ['nothing of somebody else', 200, {}, ''],
    ['an empty error', 500, FROM_AWS, ''],
  ])('%s is rejected', async (_name, status, headers, body) => {
    const error = await send(responding(status, headers, body)).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(InvalidResponseError)
    expect(error).toMatchObject({ statusCode: status, message: expect.stringContaining(`status ${status}`) })
  })

  test('one without an end is rejected', async () => {
    const endless: RequestListener = (_request, response) => {
      response.writeHead(200, FROM_AWS)
      const write = (): void => {
        while (response.write('x'.repeat(1024 * 1024)));
        response.once('drain', write)
      }
      write()
    }
    await expect(send(endless)).rejects.toThrow(/larger than 16777216 bytes/)
  })
})

describe('responses of STS', () => {
  test.each([
    ['a response', 200, '<AssumeRoleResponse xmlns="x"><a/></AssumeRoleResponse>'],
    ['an error', 400, '<?xml version="1.0"?>\n<ErrorResponse><Error/></ErrorResponse>\n'],
  ])('%s', async (_name, status, body) => {
    expect(await send(responding(status, { 'content-type': 'text/xml' }, body), STS)).toMatchObject({ status, body })
  })

  test.each(['<AssumeRoleResponse><a/>', '{}', '', '<html></html>'])('%j is rejected', async (body) => {
    await expect(send(responding(200, {}, body), STS)).rejects.toThrow(InvalidResponseError)
  })
})

test('others are not judged, as those of a container service', async () => {
  expect(await send(responding(200, {}, 'anything'), {})).toMatchObject({ body: 'anything' })
})

describe('time', () => {
  const hanging: RequestListener = () => undefined

  test('without a signal, the own timeout ends a request', async () => {
    const error = await send(hanging, {}, { requestLimitMs: 200 }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AttemptTimeoutError)
    expect(error).toMatchObject({ message: 'no response from 127.0.0.1 within 0.2 s' })
  })

  test('with a signal, only the signal does', async () => {
    const reason = new Error('enough')
    const error = await send(hanging, DATA_PIPELINE, {
      requestLimitMs: 50,
      signal: AbortSignal.any([abortAfter(400, reason)]),
    }).catch((thrown: unknown) => thrown)
    expect(error).not.toBeInstanceOf(AttemptTimeoutError)
  })

  function abortAfter(ms: number, reason: Error): AbortSignal {
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), ms)
    return controller.signal
  }
})

test('it reports once that the request goes out', async () => {
  expect((await send(responding(200, FROM_AWS, '{}'))).sent).toEqual([1])
})

test('the origin is that of the last call of Data Pipeline', async () => {
  const { handler, port } = await send(responding(200, FROM_AWS, '{}'))
  expect(handler.lastOrigin).toBe(`http://127.0.0.1:${port}`)
  expect((await send(responding(200, {}, 'x'), {})).handler.lastOrigin).toBeUndefined()
})

test('tokens in a request are masked', async () => {
  const headers = { ...STS, 'x-amz-security-token': 'session', 'x-amz-sso_bearer_token': 'bearer' }
  const body = 'Action=AssumeRoleWithWebIdentity&WebIdentityToken=web%2Bidentity'
  const { hidden } = await send(responding(200, {}, '<AResponse></AResponse>'), headers, { body })
  expect(hidden).toEqual(['session', 'bearer', 'web+identity'])
})

test.each([
  ['x-amz-security-token', /AWS_SESSION_TOKEN/],
  ['authorization', /AWS_ACCESS_KEY_ID/],
])('a character in the header %s that can not be sent: an error before anything is sent', async (name, hint) => {
  const error = await send(responding(200, FROM_AWS, '{}'), { [name]: 'a\nb' }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigurationError)
  expect(error).toMatchObject({ message: expect.stringContaining(name), hint: expect.stringMatching(hint) })
})

test.each(['http://example.com', 'ftp://127.0.0.1'])('%s is no endpoint', async (address) => {
  const { protocol, hostname } = new URL(address)
  const handler = new AwsHttpHandler({ env: {}, requestLimitMs: 100, ca: undefined, hide: () => undefined })
  const request = { protocol, hostname, headers: {}, method: 'POST', path: '/', query: {} } as unknown as HttpRequest
  await expect(handler.handle(request)).rejects.toThrow(ConfigurationError)
})
