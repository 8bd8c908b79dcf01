// The last place where the SDK looks for credentials is the metadata service of an EC2 instance. GitHub's own runners
// are at Azure, whose metadata service has the same address and knows nothing of AWS.
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { type Reporting, reportTo } from './reporting.ts'

async function reportWithMetadata(listener: RequestListener, inputs: Record<string, string> = {}): Promise<Reporting> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await using service = await LocalDataPipeline.start({
      credentials: [
        { accessKeyId: 'ASIAINSTANCE', secretAccessKey: 'instance-secret/+', sessionToken: 'instance-token' },
      ],
    })
    return await reportTo(
      service,
      { status: 'FAILED', 'timeout-seconds': '20', ...inputs },
      {
        env: {
          AWS_ACCESS_KEY_ID: undefined,
          AWS_SECRET_ACCESS_KEY: undefined,
          AWS_EC2_METADATA_DISABLED: undefined,
          AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        },
      },
    )
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

describe('no credentials, and a metadata service that', () => {
  test.each([
    ['answers 404, as another cloud', (_request, response) => response.writeHead(404).end('{"error":"Not found"}')],
    [
      'answers 400, as Azure',
      (_request, response) =>
        response.writeHead(400).end('{"error":"Bad request. Required metadata header not specified"}'),
    ],
    ['answers 403', (_request, response) => response.writeHead(403).end()],
    ['says nothing', () => {}],
    ['resets the connection', (request) => request.socket.resetAndDestroy()],
    ['answers with a page', (_request, response) => response.writeHead(200).end('<html></html>')],
  ] as ReadonlyArray<readonly [string, RequestListener]>)(
    '%s: the hint for no credentials, and no long wait',
    async (_name, listener) => {
      const { step, bodies } = await reportWithMetadata(listener)
      expect(bodies).toEqual([])
      expect(step.errors).toHaveLength(1)
      expect(step.errors[0]).toContain('configure-aws-credentials')
      expect(step.exitCode).toBe(1)
      expect(step.tookMs).toBeLessThan(18_000)
    },
  )
})

test('the credentials of an instance are used, and kept out of the texts', async () => {
  const { step, bodies } = await reportWithMetadata(
    (request, response) => {
      if (request.method === 'PUT') return void response.end('token')
      if (request.url?.endsWith('/security-credentials/')) return void response.end('role')
      response.end(
        JSON.stringify({
          Code: 'Success',
          Type: 'AWS-HMAC',
          AccessKeyId: 'ASIAINSTANCE',
          SecretAccessKey: 'instance-secret/+',
          Token: 'instance-token',
          Expiration: new Date(Date.now() + 3_600_000).toISOString(),
          LastUpdated: new Date().toISOString(),
        }),
      )
    },
    { 'error-message': 'key instance-secret/+ token instance-token' },
  )
  expect(step.errors).toEqual([])
  expect(bodies).toMatchObject([{ errorMessage: 'key *** token ***' }])
})
