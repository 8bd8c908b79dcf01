import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { askForToken, endOfTokenLife, type TokenVerdict, tokenWatch } from '../../../src/github/job-token.ts'

const HOUR = 3_600_000

describe('the job is over', () => {
  const good: TokenVerdict[] = ['accepted']
  const refused: TokenVerdict[] = ['refused', 'refused', 'refused']

  test.each<[string, TokenVerdict[], boolean]>([
    ['after three refusals in a row of a token that was good', [...good, ...refused], true],
    ['not after two', [...good, 'refused', 'refused'], false],
    ['not when GitHub could not be asked in between', [...good, 'refused', 'refused', 'unknown', 'refused'], false],
    ['not when it was good in between', [...good, 'refused', 'refused', 'accepted', 'refused'], false],
    ['not when it was never good', [...refused, ...refused], false],
    ['not in an outage', [...good, 'unknown', 'unknown', 'unknown', 'unknown'], false],
  ])('%s', (_name, verdicts, expected) => {
    const isOver = tokenWatch(HOUR, () => 0)
    expect(verdicts.map(isOver).at(-1)).toBe(expected)
  })

  test.each([
    ['github-hosted', 6],
    ['self-hosted', 24],
    [undefined, 6],
  ])('not when the token (%s) is as old as a token may get', (environment, hours) => {
    const end = endOfTokenLife(0, environment)
    expect(end).toBeLessThan(hours * HOUR)
    expect(end).toBeGreaterThanOrEqual((hours - 1) * HOUR)
    let now = end
    const isOver = tokenWatch(end, () => now)
    isOver('accepted')
    expect(refused.map(isOver)).toEqual([false, false, false])
    now = end - 1
    expect(refused.map(isOver).at(-1)).toBe(true)
  })
})

describe('what GitHub says of a token', () => {
  const JSON_TYPE = 'application/json; charset=utf-8'
  const github = (status: number, type = JSON_TYPE): RequestListener => {
    return (_request, response) =>
      void response.writeHead(status, { 'content-type': type, 'x-github-request-id': 'A1' }).end('{}')
  }

  async function ask(listener: RequestListener, token = 'ghs_token'): Promise<TokenVerdict> {
    const server = createServer(listener)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v3/`
      return await askForToken({ token, apiUrl, env: {}, signal: AbortSignal.timeout(20_000) })
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }

  test.each<[string, RequestListener, TokenVerdict]>([
    ['200', github(200), 'accepted'],
    ['404, as Enterprise Servers without limits do', github(404), 'accepted'],
    ['403', github(403), 'accepted'],
    ['500', github(500), 'accepted'],
    ['401', github(401), 'refused'],
    ['401 of another type', github(401, 'text/html'), 'unknown'],
    [
      '401 of a proxy',
      (_request, response) => void response.writeHead(401, { 'content-type': JSON_TYPE }).end('{}'),
      'unknown',
    ],
    ['200 of a sign-in page', (_request, response) => void response.writeHead(200).end('<html>'), 'unknown'],
    ['no answer at all', (request) => void request.socket.destroy(), 'unknown'],
  ])('%s', async (_name, listener, expected) => {
    expect(await ask(listener)).toBe(expected)
  })

  test('it is asked for with the token, at the address that needs no permission', async () => {
    const seen: unknown[] = []
    await ask((request, response) => {
      seen.push(request.method, request.url, request.headers.authorization)
      github(200)(request, response as never)
    })
    expect(seen).toEqual(['GET', '/api/v3/rate_limit', 'Bearer ghs_token'])
  })

  test('no token goes over plain http to another machine, or to what is no address', async () => {
    const signal = AbortSignal.timeout(20_000)
    for (const apiUrl of ['http://192.0.2.1', 'file:///x', 'nothing'])
      expect(await askForToken({ token: 'ghs_token', apiUrl, env: {}, signal })).toBe('unknown')
  })
})
