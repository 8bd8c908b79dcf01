import { writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { caFile } from '../support/ca-file.ts'
import type { Style } from '../support/perform.ts'
import { LocalProxy, TlsFront } from '../support/proxy.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { reportTo } from './reporting.ts'

// Lower and upper case of a name are one variable on Windows.
const isWindows = process.platform === 'win32'

/** The name of Data Pipeline at AWS, which only a proxy leads to here. */
const AWS_HOST = 'datapipeline.us-east-1.amazonaws.com'
const TUNNEL = `CONNECT ${AWS_HOST}:443`

describe('HTTPS_PROXY', () => {
  /** A report through a proxy that leads to a Data Pipeline under its name at AWS, and what came by there. */
  async function throughTunnel(variables: (url: string) => Record<string, string>, style: Style = {}) {
    await using service = await LocalDataPipeline.start()
    await using front = await TlsFront.start(service.url, [AWS_HOST])
    await using proxy = await LocalProxy.start('forward', front.url)
    const trusted = style.as === 'process' ? 'NODE_EXTRA_CA_CERTS' : 'AWS_CA_BUNDLE'
    const env = { AWS_ENDPOINT_URL_DATA_PIPELINE: undefined, [trusted]: caFile(front.cert), ...variables(proxy.url) }
    const { step } = await reportTo(service, {}, { ...style, env })
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
    expect(proxy.requests).toEqual([TUNNEL])
    expect(service.requests[0]?.headers.host).toBe(AWS_HOST)
    return proxy
  }

  test.concurrent('leads to the service through a tunnel, with a certificate that Node trusts', async () => {
    await throughTunnel((url) => ({ HTTPS_PROXY: url }), { as: 'process' })
  })

  const lowerCase = isWindows ? 'HTTPS_PROXY' : 'https_proxy'
  test.each<[string, (url: string) => Record<string, string>]>([
    ['in upper case', (url) => ({ HTTPS_PROXY: url })],
    ['in lower case', (url) => ({ [lowerCase]: url })],
    ['without a scheme, which is taken for http', (url) => ({ HTTPS_PROXY: url.replace('http://', '') })],
    ['with NO_PROXY of another host', (url) => ({ HTTPS_PROXY: url, NO_PROXY: 'example.com,.internal' })],
  ])('%s leads to the service through a tunnel', async (_name, variables) => {
    await throughTunnel(variables)
  })

  test('is given the user and password of its URL', async () => {
    const proxy = await throughTunnel((url) => ({ HTTPS_PROXY: url.replace('://', '://user:pass%40word@') }))
    expect(proxy.authorizations).toEqual([`Basic ${Buffer.from('user:pass@word').toString('base64')}`])
  })

  const EXCEPTIONS = isWindows ? ['NO_PROXY'] : ['NO_PROXY', 'no_proxy']
  test.each(EXCEPTIONS.flatMap((name) => ['*', '.invalid'].map((value) => [name, value])))(
    '%s=%s goes around it',
    async (name, value) => {
      await using service = await LocalDataPipeline.start()
      await using proxy = await LocalProxy.start({ status: 502, page: '' })
      const env = { AWS_ENDPOINT_URL_DATA_PIPELINE: 'https://datapipeline.invalid', HTTPS_PROXY: proxy.url }
      const { step } = await reportTo(service, { 'timeout-seconds': '1' }, { env: { ...env, [name]: value } })
      expect(step.errors).toHaveLength(1)
      expect(proxy.requests).toEqual([])
    },
  )

  test('empty is none', async () => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(
      service,
      {},
      { env: { HTTP_PROXY: '', http_proxy: '', HTTPS_PROXY: '', https_proxy: '', NO_PROXY: '', no_proxy: '' } },
    )
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
  })

  // As curl and @actions/http-client take it.
  test('without a scheme, or unusable, does not stop a report that does not need it', async () => {
    await using service = await LocalDataPipeline.start()
    for (const value of ['proxy.internal:3128', '10.0.0.1:3128', 'http://']) {
      const { step } = await reportTo(service, {}, { env: { HTTPS_PROXY: value } })
      expect(step.errors).toEqual([])
      expect(step.exitCode).toBe(0)
    }
  })

  test('that refuses with a page: one error that names proxies, not its password, and HTTP_PROXY is not asked', async () => {
    await using service = await LocalDataPipeline.start()
    await using plain = await LocalProxy.start()
    await using tls = await LocalProxy.start({ status: 407, page: '<html>Sign in</html>' })
    const env = {
      HTTP_PROXY: plain.url,
      HTTPS_PROXY: tls.url.replace('://', '://me:hunter2secret@'),
      AWS_ENDPOINT_URL_DATA_PIPELINE: undefined,
    }
    const { step } = await reportTo(service, { 'timeout-seconds': '2' }, { env })
    expect(plain.requests).toEqual([])
    expect(tls.requests[0]).toBe(TUNNEL)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('407')
    expect(step.errors[0]).toContain('HTTPS_PROXY')
    expect(step.exitCode).toBe(1)
    expect(step.stdout + step.stderr + step.summary).not.toContain('hunter2secret')
  })

  test('does not answer: one error in time', async () => {
    const silent = createServer()
    const sockets: Duplex[] = []
    silent.on('connect', (_request, socket) => sockets.push(socket))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    try {
      await using service = await LocalDataPipeline.start()
      const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
      const env = { HTTPS_PROXY: url, AWS_ENDPOINT_URL_DATA_PIPELINE: undefined }
      const { step } = await reportTo(service, { 'timeout-seconds': '2' }, { env, timePasses: true })
      expect(step.errors).toHaveLength(1)
      expect(step.tookMs).toBeLessThanOrEqual(2_001)
    } finally {
      for (const socket of sockets) socket.destroy()
      silent.close()
    }
  })
})

