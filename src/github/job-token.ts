import { requestThroughProxy } from '../http/request.ts'

/** Whether GitHub accepts a token; `unknown` when there was no clear response. */
export type TokenVerdict = 'refused' | 'accepted' | 'unknown'

export interface TokenQuestion {
  readonly token: string
  /** GITHUB_API_URL */
  readonly apiUrl: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/**
 * Checks a token by GET /rate_limit, which needs no permission and isn't counted (https://docs.github.com/rest/rate-limit). Never
 * fails.
 *
 * A 401 counts only when it is from GitHub: proxies and sign-in pages send it, too.
 */
export async function askForToken({ token, apiUrl, env, signal }: TokenQuestion): Promise<TokenVerdict> {
  try {
    const url = new URL(`${apiUrl.replace(/\/+$/, '')}/rate_limit`)
    const headers = { accept: 'application/vnd.github+json', authorization: `Bearer ${token}` }
    const response = await requestThroughProxy(url, { env, headers, signal })
    response.resume()
    const isGitHubs = response.headers['x-github-request-id'] !== undefined
    const isJson = /^application\/([\w.+-]+\+)?json\b/.test(response.headers['content-type'] ?? '')
    if (!isGitHubs) return 'unknown'
    if (response.statusCode !== 401) return 'accepted'
    return isJson ? 'refused' : 'unknown'
  } catch {
    return 'unknown'
  }
}

const HOUR_MS = 3_600_000
/** The time between the start of a job, when its token is made, and the start that is known. */
const LIFE_MARGIN_MS = HOUR_MS / 2
const REFUSALS = 3

/**
 * Until when the token of a job is certainly valid while the job runs, in milliseconds since 1970: 6 hours on GitHub's machines,
 * 24 on others (https://docs.github.com/actions/concepts/security/github_token).
 *
 * @param startedAt the latest time at which the job may have started
 */
export function endOfTokenLife(startedAt: number, runnerEnvironment: string | undefined): number {
  return startedAt + (runnerEnvironment === 'self-hosted' ? 24 : 6) * HOUR_MS - LIFE_MARGIN_MS
}

/**
 * Gives a function that takes the verdict on the job's token, and gives whether the job is over: GitHub rejects a token from the
 * end of its job on. It takes three rejections in a row, of a token that was accepted before, within its life.
 *
 * @param now gives milliseconds since 1970
 */
export function tokenWatch(lifeEndsAt: number, now: () => number): (verdict: TokenVerdict) => boolean {
  let wasGood = false
  let refusals = 0
  return (verdict) => {
    wasGood ||= verdict === 'accepted'
    refusals = verdict === 'refused' && wasGood && now() < lifeEndsAt ? refusals + 1 : 0
    return refusals >= REFUSALS
  }
}
