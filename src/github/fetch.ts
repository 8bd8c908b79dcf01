import type { IncomingMessage } from 'node:http'
import { requestThroughProxy } from '../proxy-agents.ts'

const MOST_REDIRECTS = 3
/** Far above a hundred jobs with their steps; an answer without end must not fill the memory. */
const LARGEST_ANSWER_BYTES = 16 * 1024 * 1024

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
  return async function fetch(address: string, options: FetchOptions, redirects = 0): Promise<FetchResponse> {
    const url = new URL(address)
    const { method, body, signal, redirect } = options
    const response = await requestThroughProxy(url, {
      env,
      method,
      headers: options.headers,
      signal,
      ...(body === undefined ? {} : { body }),
    })
    const status = response.statusCode ?? 0
    const location = response.headers.location
    // A repository that was renamed answers so; 307 and 308 are for the same method, with the same body.
    const isMoved =
      location !== undefined &&
      (status === 307 || status === 308 || (status >= 301 && status < 400 && method === 'GET'))
    if (isMoved && redirect !== 'manual' && redirects < MOST_REDIRECTS) {
      response.resume()
      const next = new URL(location, url)
      const headers = next.origin === url.origin ? options.headers : withoutToken(options.headers)
      return fetch(next.href, { ...options, headers }, redirects + 1)
    }
    const headers = new Map(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
    // Read here, so that every answer is read, or its connection would stay open.
    const content = await contentOf(response)
    return {
      status,
      url: url.href,
      headers,
      text: async () => content.toString('utf8'),
      arrayBuffer: async () => Uint8Array.from(content).buffer,
    }
  }
}

function withoutToken(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'))
}

async function contentOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > LARGEST_ANSWER_BYTES) throw new Error(`the answer is larger than ${LARGEST_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