describe('a proxy', () => {
  // It would be another machine, and the session token would go there in plain http.
  test.each([['HTTP_PROXY', 'HTTPS_PROXY'], ...(isWindows ? [] : [['http_proxy', 'https_proxy']])])(
    '%s and %s are not used for this machine',
    async (...names) => {
      await using service = await LocalDataPipeline.start()
      await using front = await TlsFront.start(service.url)
      await using proxy = await LocalProxy.start()
      const env = {
        ...Object.fromEntries(names.map((name) => [name, proxy.url])),
        NO_PROXY: 'example.com',
        AWS_CA_BUNDLE: caFile(front.cert),
      }
      for (const url of [service.url, service.url.replace('127.0.0.1', 'localhost'), front.url]) {
        const { step } = await reportTo(service, {}, { env: { ...env, AWS_ENDPOINT_URL_DATA_PIPELINE: url } })
        expect(step.errors).toEqual([])
        expect(step.exitCode).toBe(0)
      }
      expect(proxy.requests).toEqual([])
    },
  )
})

describe('plain http to another machine', () => {
  test('GITHUB_API_URL: no token goes there, the notice says so, and the report goes out', async () => {
    await using service = await LocalDataPipeline.start()
    await using proxy = await LocalProxy.start({ status: 502, page: '' })
    const env = {
      GITHUB_API_URL: 'http://user:hunter2secret@ghe.internal/api/v3',
      GITHUB_SERVER_URL: 'https://user:hunter2secret@ghe.internal',
      HTTP_PROXY: proxy.url,
    }
    const { step, bodies } = await reportTo(service, { status: 'FAILED', 'github-token': 'ghs_aTokenOfAJob' }, { env })
    expect(proxy.requests).toEqual([])
    expect(bodies).toMatchObject([{ errorMessage: expect.stringContaining('\nhttps://ghe.internal/octo-org/') }])
    expect(step.notices).toEqual([
      expect.stringMatching(/http:\/\/ghe.internal gets no token, because it is not https\. Grant/),
    ])
    expect(step.stdout + step.summary).not.toContain('hunter2secret')
    expect(step.exitCode).toBe(0)
  })

  test('ACTIONS_ID_TOKEN_REQUEST_URL: no token goes there, and one error says so at once', async () => {
    await using service = await LocalDataPipeline.start()
    await using proxy = await LocalProxy.start({ status: 502, page: '' })
    const env = {
      ACTIONS_ID_TOKEN_REQUEST_URL: 'http://user:hunter2secret@tokens.internal/token?v=2',
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token',
      HTTP_PROXY: proxy.url,
    }
    const { step } = await reportTo(service, { 'role-to-assume': 'arn:aws:iam::123456789012:role/ci' }, { env })
    expect(proxy.requests).toEqual([])
    expect(step.errors).toEqual([expect.stringMatching(/http:\/\/tokens.internal gets no token.*Use an https/)])
    expect(step.stdout).not.toContain('Trying again')
    expect(step.stdout + step.summary).not.toContain('hunter2secret')
  })
})

