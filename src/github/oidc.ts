import { text } from 'node:stream/consumers'
import { requestThroughProxy } from '../proxy-agents.ts'

/**
 * An OIDC token of this job for an audience, from the address that the runner gives
 * (https://docs.github.com/actions/reference/security/oidc). Not by @actions/core, which writes the token to standard
 * output, for the runner to mask it: the heartbeat's output is a file, and nothing here ever says the token.
 *
 * @param limitMs milliseconds until it is given up
 * @throws Error when there is no token in the answer, or no answer in time
 */
export async function requestIdToken(
  audience: string,
  env: Readonly<Record<string, string | undefined>>,
  limitMs: number,
): Promise<string> {
  const url = new URL(env['ACTIONS_ID_TOKEN_REQUEST_URL'] ?? '')
  url.searchParams.set('audience', audience)
  const headers = {
    accept: 'application/json',
    authorization: `Bearer ${env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}`,
  }
  const signal = AbortSignal.timeout(limitMs)
  try {
    const response = await requestThroughProxy(url, { env, headers, signal })
    if (response.statusCode !== 200) {
      response.resume()
      throw new Error(`its answer has status ${response.statusCode ?? 0}`)
    }
    const body = await text(response)
    const token = (JSON.parse(body) as { value?: unknown } | null)?.value
    if (typeof token !== 'string' || token === '') throw new Error('its answer has no token')
    return token
  } catch (error) {
    if (signal.aborted) throw new Error(`no answer within ${limitMs / 1000} s`)
    // Not the answer that could not be read, which may have a token in it.
    if (error instanceof SyntaxError) throw new Error('its answer is not JSON')
    throw error
  }
}
