import type { IncomingMessage } from 'node:http'
import { requestFollowing, requestThroughProxy } from '../http/proxy.ts'

/** Far above a hundred jobs with their steps; an answer without end must not fill the memory. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024

/** What octokit asks of fetch. */
interface FetchOptions {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly redirect?: string
  readonly signal: AbortSignal
}

/** What octokit reads of an answer: the part of fetch's Response that it uses. */
interface FetchResponse {
  readonly status: number
  readonly url: string
  readonly headers: ReadonlyMap<string, string>
  text(): Promise<string>
  arrayBuffer(): Promise<ArrayBuffer>
}

/**
 * A fetch for octokit that goes the way of all other requests: the same proxies, and nothing of undici, which would take
 * longer to load than the call takes.
 */
export function fetchThroughProxy(env: Readonly<Record<string, string | undefined>>) {
  return async function fetch(address: string, options: FetchOptions): Promise<FetchResponse> {
    const { method, headers: sent, body, signal, redirect } = options
    const request = {
      env,
      method,
      headers: sent,
      signal,
      tokenFrom: 'the input github-token',
      ...(body === undefined ? {} : { body }),
    }
    const asked = new URL(address)
    // A repository that was renamed answers with a redirect.
    const { url, response } =
      redirect === 'manual'
        ? { url: asked, response: await requestThroughProxy(asked, request) }
        : await requestFollowing(asked, request)
    const headers = new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
    // Read here, so that every answer is read, or its connection would stay open.
    const content = await contentOf(response)
    return {
      status: response.statusCode ?? 0,
      url: url.href,
      headers,
      text: async () => content.toString('utf8'),
      arrayBuffer: async () => Uint8Array.from(content).buffer,
    }
  }
}

/** The body of an answer. Ends the connection, and fails, when it is larger than allowed. */
export async function contentOf(response: IncomingMessage, maxBytes = MAX_RESPONSE_BYTES): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
