import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { connectGitHub } from '../../../src/github/api.ts'
import { fetchThroughProxy } from '../../../src/github/fetch.ts'

/** A server on 127.0.0.1, and the requests it got: method, path, body and token of each. */
async function serve(reply: (request: IncomingMessage, response: ServerResponse) => void) {
  const requests: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    requests.push([request.method, request.url, body, request.headers.authorization ?? 'no token'].join(' '))
    reply(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const movedTo = (status: number, location: string) => (request: IncomingMessage, response: ServerResponse) => {
  if (request.url === '/new') response.end('there')
  else response.writeHead(status, { location }).end()
}

const fetch = fetchThroughProxy({})
const options = { headers: { authorization: 'token t' }, signal: new AbortController().signal }

test.each([301, 302, 307, 308])('GET: a redirect with %d is followed, with the token', async (status) => {
  await using server = await serve(movedTo(status, '/new'))
  const reply = await fetch(`${server.url}/old`, { ...options, method: 'GET' })
  expect(await reply.text()).toBe('there')
  expect(server.requests).toEqual(['GET /old  token t', 'GET /new  token t'])
})

test('to another origin the token does not go', async () => {
  await using other = await serve((_request, response) => response.end('there'))
  await using server = await serve(movedTo(302, `${other.url}/new`))
  await fetch(`${server.url}/old`, { ...options, method: 'GET' })
  expect(other.requests).toEqual(['GET /new  no token'])
})

test('redirects without end are an answer in the end', async () => {
  await using server = await serve(movedTo(302, '/old'))
  expect((await fetch(`${server.url}/old`, { ...options, method: 'GET' })).status).toBe(302)
  expect(server.requests.length).toBeLessThan(10)
})

test.each([307, 308])('POST: %d is followed with the same body', async (status) => {
  await using server = await serve(movedTo(status, '/new'))
  await fetch(`${server.url}/old`, { ...options, method: 'POST', body: '{}' })
  expect(server.requests).toEqual(['POST /old {} token t', 'POST /new {} token t'])
})

test('cancelling a run: a redirect that is not followed is no success', async () => {
  await using server = await serve(movedTo(302, '/new'))
  const api = await connectGitHub({
    token: 't',
    repository: 'octo/pipes',
    runId: '1',
    apiUrl: server.url,
    env: {},
    signal: options.signal,
    onProblem: () => undefined,
  })
  await expect(api.cancelRun()).rejects.toThrow('status 302')
})
