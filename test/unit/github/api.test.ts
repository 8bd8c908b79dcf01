import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { connectGitHub } from '../../../src/github/api.ts'
import { GitHubApiError, LogDownloadError, mayPass } from '../../../src/github/api-error.ts'

/** What octokit makes of a call that got no answer: it has a status all the same. */
function unanswered(code: string): GitHubApiError {
  const cause = Object.assign(new Error(code), { code })
  return new GitHubApiError('GitHub could not be asked', 500, { isResponse: false, cause })
}

test.each<[string, unknown, boolean]>([
  ['a server that failed', new GitHubApiError('', 500), true],
  ['a gateway that failed', new GitHubApiError('', 502), true],
  ['a storage that failed', new LogDownloadError(503), true],
  ['a broken connection', unanswered('ECONNRESET'), true],
  ['a broken download', Object.assign(new Error('aborted'), { code: 'ECONNRESET' }), true],
  ['a busy name server', unanswered('EAI_AGAIN'), true],
  ['a missing permission', new GitHubApiError('', 403), false],
  ['a job that is not there', new GitHubApiError('', 404), false],
  ['a rate limit', new GitHubApiError('', 429), false],
  ['a log that is not there', new LogDownloadError(404), false],
  ['an unknown host', unanswered('ENOTFOUND'), false],
  ['a certificate', unanswered('SELF_SIGNED_CERT_IN_CHAIN'), false],
  ['a wrong address', unanswered('ERR_INVALID_URL'), false],
  ['an answer of another form', new GitHubApiError('', undefined), false],
  ['something else', 'ECONNRESET', false],
])('whether a call may succeed a moment later: %s', (_, error, expected) => {
  expect(mayPass(error)).toBe(expected)
})

test('the signal ends a call that is under way', async () => {
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    const controller = new AbortController()
    server.once('request', () => controller.abort(new Error('enough')))
    const api = await connectGitHub({
      token: 't',
      repository: 'o/r',
      runId: '1',
      apiUrl: `http://127.0.0.1:${port}`,
      env: {},
      signal: controller.signal,
      onProblem: () => undefined,
    })
    await expect(api.job(1)).rejects.toThrow(GitHubApiError)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})
