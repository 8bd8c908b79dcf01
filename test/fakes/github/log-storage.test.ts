import { getOctokit } from '@actions/github'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { LocalGitHub } from './local-github.ts'
import { manyLines, writeJobLog } from './log-text.ts'

let github: LocalGitHub
beforeEach(async () => {
  github = await LocalGitHub.start()
})
afterEach(async () => {
  await github.stop()
  expect(github.violations).toEqual([])
})

const where = { owner: 'octo', repo: 'pipes' }
const octokit = () => getOctokit(github.token, { baseUrl: github.apiUrl })

/** The link of the API's redirect, not followed. */
async function linkTo(jobId: number): Promise<string> {
  const { status, headers } = await octokit().rest.actions.downloadJobLogsForWorkflowRun({
    ...where,
    job_id: jobId,
    request: { redirect: 'manual' },
  })
  expect(Number(status)).toBe(302)
  return headers.location ?? ''
}

async function read(link: string, range?: string) {
  const response = await fetch(link, { headers: range ? { range } : {} })
  const { headers } = response
  return { status: response.status, range: headers.get('content-range'), text: await response.text() }
}

test('redirects to another origin, where no token is sent', async () => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', log: 'one\ntwo\n' })

  const { data } = await octokit().rest.actions.downloadJobLogsForWorkflowRun({ ...where, job_id: job.id })

  expect(data).toBe('one\ntwo\n')
  expect(github.requests).toMatchObject([{ route: 'logs', authorization: 'valid', status: 302 }])
  expect(github.downloads).toMatchObject([
    { jobId: job.id, authorization: undefined, status: 200, bytesSent: 8, complete: true },
  ])
  expect(github.storageOrigin).not.toBe(new URL(github.apiUrl).origin)
})

test('refuses a token, as Azure Blob Storage does', async () => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', log: 'text' })
  const response = await fetch(await linkTo(job.id), { headers: { authorization: `Bearer ${github.token}` } })

  expect([response.status, response.headers.get('x-ms-error-code')]).toEqual([401, 'InvalidAuthenticationInfo'])
})

test('refuses a link that was changed or has expired', async () => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', log: 'text' })
  const link = await linkTo(job.id)
  expect((await read(link.replace(String(job.id), '1'))).status).toBe(403)
  expect((await read(link.replace(/sig=[^&]+/, 'sig=x'))).status).toBe(403)

  const impatient = await LocalGitHub.start({ logLinkLifetimeMs: -1 })
  const old = impatient.addJob({ name: 'build', conclusion: 'failure', log: 'text' })
  const headers = { authorization: `Bearer ${impatient.token}` }
  expect((await fetch(`${impatient.apiUrl}/repos/octo/pipes/actions/jobs/${old.id}/logs`, { headers })).status).toBe(
    403,
  )
  await impatient.stop()
})

test.each([
  { what: 'of a running job', input: { log: 'text' }, status: 404 },
  { what: 'of a job without one', input: { conclusion: 'skipped' as const }, status: 404 },
  { what: 'past its retention', input: { conclusion: 'failure' as const, log: 'text', logExpired: true }, status: 410 },
])('does not send the log $what', async ({ input, status }) => {
  const job = github.addJob({ name: 'build', ...input })
  await expect(
    octokit().rest.actions.downloadJobLogsForWorkflowRun({ ...where, job_id: job.id }),
  ).rejects.toMatchObject({ status })
})

const digits = '0123456789'

test.each([
  { range: 'bytes=2-4', status: 206, content: 'bytes 2-4/10', text: '234' },
  { range: 'bytes=7-', status: 206, content: 'bytes 7-9/10', text: '789' },
  { range: 'bytes=8-99', status: 206, content: 'bytes 8-9/10', text: '89' },
  { range: 'bytes=-3', status: 206, content: 'bytes 7-9/10', text: '789' },
  { range: 'bytes=-99', status: 206, content: 'bytes 0-9/10', text: digits },
  { range: 'bytes=10-', status: 416, content: 'bytes */10', text: undefined },
  { range: 'bytes=1-2,4-5', status: 200, content: null, text: digits },
  { range: 'bytes=5-2', status: 200, content: null, text: digits },
  { range: 'lines=1-2', status: 200, content: null, text: digits },
])('serves the range $range', async ({ range, status, content, text }) => {
  // In two pieces, so that ranges lie across them.
  const job = github.addJob({ name: 'build', conclusion: 'failure', log: () => ['01234', Buffer.from('56789')] })
  const reply = await read(await linkTo(job.id), range)

  expect([reply.status, reply.range]).toEqual([status, content])
  if (text !== undefined) expect(reply.text).toBe(text)
  expect(github.downloads).toMatchObject([{ range, status }])
})

