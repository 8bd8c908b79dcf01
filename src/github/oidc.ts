import { requestThroughProxy } from '../http/request.ts'
import { errorMessage } from '../masking/error-message.ts'
import { ConfigurationError } from '../util/errors.ts'
import { formatSeconds } from '../util/format.ts'
import { contentOf } from './fetch.ts'
import { OidcTokenError } from './oidc-error.ts'

/** Far above any token. */
const MAX_RESPONSE_BYTES = 64 * 1024

/**
 * Requests an OIDC token of this job for an audience, from the address that the runner gives
 * (https://docs.github.com/actions/reference/security/oidc). Not by @actions/core, which writes the token to standard output for
 * the runner to mask it: the output of the heartbeat process is a file.
 *
 * @param limitMs milliseconds until it is given up
 * @throws OidcTokenError when the response has no token, or there is no response in time
 * @throws ConfigurationError for an address or a request token that can't be used
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
  const noToken = (why: string, options?: { statusCode?: number | undefined; cause?: unknown }): OidcTokenError =>
    new OidcTokenError(`GitHub gave no OIDC token: ${why}`, options)
  const signal = AbortSignal.timeout(limitMs)
  let body: Buffer
  try {
    const response = await requestThroughProxy(url, {
      env,
      headers,
      signal,
      tokenFrom: 'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
    })
    const { statusCode } = response
    if (statusCode !== 200) {
      response.destroy()
      throw noToken(`${url.host} responded with status ${statusCode}`, { statusCode })
    }
    body = await contentOf(response, MAX_RESPONSE_BYTES)
  } catch (cause) {
    if (cause instanceof OidcTokenError || cause instanceof ConfigurationError) throw cause
    // After an abort, every error is a consequence of it.
    if (signal.aborted)
      throw noToken(`no response from ${url.host} within ${formatSeconds(limitMs)}`, { cause: signal.reason })
    throw noToken(`${url.host}: ${errorMessage(cause)}`, { cause })
  }
  const token = tokenIn(body)
  if (token === undefined) throw noToken(`the response of ${url.host} has none`)
  return token
}

/** The token in a response. An invalid response is never shown, as it may have a token in it. */
function tokenIn(body: Buffer): string | undefined {
  try {
    const value = (JSON.parse(body.toString('utf8')) as { value?: unknown } | null)?.value
    return typeof value === 'string' && value !== '' ? value : undefined
  } catch {
    return undefined
  }
}
