import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isPrivate } from '../util/address.ts'
import { ConfigurationError } from '../util/errors.ts'
import { unsendableHeader } from './header.ts'
import { proxyAgents } from './proxy.ts'

type Environment = Readonly<Record<string, string | undefined>>

const USER_AGENT = 'aws-datapipeline-set-task-status'

/** A request that goes through the proxies of the environment. */
export interface ProxiedRequest {
  readonly env: Environment
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  /** Where the token in the headers comes from, for messages. */
  readonly tokenFrom?: string
  /** Default GET. */
  readonly method?: string
  readonly body?: string
}

/**
 * The response to a request, whatever its status. The caller has to read its body.
 *
 * @throws ConfigurationError for a token that would go over plain http to another machine, or can't be sent in a header
 */
export async function requestThroughProxy(
  url: URL,
  { env, headers, signal, tokenFrom = 'the token', method = 'GET', body }: ProxiedRequest,
): Promise<IncomingMessage> {
  if (hasToken(headers)) checkToken(url, headers, tokenFrom)
  const agents = proxyAgents(env)
  const [request, agent] = url.protocol === 'http:' ? [requestHttp, agents.http] : [requestHttps, agents.https]
  return new Promise((resolve, reject) => {
    request(url, { method, agent, headers: { 'user-agent': USER_AGENT, ...headers }, signal }, resolve)
      .on('error', reject)
      .end(body)
  })
}

const MAX_REDIRECTS = 3

/**
 * As `requestThroughProxy`, and follows up to three redirects, without the token to another origin.
 *
 * @returns the last response, and its address
 */
export async function requestFollowing(
  url: URL,
  request: ProxiedRequest,
  redirects = 0,
): Promise<{ url: URL; response: IncomingMessage }> {
  const response = await requestThroughProxy(url, request)
  const status = response.statusCode ?? 0
  const { location } = response.headers
  // 307 and 308 keep the method and the body. Others use GET.
  const isMoved =
    status === 307 || status === 308 || (status >= 300 && status < 400 && (request.method ?? 'GET') === 'GET')
  if (!isMoved || location === undefined || redirects >= MAX_REDIRECTS) return { url, response }
  response.resume()
  const next = new URL(location, url)
  const headers = next.origin === url.origin ? request.headers : withoutToken(request.headers)
  return requestFollowing(next, { ...request, headers }, redirects + 1)
}

function withoutToken(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isToken(name)))
}

function hasToken(headers: Readonly<Record<string, string>>): boolean {
  return Object.keys(headers).some(isToken)
}

function checkToken(url: URL, headers: Readonly<Record<string, string>>, tokenFrom: string): void {
  if (!isPrivate(url)) {
    const address = `${url.protocol}//${url.host}`
    throw new ConfigurationError(`${address} gets no token, because it is not https.`, {
      hint: 'Use an https:// address. Plain http is for this machine (127.0.0.1, localhost) only.',
    })
  }
  if (unsendableHeader(headers) !== undefined) {
    throw new ConfigurationError(`A character of ${tokenFrom} can't be sent in a header.`, {
      hint: 'It must be the token alone, without quotes or line ends.',
    })
  }
}

function isToken(header: string): boolean {
  return header.toLowerCase() === 'authorization'
}
