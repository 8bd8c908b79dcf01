import { connect } from 'node:net'
import { DataPipelineClient, type DataPipelineClientConfig } from '@aws-sdk/client-data-pipeline'
import type { HttpRequest } from '@smithy/types'
import { TEST_CREDENTIALS } from './credentials.ts'

/**
 * The request that a call of the SDK's client makes for this address, signed. Nothing is sent.
 * @param change is made before signing
 */
export async function signedRequest(
  url: string,
  call: (client: DataPipelineClient) => Promise<unknown>,
  { change, ...config }: DataPipelineClientConfig & { change?: (request: HttpRequest) => void } = {},
): Promise<HttpRequest> {
  let captured: HttpRequest | undefined
  const client = new DataPipelineClient({
    endpoint: url,
    region: 'us-east-1',
    credentials: TEST_CREDENTIALS,
    maxAttempts: 1,
    ...config,
    requestHandler: {
      handle: async (request: HttpRequest) => {
        captured = request
        throw new Error('captured')
      },
    },
  })
  client.middlewareStack.add(
    (next) => async (args) => {
      change?.(args.request as HttpRequest)
      return next(args)
    },
    { step: 'build', priority: 'low' },
  )
  await call(client).catch(() => {})
  if (!captured) throw new Error('the SDK made no request')
  return captured
}

/** The response to the bytes that were sent: everything that was read, and how the connection ended. */
export interface RawResponse {
  text: string
  end: 'closed' | 'reset' | 'still open'
}

/** Milliseconds between two checks, in which the server and the socket can work, also on a slow machine. */
const LOOK_EVERY_MS = 10

/**
 * Sends a request over a socket of its own and reads until the connection ends.
 * @param isEnough called repeatedly with what has arrived: whether to stop waiting
 */
export async function sendRaw(
  url: string,
  request: HttpRequest,
  isEnough: (text: string) => boolean = () => false,
): Promise<RawResponse> {
  const { hostname, port } = new URL(url)
  const headers = Object.entries({ ...request.headers, connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  )
  const socket = connect(Number(port), hostname)
  socket.write([`${request.method} ${request.path} HTTP/1.1`, ...headers, '', ''].join('\r\n'))
  socket.write(request.body ?? '')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('utf8')
  })
  const end = await new Promise<RawResponse['end']>((resolve) => {
    const looks = setInterval(() => isEnough(text) && resolve('still open'), LOOK_EVERY_MS)
    socket.on('end', () => resolve('closed'))
    socket.on('error', () => resolve('reset'))
    socket.on('close', () => clearInterval(looks))
  })
  socket.destroy()
  return { text, end }
}