test('a certificate that is not trusted: one error at once, that says so', async () => {
  await using service = await LocalDataPipeline.start()
  await using front = await TlsFront.start(service.url)
  const { step, bodies } = await reportTo(service, {}, { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: front.url } })
  expect(bodies).toEqual([])
  expect(step.errors).toHaveLength(1)
  expect(step.errors[0]).toMatch(/certificate/)
  expect(step.errors[0]).toContain('NODE_EXTRA_CA_CERTS')
  expect(step.exitCode).toBe(1)
  expect(step.stdout).not.toContain('Trying again')
})

describe('the endpoint', () => {
  const NOWHERE = 'http://127.0.0.1:9'

  test.each([
    ['AWS_ENDPOINT_URL', (url: string) => ({ AWS_ENDPOINT_URL_DATA_PIPELINE: undefined, AWS_ENDPOINT_URL: url })],
    ['AWS_ENDPOINT_URL_DATA_PIPELINE before AWS_ENDPOINT_URL', () => ({ AWS_ENDPOINT_URL: NOWHERE })],
    ['an empty one is none', (url: string) => ({ AWS_ENDPOINT_URL_DATA_PIPELINE: '', AWS_ENDPOINT_URL: url })],
  ])('by a variable: %s', async (_name, variables) => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(service, {}, { env: variables(service.url) })
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
  })

  test.each([
    ['for all services', (url: string) => `[default]\nendpoint_url = ${url}\n`],
    [
      'for this one',
      (url: string) =>
        `[default]\nservices = local\nendpoint_url = ${NOWHERE}\n[services local]\ndata_pipeline =\n  endpoint_url = ${url}\n`,
    ],
  ])('endpoint_url in the profile, %s', async (_name, config) => {
    await inFolder(async (folder) => {
      await using service = await LocalDataPipeline.start()
      writeFileSync(join(folder, 'config'), config(service.url))
      const { step } = await reportTo(
        service,
        { 'timeout-seconds': '15' },
        { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: undefined, AWS_CONFIG_FILE: join(folder, 'config') } },
      )
      expect(step.errors).toEqual([])
      expect(step.exitCode).toBe(0)
    })
  })

  test.each(['localhost', '[::1]', '127.0.0.1'])('plain http to %s is loopback', async (host) => {
    await using service = await LocalDataPipeline.start()
    const front = createServer((incoming, outgoing) => {
      const options = { method: incoming.method, headers: incoming.headers }
      const onward = request(service.url, options, (response) => {
        outgoing.writeHead(response.statusCode ?? 500, response.headers)
        response.pipe(outgoing)
      })
      incoming.pipe(onward)
    })
    const listening = await new Promise<boolean>((resolve) => {
      front.once('error', () => resolve(false))
      front.listen(0, host === '[::1]' ? '::1' : host, () => resolve(true))
    })
    // Containers often have no IPv6.
    if (!listening) return
    try {
      const url = `http://${host}:${(front.address() as AddressInfo).port}`
      const { step } = await reportTo(service, {}, { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: url } })
      expect(step.errors).toEqual([])
      expect(step.exitCode).toBe(0)
    } finally {
      front.closeAllConnections()
      front.close()
    }
  })

  test.each([
    'http://datapipeline.us-east-1.amazonaws.com',
    'http://10.0.0.1:8080',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
    'http://0.0.0.0:80',
    'http://user@192.168.0.1',
    'http://[fe80::1]',
    'HTTP://EXAMPLE.COM',
  ])('plain http to %s is refused before anything is sent', async (url) => {
    await using service = await LocalDataPipeline.start()
    // Whatever is sent to other hosts would come by here.
    await using proxy = await LocalProxy.start({ status: 502, page: '' })
    const { step, bodies } = await reportTo(
      service,
      {},
      { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: url, HTTP_PROXY: proxy.url } },
    )
    expect(proxy.requests).toEqual([])
    expect(bodies).toEqual([])
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toMatch(/plain http|https/)
    expect(step.errors[0]).toContain('AWS_ENDPOINT_URL')
    expect(step.exitCode).toBe(1)
    expect(step.stdout).not.toContain('Trying again')
  })

  test.each([
    'not a url',
    'ftp://127.0.0.1',
    '127.0.0.1:8080',
    'ftp://me:hunter2secret@127.0.0.1',
    'me:hunter2secret@127.0.0.1:8080',
    'http://me:hunter2secret@192.168.0.1',
  ])('%j is no endpoint: one error at once', async (url) => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(
      service,
      { 'timeout-seconds': '4' },
      { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: url } },
    )
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('AWS_ENDPOINT_URL')
    expect(step.exitCode).toBe(1)
    expect(step.stdout).not.toContain('Trying again')
    expect(step.stdout + step.summary).not.toMatch(/hunter2secret|me:/)
  })
})
