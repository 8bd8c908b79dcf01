import { createServer, get } from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { proxyAgents, proxyEnvironment } from '../../../src/http/proxy.ts'

/** Every name is this machine. */
const lookup: LookupFunction = (_name, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}

const server = createServer((request, response) => {
  // A proxy is given the whole address.
  response.end(request.url?.startsWith('http://') ? 'through a proxy' : 'directly')
})
let port = 0

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
})

/** How a request to a host goes, with these variables; PROXY and PORT stand for those of the server. */
async function way(host: string, env: Readonly<Record<string, string>>): Promise<string> {
  const filled = Object.entries(env).map(([name, value]) => [
    name,
    value.replaceAll('PROXY', `http://127.0.0.1:${port}`).replaceAll('PORT', String(port)),
  ])
  const agent = proxyAgents(Object.fromEntries(filled)).http
  return new Promise((resolve, reject) => {
    get({ host, port, path: '/', agent, lookup }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })
}

describe('goes around the proxy', () => {
  test.each([
    ['every host', '*', 'a.example.com'],
    ['every host, among others', 'localhost, *', 'a.example.com'],
    ['this host', 'example.com', 'example.com'],
    ['this host in another case', 'EXAMPLE.com', 'example.com'],
    ['a host above it, as for curl', 'example.com', 'a.example.com'],
    ['a host above it, with a dot', '.example.com', 'a.example.com'],
    ['a host above it, with a star', '*.example.com', 'a.example.com'],
    ['this host and port', 'example.com:PORT', 'example.com'],
    ['between commas and spaces', 'x.org , example.com ,y.org', 'example.com'],
    ['between spaces', 'x.org example.com y.org', 'example.com'],
    ['this machine, whatever is said', '', 'localhost'],
    ['its address', 'example.com', '127.0.0.1'],
  ])('%s: %j for %s', async (_name, noProxy, host) => {
    expect(await way(host, { HTTP_PROXY: 'PROXY', NO_PROXY: noProxy })).toBe('directly')
    expect(await way(host, { http_proxy: 'PROXY', no_proxy: noProxy })).toBe('directly')
  })
})

describe('goes through the proxy', () => {
  test.each([
    ['another host', 'example.org', 'example.com'],
    ['a host whose name ends alike', 'example.com', 'bad-example.com'],
    ['a host below it', 'a.example.com', 'example.com'],
    ['another port', 'example.com:1', 'example.com'],
    ['nothing', '', 'example.com'],
    ['nothing but separators', ' , ', 'example.com'],
    ['an address out of the range', '10.0.0.0-10.0.0.9', '10.0.0.10'],
    ['an address out of the range in CIDR notation', '10.1.0.0/16', '10.0.0.10'],
    ['a range of no addresses', '10.0.0.10/33', '10.0.0.10'],
    ['a host, as ranges are for addresses', '0.0.0.0/0', 'example.com'],
  ])('%s: %j for %s', async (_name, noProxy, host) => {
    expect(await way(host, { HTTP_PROXY: 'PROXY', NO_PROXY: noProxy })).toBe('through a proxy')
  })

  test('an IPv6 address may be in brackets', () => {
    expect(proxyEnvironment({ NO_PROXY: '[fd00::1]' }).env['no_proxy']?.split(',')).toContain('fd00::1')
  })

  // Node itself knows ranges by their ends only.
  test.each([
    ['10.0.0.0/8', '10.0.0.0-10.255.255.255'],
    ['192.168.17.5/24', '192.168.17.0-192.168.17.255'],
    ['172.16.0.0/12', '172.16.0.0-172.31.255.255'],
    ['10.1.2.3/32', '10.1.2.3-10.1.2.3'],
    ['0.0.0.0/0', '0.0.0.0-255.255.255.255'],
  ])('%s is the range %s', (given, range) => {
    expect(proxyEnvironment({ NO_PROXY: `a.example, ${given}` }).env['no_proxy']?.split(',')).toContain(range)
  })
})

describe('in both cases', () => {
  const NOWHERE = 'http://127.0.0.1:9'

  test('the lower case goes first', async () => {
    expect(await way('example.com', { HTTP_PROXY: NOWHERE, http_proxy: 'PROXY' })).toBe('through a proxy')
    expect(await way('example.com', { HTTP_PROXY: 'PROXY', NO_PROXY: 'x.org', no_proxy: 'example.com' })).toBe(
      'directly',
    )
  })

  test('one that is empty, or no address, leaves the other', async () => {
    expect(await way('example.com', { HTTP_PROXY: 'PROXY', http_proxy: '' })).toBe('through a proxy')
    expect(await way('example.com', { HTTP_PROXY: 'PROXY', http_proxy: 'http://' })).toBe('through a proxy')
  })
})

describe('a password in the address of a proxy', () => {
  test.each([
    ['http://user:100%pure@proxy.internal:3128', 'http://user:100%25pure@proxy.internal:3128'],
    ['http://user:p%40ss@proxy.internal:3128', 'http://user:p%40ss@proxy.internal:3128'],
    ['user:50%@proxy.internal:3128', 'http://user:50%25@proxy.internal:3128'],
  ])('%s can be decoded', (given, taken) => {
    const { env, problems } = proxyEnvironment({ HTTPS_PROXY: given })
    expect(env['HTTPS_PROXY']).toBe(taken)
    expect(problems).toEqual([])
    expect(() => proxyAgents({ HTTPS_PROXY: given })).not.toThrow()
  })

  test('that can not be decoded is no reason to report nothing', () => {
    const { env, problems } = proxyEnvironment({ HTTPS_PROXY: 'http://user:%ff%fe@proxy.internal:3128' })
    expect(env['HTTPS_PROXY']).toBeUndefined()
    expect(problems).toHaveLength(1)
    expect(problems[0]).not.toContain('%ff')
  })
})

describe('on a Node', () => {
  const env = { HTTPS_PROXY: 'http://proxy.internal:3128' }

  test.each(['24.0.2', '24.4.1', '22.18.0'])('%s, which knows no proxies, that is said', (version) => {
    const { problems } = proxyEnvironment(env, version)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain('HTTPS_PROXY')
    expect(problems[0]).toContain(version)
  })

  test.each(['24.5.0', '24.19.0', '25.0.0'])('%s, nothing is said', (version) => {
    expect(proxyEnvironment(env, version).problems).toEqual([])
  })

  test('that knows none, nothing is said where none is wanted', () => {
    expect(proxyEnvironment({ NO_PROXY: '*', HTTPS_PROXY: '' }, '24.4.1').problems).toEqual([])
  })
})