test('can ignore suffix ranges only, or every range', async () => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', log: digits })
  const link = await linkTo(job.id)

  github.ranges = 'no-suffix'
  expect(await read(link, 'bytes=-3')).toEqual({ status: 200, range: null, text: digits })
  expect(await read(link, 'bytes=7-9')).toMatchObject({ status: 206, text: '789' })
  github.ranges = 'none'
  expect(await read(link, 'bytes=7-9')).toEqual({ status: 200, range: null, text: digits })
  expect((await fetch(link)).headers.get('content-length')).toBeNull()
})

test('shows the size by HEAD', async () => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', log: 'größer\n' })
  const { headers, status } = await fetch(await linkTo(job.id), { method: 'HEAD' })

  expect([status, headers.get('content-length'), headers.get('accept-ranges')]).toEqual([200, '9', 'bytes'])
})

const megabyte = 1024 * 1024
const large = () =>
  writeJobLog({
    steps: [{ name: 'Run make', run: 'make', output: () => manyLines(5 * megabyte), conclusion: 'failure' }],
  })

test('serves the end of 5 MB, sending no more than that', async () => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', ...large().job })
  const reply = await read(await linkTo(job.id), `bytes=-${256 * 1024}`)

  expect(Number(reply.range?.split('/')[1])).toBeGreaterThan(5 * megabyte)
  expect(reply.text).toContain('##[error]Process completed with exit code 1.')
  expect(github.logBytesSent).toBe(256 * 1024)
})

test('serves 5 MB whole', async () => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', ...large().job })
  github.ranges = 'none'
  const { body } = await fetch(await linkTo(job.id))
  let size = 0
  for await (const chunk of body ?? []) size += chunk.length

  expect(size).toBeGreaterThan(5 * megabyte)
  expect(github.downloads).toMatchObject([{ bytesSent: size, complete: true }])
})

test('generates no more of a log than is read', async () => {
  const piece = Buffer.alloc(megabyte, 'x')
  let made = 0
  const job = github.addJob({
    name: 'build',
    conclusion: 'failure',
    *log() {
      for (made = 0; made < 50; made++) yield piece
    },
  })
  const enough = new AbortController()
  const { body } = await fetch(await linkTo(job.id), { signal: enough.signal })
  await body?.getReader().read()
  enough.abort()
  await new Promise((resolve) => setTimeout(resolve, 50))

  // The buffers of the sockets hold some megabytes, which count as sent.
  expect(made).toBeLessThan(30)
  expect(github.downloads).toMatchObject([{ complete: false }])
  expect(github.logBytesSent).toBeLessThanOrEqual((made + 1) * megabyte)
})

test.each([
  { fault: 'forbidden' as const, status: 403 },
  { fault: 'not-found' as const, status: 404 },
  { fault: 'server-error' as const, status: 503 },
])('can be $fault', async ({ fault, status }) => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', log: 'text' })
  const link = await linkTo(job.id)
  github.injectFault(fault, { route: 'log-storage', times: 1 })

  expect((await read(link)).status).toBe(status)
  expect((await read(link)).status).toBe(200)
})

test.each([
  { fault: 'reset' as const, error: 'fetch failed' },
  { fault: 'cut-off' as const, error: 'terminated' },
])('can fail by $fault', async ({ fault, error }) => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', log: digits })
  const link = await linkTo(job.id)
  github.injectFault(fault, { route: 'log-storage' })

  await expect(fetch(link).then((response) => response.text())).rejects.toThrow(error)
  expect(github.downloads).toMatchObject([{ complete: false }])
})

test.each([
  { fault: 'hang' as const, bytesSent: 0 },
  { fault: 'hang-midway' as const, bytesSent: 5 },
])('can $fault', async ({ fault, bytesSent }) => {
  const job = github.addJob({ name: 'build', conclusion: 'failure', log: digits })
  const link = await linkTo(job.id)
  github.injectFault(fault, { route: 'log-storage' })
  const patience = new AbortController()
  const reply = fetch(link, { signal: patience.signal }).then((response) => response.text())
  const settled = reply.catch((error: Error) => error.message)
  while (github.downloads[0]?.bytesSent !== bytesSent) await new Promise(setImmediate)
  // Later events get their turns.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 10))
  patience.abort(new Error('gave up'))

  expect(await settled).toBe('gave up')
  expect(github.downloads).toMatchObject([{ complete: false, bytesSent }])
})

test('has the faults of a storage only', () => {
  expect(() => github.injectFault('null-jobs', { route: 'log-storage' })).toThrow('The log storage has the faults')
})
