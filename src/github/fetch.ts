import type { IncomingMessage } from 'node:http'
import { requestFollowing, requestThroughProxy } from '../http/request.ts'

/** Far above a hundred jobs with their steps. An endless response must not fill the memory. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024

/** The options that octokit passes to fetch. */
interface FetchOptions {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly redirect?: string
  readonly signal: AbortSignal
}

/** The part of fetch's Response that octokit uses. */
interface FetchResponse {
  readonly status: number
  readonly url: string
  readonly headers: ReadonlyMap<string, string>
  text(): Promise<string>
  arrayBuffer(): Promise<ArrayBuffer>
}

/**
 * A fetch for octokit with the same proxies as all other requests, and without undici, which takes longer to load than the call.
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
    const requested = new URL(address)
    // A renamed repository is a redirect.
    const { url, response } =
      redirect === 'manual'
        ? { url: requested, response: await requestThroughProxy(requested, request) }
        : await requestFollowing(requested, request)
    const headers = new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
    // Every response is read here. Otherwise its connection would stay open.
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

/** The body of a response. @throws Error when it is larger than allowed, which closes the connection */
export async function contentOf(response: IncomingMessage, maxBytes = MAX_RESPONSE_BYTES): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) throw new Error(`the response is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
