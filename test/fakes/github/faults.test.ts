import { getOctokit } from '@actions/github'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type FaultName, faults } from './faults.ts'
import { LocalGitHub } from './local-github.ts'

let github: LocalGitHub
beforeEach(async () => {
  github = await LocalGitHub.start({ description: false })
})
afterEach(() => github.stop())

interface ExpectedResponse {
  status?: number
  type?: string | null
  body?: string
  headers?: Record<string, string>
  /** The error of `fetch` or of reading the body. */
  error?: RegExp
}

const apiJson = 'application/json; charset=utf-8'

const expected: Record<Exclude<FaultName, 'hang' | 'hang-midway'>, ExpectedResponse> = {
  'bad-credentials': { status: 401, type: apiJson, body: '"Bad credentials"' },
  forbidden: { status: 403, type: apiJson, body: '"Resource not accessible by integration"' },
  'rate-limited': { status: 403, body: 'API rate limit exceeded', headers: { 'x-ratelimit-remaining': '0' } },
  'too-many-requests': { status: 429, body: 'secondary rate limit', headers: { 'retry-after': '60' } },
  'not-found': { status: 404, type: apiJson, body: '"Not Found"' },
  conflict: { status: 409, type: apiJson, body: 'Cannot cancel' },
  gone: { status: 410, type: apiJson },
  'server-error': { status: 500, type: apiJson, body: '"Server Error"' },
  'bad-gateway': { status: 502, type: 'text/html; charset=utf-8', body: '<!DOCTYPE html>' },
  unavailable: { status: 503, type: 'text/html; charset=utf-8', body: 'Unicorn!' },
  html: { status: 200, type: 'text/html; charset=utf-8', body: 'Please sign in' },
  'truncated-json': { status: 200, type: apiJson, body: '{"id":' },
  'wrong-shape': { status: 200, type: apiJson, body: '"name":5' },
  'null-jobs': { status: 200, type: apiJson, body: '"jobs":null' },
  array: { status: 200, type: apiJson, body: '[]' },
  null: { status: 200, type: apiJson, body: 'null' },
  text: { status: 200, type: apiJson, body: '"OK"' },
  'cut-off': { error: /terminated/ },
  reset: { error: /fetch failed/ },
}

test.each(Object.entries(expected))('%s', async (name, expectedResponse) => {
  const job = github.addJob({ name: 'build', steps: [{ name: 'Set up job', conclusion: 'success' }] })
  github.injectFault(name as FaultName)

  const reply = fetch(`${github.apiUrl}/repos/octo/pipes/actions/jobs/${job.id}`, {
    headers: { authorization: `Bearer ${github.token}` },
  }).then(async (response) => ({ response, body: await response.text() }))

  if (expectedResponse.error) {
    await expect(reply).rejects.toThrow(expectedResponse.error)
    return
  }
  const { response, body } = await reply
  expect(response.status).toBe(expectedResponse.status)
  if (expectedResponse.type) expect(response.headers.get('content-type')).toBe(expectedResponse.type)
  expect(body).toContain(expectedResponse.body ?? '')
  expect(Object.fromEntries(response.headers)).toMatchObject(expectedResponse.headers ?? {})
})

test('every fault is in the table, or hangs', () => {
  expect(Object.keys(faults).toSorted()).toEqual([...Object.keys(expected), 'hang', 'hang-midway'].toSorted())
})

test.each<FaultName>(['hang', 'hang-midway'])('%s never ends', async (fault) => {
  const job = github.addJob({ name: 'build' })
  github.injectFault(fault)
  const reply = fetch(`${github.apiUrl}/repos/octo/pipes/actions/jobs/${job.id}`, {
    headers: { authorization: `Bearer ${github.token}` },
    signal: AbortSignal.timeout(100),
  }).then((response) => response.text())

  await expect(reply).rejects.toThrow('The operation was aborted due to timeout')
})

const look = (path = '/actions/jobs/1') =>
  fetch(`${github.apiUrl}/repos/octo/pipes${path}`, { headers: { authorization: `Bearer ${github.token}` } })

test('lasts for a number of requests, in their order', async () => {
  github.addJob({ name: 'build', id: 1 })
  github.injectFault('bad-gateway', { times: 2 })
  github.injectFault('too-many-requests', { times: 1 })
  const statuses: number[] = []
  for (let n = 0; n < 4; n++) statuses.push((await look()).status)

  expect(statuses).toEqual([502, 502, 429, 200])
})

test('can be of one route, and ended', async () => {
  github.addJob({ name: 'build', id: 1 })
  github.injectFault('server-error', { route: 'annotations' })

  expect((await look()).status).toBe(200)
  expect((await look('/check-runs/1/annotations')).status).toBe(500)
  github.clearFaults()
  expect((await look('/check-runs/1/annotations')).status).toBe(200)
})

test('can be a custom response, or a late one', async () => {
  github.addJob({ name: 'build', id: 1 })
  github.injectFault({ status: 418, headers: { 'x-teapot': 'yes' }, body: 'short and stout' }, { times: 1 })
  github.injectFault({ delayMs: 50 }, { times: 1 })

  const teapot = await look()
  expect([teapot.status, teapot.headers.get('x-teapot'), await teapot.text()]).toEqual([418, 'yes', 'short and stout'])
  const before = performance.now()
  expect((await look()).status).toBe(200)
  expect(performance.now() - before).toBeGreaterThan(40)
})

test('reaches octokit’s caller without retries', async () => {
  const octokit = getOctokit(github.token, { baseUrl: github.apiUrl })
  github.addJob({ name: 'build', id: 1 })
  github.injectFault('bad-gateway', { times: 1 })

  await expect(octokit.rest.actions.getJobForWorkflowRun({ owner: 'octo', repo: 'pipes', job_id: 1 })).rejects.toThrow()
  expect(github.requests).toHaveLength(1)
})
