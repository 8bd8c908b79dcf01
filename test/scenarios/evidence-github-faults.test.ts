import { describe, expect, test } from '@jest/globals'
import { TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { type Fault, LocalGitHub, type Route } from '../fakes/github/local-github.ts'
import { writeJobLog } from '../fakes/github/log-text.ts'
import { passTime } from '../support/called-step.ts'
import { STALL_MS, slowClock } from '../support/timing.ts'
import {
  expectPlainReport,
  type GitHubReport,
  type GitHubReportOptions,
  needsOf,
  reportFrom,
  routesAsked,
} from './asking-github.ts'

/** All calls to GitHub together may take a quarter of the budget, or 10 s of a long one. */
const BUDGET = { 'timeout-seconds': '16' }
const SHARE_MS = 4_000
const MAX_WAIT_MS = 10_000

/** A run of which a job named build failed, seen by its job report, which failed as well. */
async function failedRun(options: Parameters<typeof LocalGitHub.start>[0] = {}) {
  const github = await LocalGitHub.start({ ranges: 'no-suffix', ...options })
  const log = writeJobLog({
    steps: [
      {
        name: 'Run make',
        run: 'make',
        output: ['no rule'],
        errors: ['Make says no.'],
        conclusion: 'failure',
        seconds: 3,
      },
    ],
  })
  const build = github.addJob({ name: 'build', conclusion: 'failure', ...log.job })
  const own = github.addJob({
    name: 'report',
    runnerName: 'runner-1',
    steps: [{ name: 'Run report', conclusion: 'failure' }],
  })
  return { github, build, own }
}

/** The ways to be asked about: this job by id, this job by its runner, and needed jobs. */
const VIEWS = {
  'this job by its id': { inputs: {}, byId: true, jobStatus: 'failure', says: 'Job "work" failed.' },
  'this job by its runner': { inputs: {}, byId: false, jobStatus: 'failure', says: 'Job "work" failed.' },
  'a needed job': {
    inputs: { needs: needsOf({ build: 'failure' }) },
    byId: true,
    jobStatus: 'success',
    says: 'Job "build" failed.',
  },
} as const
type View = keyof typeof VIEWS

async function reportOf(
  { github, own }: Awaited<ReturnType<typeof failedRun>>,
  view: View,
  inputs: Record<string, string> = {},
  options: GitHubReportOptions = {},
): Promise<GitHubReport> {
  const { byId, jobStatus } = VIEWS[view]
  return await reportFrom(
    github,
    { ...VIEWS[view].inputs, ...BUDGET, ...inputs },
    { jobStatus, ...(byId && { checkRunId: own.id }), env: { GITHUB_JOB: 'work' }, ...options },
  )
}

/** Without a response, time passes up to the timeouts. */
function timeOf(fault: Fault): { timePasses: boolean } {
  return { timePasses: typeof fault === 'string' ? fault.startsWith('hang') : 'delayMs' in fault }
}

/** The report went out in time, GitHub's trouble is one notice, and nothing else is said of it. */
function expectReportAllTheSame({ step, bodies, sent }: GitHubReport): void {
  expect(bodies).toHaveLength(1)
  expect(sent).toMatchObject({ taskStatus: 'FAILED', errorId: expect.stringMatching(/^GitHubActions:/) })
  expect(step.exitCode).toBe(0)
  expect(step.stderr).toBe('')
  expect(step.commands.map(({ name }) => name)).toEqual(['notice'])
  expect(step.notices[0]).toContain('actions: read')
  expect(step.notices[0]).toContain('checks: read')
  // A person reads it: no page of HTML, no list of causes.
  expect(step.notices[0]).not.toMatch(/[<>]|\n/)
  expect(step.notices[0]?.length).toBeLessThan(600)
  expect(step.outputs).toMatchObject({ status: 'FAILED', reported: 'true' })
  expect(step.tookMs).toBeLessThanOrEqual(SHARE_MS + 1)
}

describe('whatever GitHub does, the report goes out with what is known here', () => {
  const faults: readonly (readonly [string, Fault])[] = [
    ...(
      [
        'bad-credentials',
        'forbidden',
        'rate-limited',
        'too-many-requests',
        'not-found',
        'gone',
        'server-error',
        'bad-gateway',
        'unavailable',
        'html',
        'truncated-json',
        'wrong-shape',
        'null-jobs',
        'array',
        'null',
        'text',
        'cut-off',
        'hang-midway',
        'hang',
        'reset',
      ] as const
    ).map((fault) => [fault, fault] as const),
    ['no content', { status: 204 }],
    ['a redirect to nowhere', { status: 302, headers: { location: 'http://127.0.0.1:9/' } }],
    ['a redirect without an address', { status: 302 }],
    ['an error that is no object', { status: 500, body: 'oops' }],
    ['a hostile error', { status: 500, body: { message: '\n::error::gotcha\n##[error]old %0A' } }],
    ['a late answer', { delayMs: 20_000 }],
  ]
  const SHAPES = ['null-jobs', 'wrong-shape', 'array', 'null', 'no content', 'server-error', 'hang']
  for (const view of Object.keys(VIEWS) as View[]) {
    for (const [name, fault] of faults) {
      // What is wrong with every call is the same for each way of asking; so not each with each.
      if (view !== 'a needed job' && !SHAPES.includes(name)) continue
      test(`${view}: ${name}`, async () => {
        const run = await failedRun()
        await using github = run.github
        github.injectFault(fault)
        const result = await reportOf(run, view, {}, timeOf(fault))
        expectReportAllTheSame(result)
        expect(result.sent.errorMessage).toBe(
          `${VIEWS[view].says}\nGitHub Actions: workflow "Nightly", octo/pipes, run 17, attempt 1\n${github.runUrl}/attempts/1`,
        )
        expect(result.sent.errorStackTrace).toBe('')
      })
    }
  }

  test('there is no GitHub at its address', async () => {
    const run = await failedRun()
    await run.github.stop()
    const result = await reportOf(run, 'a needed job')
    expectReportAllTheSame(result)
    expect(result.sent.errorMessage.endsWith(`${run.github.runUrl}/attempts/1`)).toBe(true)
  })

  test('GITHUB_API_URL is no address', async () => {
    const run = await failedRun()
    await using _ = run.github
    expectReportAllTheSame(await reportOf(run, 'a needed job', {}, { env: { GITHUB_API_URL: 'nowhere' } }))
  })

  test('GitHub that hangs takes 10 seconds of a long budget, no more', async () => {
    const run = await failedRun()
    await using github = run.github
    github.injectFault('hang')
    const result = await reportOf(run, 'a needed job', { 'timeout-seconds': '120' }, { timePasses: true })
    expect(result.sent).toMatchObject({ taskStatus: 'FAILED' })
    expect(result.step.notices).toHaveLength(1)
    // A quarter would be 30 s.
    expect(result.step.tookMs).toBeGreaterThanOrEqual(MAX_WAIT_MS)
    expect(result.step.tookMs).toBeLessThanOrEqual(MAX_WAIT_MS + 1)
  })

  test.concurrent.each(['SIGINT', 'SIGTERM'] as const)(
    'the runner wants to end (%s) while GitHub hangs',
    async (signal) => {
      const run = await failedRun()
      await using github = run.github
      github.injectFault('hang')
      // The clock leaves a machine that stands still enough of the 2 s after SIGTERM, and makes the 10 s more.
      const result = await reportOf(
        run,
        'a needed job',
        { 'timeout-seconds': '120' },
        { as: 'process', onStart: (child) => github.onRequest(() => void child.kill(signal)), env: slowClock(4) },
      )
      expect(result.bodies).toHaveLength(1)
      expect(result.sent).toMatchObject({ taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' })
      expect(result.waited).toBeLessThan(4 * 1_750 + STALL_MS)
    },
  )

  test('calls that are slow one by one are not given 10 seconds each', async () => {
    const run = await failedRun()
    await using github = run.github
    github.onRequest(() => {
      if (github.requests.length <= 2) passTime(5_500)
    })
    const result = await reportOf(run, 'a needed job', { 'timeout-seconds': '40' })
    expect(result.step.notices).toHaveLength(1)
    expect(result.sent).toMatchObject({ taskStatus: 'FAILED' })
    expect(result.step.tookMs).toBeLessThanOrEqual(11_000)
    // What the first call told is not lost.
    expect(result.sent.errorMessage).toContain(run.build.htmlUrl)
  })
})

describe('permissions and tokens', () => {
  test.each(Object.keys(VIEWS) as View[])('an empty token: nothing is asked: %s', async (view) => {
    const run = await failedRun()
    await using github = run.github
    const result = await reportOf(run, view, { 'github-token': '' })
    expectReportAllTheSame(result)
    expect(result.sent.errorMessage).toContain(VIEWS[view].says)
    expect(github.requests).toEqual([])
  })

  test('a token without any permission', async () => {
    const run = await failedRun({ permissions: [] })
    await using _ = run.github
    const result = await reportOf(run, 'a needed job')
    expectReportAllTheSame(result)
    expect(result.step.notices[0]).toContain('Resource not accessible by integration')
  })

  test('actions: read alone gives all but the annotations', async () => {
    const run = await failedRun({ permissions: ['actions: read'] })
    await using _ = run.github
    const result = await reportOf(run, 'a needed job')
    expectReportAllTheSame(result)
    expect(result.sent.errorMessage).toContain('"Run make": Make says no.')
    expect(result.sent.errorMessage.endsWith(run.build.htmlUrl)).toBe(true)
    expect(result.sent.errorStackTrace).toContain('no rule\nerror: Make says no.')
  })

  test('checks: read alone is not enough to find the job', async () => {
    const run = await failedRun({ permissions: ['checks: read'] })
    await using github = run.github
    const result = await reportOf(run, 'a needed job')
    expectReportAllTheSame(result)
    expect(result.sent.errorMessage.endsWith(`${github.runUrl}/attempts/1`)).toBe(true)
  })

  test('for this job, actions: read is enough, and nothing else is asked for', async () => {
    const run = await failedRun({ permissions: ['actions: read'] })
    await using github = run.github
    const { step, sent } = await reportOf(run, 'this job by its id')
    expect(step.notices).toEqual([])
    expect(sent.errorMessage).toContain('"Run report"')
    expect(routesAsked(github)).toEqual(['job'])
  })

  test('a wrong token', async () => {
    const run = await failedRun()
    await using _ = run.github
    const result = await reportOf(run, 'a needed job', {}, { token: 'ghs_expired0000000000000000000000000000' })
    expectReportAllTheSame(result)
    expect(result.step.stdout).not.toContain('ghs_expired')
  })

  test('a token is never sent to Data Pipeline or to the log storage, nor shown', async () => {
    const run = await failedRun()
    await using github = run.github
    const { token } = github
    const key = TEST_CREDENTIALS.secretAccessKey
    const leak = `token ${token} and key ${key}`
    run.build.name = `build (${token})`
    run.build.annotations = [{ message: `said with ${leak}` }]
    for (const step of run.build.steps) if (step.conclusion === 'failure') step.name = `Run ${leak}`
    run.build.log = writeJobLog({
      steps: [{ name: 'Run make', run: 'make', output: [leak], errors: [leak], conclusion: 'failure', seconds: 3 }],
    }).text()
    const { step, bodies } = await reportOf(run, 'a needed job')
    expect(bodies).toHaveLength(1)
    expect(bodies[0]?.errorStackTrace).toContain('token *** and key ***')
    for (const text of [JSON.stringify(bodies), JSON.stringify(step.outputs), step.summary, step.stdout]) {
      expect(text).not.toContain(token)
      expect(text).not.toContain(key)
    }
    expect(github.downloads.length).toBeGreaterThan(0)
    expect(github.downloads.map(({ authorization }) => authorization).filter((each) => each !== undefined)).toEqual([])
  })

  test('no part of a token is left where a text is cut', async () => {
    const run = await failedRun()
    await using _ = run.github
    const key = TEST_CREDENTIALS.secretAccessKey
    // The ends of what is kept fall somewhere into these.
    const endless = key.repeat(300)
    run.build.annotations = [{ message: endless }]
    for (const step of run.build.steps) if (step.conclusion === 'failure') step.name = endless
    run.build.log = writeJobLog({
      steps: [{ name: 'Run make', run: 'make', output: [endless], conclusion: 'failure', seconds: 3 }],
    }).text()
    const { step, bodies } = await reportOf(run, 'a needed job')
    expect(bodies).toHaveLength(1)
    const visible = [JSON.stringify(bodies), JSON.stringify(step.outputs), step.summary].join()
    for (let from = 0; from + 12 <= key.length; from++) expect(visible).not.toContain(key.slice(from, from + 12))
  })
})

describe('what one call does not tell, the others still do', () => {
  /** The report of a needed job while one route is at fault. */
  async function reportWith(route: Route, fault: Fault): Promise<GitHubReport & { link: string }> {
    const run = await failedRun()
    await using github = run.github
    github.injectFault(fault, { route })
    const result = await reportOf(run, 'a needed job', {}, timeOf(fault))
    expectReportAllTheSame(result)
    return { ...result, link: run.build.htmlUrl }
  }

  test.each<[Fault]>([
    ['forbidden'],
    ['not-found'],
    ['server-error'],
    ['hang'],
    ['hang-midway'],
    ['wrong-shape'],
    ['reset'],
  ])('no annotations (%s): the log is there', async (fault) => {
    const { sent, link } = await reportWith('annotations', fault)
    expect(sent.errorMessage).toContain('"Run make": Make says no.')
    expect(sent.errorMessage.endsWith(link)).toBe(true)
    expect(sent.errorStackTrace).toContain('no rule\nerror: Make says no.')
  })

  test.each<[Route, Fault]>([
    ['logs', 'forbidden'],
    ['logs', 'not-found'],
    ['logs', 'gone'],
    ['logs', 'server-error'],
    ['logs', 'hang'],
    ['logs', 'reset'],
    ['logs', { status: 302 }],
    ['logs', { status: 302, headers: { location: 'gopher://nowhere/' } }],
    ['logs', { status: 302, headers: { location: 'http://127.0.0.1:9/log' } }],
    ['log-storage', 'not-found'],
    ['log-storage', 'forbidden'],
    ['log-storage', 'server-error'],
    ['log-storage', 'hang'],
    ['log-storage', 'hang-midway'],
    ['log-storage', 'cut-off'],
    ['log-storage', 'reset'],
  ])('no log (%s, %j): steps and annotations are there', async (route, fault) => {
    const { sent, link } = await reportWith(route, fault)
    expect(sent.errorMessage).toContain('"Run make": Make says no.')
    expect(sent.errorMessage.endsWith(link)).toBe(true)
    expect(sent.errorStackTrace).toContain('Make says no.')
    expect(sent.errorStackTrace).not.toContain('Process completed')
  })

  test('the log was deleted after its retention', async () => {
    const run = await failedRun()
    await using _ = run.github
    run.build.logExpired = true
    const { sent } = await reportOf(run, 'a needed job')
    expect(sent.errorStackTrace).toContain('Make says no.')
  })

  test('an earlier attempt can not be looked at: the jobs of this one are told', async () => {
    const run = await failedRun({ attempt: 2 })
    await using github = run.github
    github.onRequest(({ path }) => {
      if (path.endsWith('/attempts/1/jobs')) github.injectFault('server-error', { times: 1 })
    })
    const needs = needsOf({ build: 'failure', elsewhere: 'skipped' })
    const { bodies, sent } = await reportOf(run, 'a needed job', { needs })
    expect(bodies).toHaveLength(1)
    expect(sent.errorMessage).toContain(run.build.htmlUrl)
    expect(sent.errorStackTrace).toContain('Make says no.')
  })

  test('a second page can not be had: the job on the first is told', async () => {
    const run = await failedRun()
    await using github = run.github
    for (let other = 0; other < 120; other++) github.addJob({ name: `other (${other})`, conclusion: 'success' })
    github.onRequest(({ query }) => {
      if (query['page'] === '2') github.injectFault('bad-gateway', { times: 1 })
    })
    const result = await reportOf(run, 'a needed job')
    expectReportAllTheSame(result)
    expect(result.sent.errorMessage).toContain(run.build.htmlUrl)
  })

  test.each<[Route, Fault, View]>([
    ['job', 'bad-gateway', 'this job by its id'],
    ['jobs', 'unavailable', 'this job by its runner'],
    ['jobs', 'reset', 'a needed job'],
    ['annotations', 'server-error', 'a needed job'],
    ['logs', 'cut-off', 'a needed job'],
    ['log-storage', 'server-error', 'a needed job'],
    ['log-storage', 'reset', 'a needed job'],
  ])('%s fails twice (%s), and is asked again: %s', async (route, fault, view) => {
    const run = await failedRun()
    await using github = run.github
    github.injectFault(fault, { route, times: 2 })
    const result = await reportOf(run, view)
    expectPlainReport(result)
    expect(result.sent.errorMessage).toContain(view === 'a needed job' ? '"Run make": Make says no.' : '"Run report"')
  })

  test.each<[Fault]>([
    ['forbidden'],
    ['rate-limited'],
    ['too-many-requests'],
    ['not-found'],
    ['bad-credentials'],
    ['wrong-shape'],
  ])('what GitHub refuses is asked for once: %s', async (fault) => {
    const run = await failedRun()
    await using github = run.github
    github.injectFault(fault)
    await reportOf(run, 'a needed job')
    expect(routesAsked(github)).toEqual(['jobs'])
  })

  test('GitHub is silent when it is asked again: what it said before is told, and there is time for the log', async () => {
    const run = await failedRun()
    await using github = run.github
    github.addJob({ name: 'lint', status: 'in_progress' })
    github.onRequest(({ nth }) => {
      if (nth === 2) github.injectFault('hang', { route: 'jobs' })
    })
    const needs = needsOf({ build: 'failure', lint: 'failure' })
    const result = await reportOf(run, 'a needed job', { needs }, { timePasses: true })
    expectReportAllTheSame(result)
    expect(result.sent.errorMessage).toContain('Job "build" failed in step "Run make": Make says no.')
    expect(result.sent.errorMessage).toContain(run.build.htmlUrl)
    expect(result.sent.errorStackTrace).toContain('Make says no.')
  })

  test('GitHub fails when it is asked again: the job and its link are told', async () => {
    const run = await failedRun()
    await using github = run.github
    run.own.steps = []
    github.onRequest(({ nth }) => {
      if (nth === 2) github.injectFault('server-error')
    })
    const result = await reportOf(run, 'this job by its id')
    expectReportAllTheSame(result)
    expect(result.sent.errorMessage.endsWith(run.own.htmlUrl)).toBe(true)
  })
})
