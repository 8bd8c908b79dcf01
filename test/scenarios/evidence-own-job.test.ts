import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { invalidRequest } from '../fakes/aws/faults.ts'
import type { Job, StepInput } from '../fakes/github/jobs.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { expectPlainReport, needsOf, reportFrom, routesAsked, withFootprint } from './asking-github.ts'

/** The steps of this job as GitHub shows them while its last one, the report, runs. */
const STEPS: StepInput[] = [
  { name: 'Set up job', conclusion: 'success' },
  { name: 'Run npm test', conclusion: 'failure' },
  { name: 'Report', status: 'in_progress' },
]

describe('what is sent for the failure of this job', () => {
  test.concurrent('step, job, workflow, repository, run and attempt, and the link to the job at the end', async () => {
    await using github = await LocalGitHub.start({ attempt: 3 })
    const job = github.addJob({ name: 'build (linux, 24)', steps: STEPS })
    const result = await reportFrom(github, {}, { as: 'process', jobStatus: 'failure', checkRunId: job.id })

    expectPlainReport(result)
    expect(result.bodies[0]).toEqual({
      taskId: expect.any(String),
      taskStatus: 'FAILED',
      errorId: 'GitHubActions:JobFailed',
      errorMessage: expect.any(String),
    })
    const { errorMessage } = result.sent
    for (const text of ['"Run npm test"', '"build (linux, 24)"', '"Nightly"', 'octo/pipes', 'run 17', 'attempt 3']) {
      expect(errorMessage).toContain(text)
    }
    expect(errorMessage.endsWith(`\nhttps://github.com/octo/pipes/actions/runs/${github.runId}/job/${job.id}`)).toBe(
      true,
    )
    expect(errorMessage).not.toContain('Set up job')
    expect(result.step.outputs).toMatchObject({ 'error-id': 'GitHubActions:JobFailed', 'error-message': errorMessage })
    expect(routesAsked(github)).toEqual(['job'])
    expect(github.requests.every(({ authorization }) => authorization === 'valid')).toBe(true)
  })

  test('all of several failed steps are named', async () => {
    await using github = await LocalGitHub.start()
    const steps: StepInput[] = [...STEPS.slice(0, 2), { name: 'Upload report', conclusion: 'failure' }]
    const job = github.addJob({ name: 'build', steps })
    const { sent } = await reportFrom(github, {}, { jobStatus: 'failure', checkRunId: job.id })
    expect(sent.errorMessage).toContain('"Run npm test", "Upload report"')
  })

  test('a cancelled job names the step that was cancelled', async () => {
    await using github = await LocalGitHub.start()
    const steps: StepInput[] = [
      { name: 'Set up job', conclusion: 'success' },
      { name: 'Run npm run soak', conclusion: 'cancelled' },
    ]
    const job = github.addJob({ name: 'soak', steps })
    const result = await reportFrom(github, {}, { jobStatus: 'cancelled', checkRunId: job.id })
    expectPlainReport(result)
    expect(result.sent).toMatchObject({ taskStatus: 'FAILED', errorId: 'GitHubActions:JobCancelled' })
    expect(result.sent.errorMessage).toContain('"soak" was cancelled')
    expect(result.sent.errorMessage).toContain('"Run npm run soak"')
    // Nothing tells that GitHub will learn of more.
    expect(routesAsked(github)).toEqual(['job'])
  })

  test.each(['FAILED', 'failure', 'cancelled'])('a status of %s that the workflow gives', async (status) => {
    await using github = await LocalGitHub.start()
    const job = github.addJob({ name: 'report', steps: [{ name: 'Set up job', conclusion: 'success' }] })
    const result = await reportFrom(github, { status }, { checkRunId: job.id })
    expectPlainReport(result)
    expect(result.sent).toMatchObject({ taskStatus: 'FAILED', errorId: 'GitHubActions:ReportedFailed' })
    expect(result.sent.errorMessage).toContain('"report"')
    expect(result.sent.errorMessage.endsWith(job.htmlUrl)).toBe(true)
    // No step has to have failed for it, so there is nothing to wait for.
    expect(routesAsked(github)).toEqual(['job'])
  })

  test('a status of FAILED that the workflow gives, in a job of many failed steps with strange names', async () => {
    await using github = await LocalGitHub.start()
    const steps = Array.from(
      { length: 60 },
      (_, index): StepInput => ({
        name: `Step ${index}\nJob "x" failed ${'long '.repeat(100)}`,
        conclusion: 'failure',
      }),
    )
    const job = github.addJob({ name: 'report', steps })
    const result = await reportFrom(github, { status: 'FAILED' }, { checkRunId: job.id })
    expectPlainReport(result)
    expect(result.sent.errorMessage.split('\n').filter((line) => line.startsWith('Job '))).toHaveLength(1)
    expect(result.sent.errorMessage.endsWith(job.htmlUrl)).toBe(true)
  })

  test.each(['FALSE', 'false'])('a status of %s gets no texts and asks nothing', async (status) => {
    await using github = await LocalGitHub.start()
    const job = github.addJob({ name: 'report', steps: STEPS })
    const result = await reportFrom(github, { status }, { jobStatus: 'failure', checkRunId: job.id })
    expectPlainReport(result)
    expect(result.bodies).toEqual([{ taskId: expect.any(String), taskStatus: 'FALSE' }])
    expect(github.requests).toEqual([])
  })

  test('a stack trace file is the stack trace, and the rest is filled in', async () => {
    await using github = await LocalGitHub.start()
    const job = github.addJob({ name: 'build', steps: STEPS })
    const { sent } = await reportFrom(
      github,
      { 'error-stack-trace-file': 'trace.txt' },
      { jobStatus: 'failure', checkRunId: job.id, files: { 'trace.txt': 'Error: so it was' } },
    )
    expect(sent).toMatchObject({ errorId: 'GitHubActions:JobFailed', errorStackTrace: 'Error: so it was' })
    expect(sent.errorMessage).toContain('"Run npm test"')
  })

  test('a dry run asks GitHub nothing, and shows what is known here', async () => {
    await using github = await LocalGitHub.start()
    const job = github.addJob({ name: 'build', steps: STEPS })
    const { step, bodies } = await reportFrom(
      github,
      { 'dry-run': 'true' },
      { jobStatus: 'failure', checkRunId: job.id },
    )
    expect(step.exitCode).toBe(0)
    expect(bodies).toEqual([])
    expect(github.requests).toEqual([])
    expect(step.stdout).toContain('GitHubActions:JobFailed')
  })
})

describe('given texts win, and only what is missing is asked for', () => {
  const given = { 'error-id': 'MyApp:Broken', 'error-message': 'It is broken.', 'error-stack-trace': 'at line 1' }
  const names = Object.keys(given) as (keyof typeof given)[]
  const combinations = Array.from({ length: 8 }, (_, bits) => names.filter((_, index) => bits & (1 << index)))

  for (const combination of combinations) {
    const inputs = Object.fromEntries(combination.map((name) => [name, given[name]]))
    const has = (name: keyof typeof given): boolean => combination.includes(name)

    test(`this job, given: ${combination.join(', ') || 'nothing'}`, async () => {
      await using github = await LocalGitHub.start()
      const job = github.addJob({ name: 'build', steps: STEPS })
      const result = await reportFrom(github, inputs, { jobStatus: 'failure', checkRunId: job.id })
      expectPlainReport(result)
      expect(result.sent).toMatchObject({
        errorId: has('error-id') ? given['error-id'] : 'GitHubActions:JobFailed',
        errorMessage: has('error-message') ? given['error-message'] : expect.stringContaining('"Run npm test"'),
        errorStackTrace: has('error-stack-trace') ? given['error-stack-trace'] : '',
      })
      expect(routesAsked(github)).toEqual(has('error-message') ? [] : ['job'])
    })

    test(`a needed job, given: ${combination.join(', ') || 'nothing'}`, async () => {
      await using github = await LocalGitHub.start()
      github.addJob({
        name: 'build',
        conclusion: 'failure',
        steps: [{ name: 'Run make', conclusion: 'failure' }],
        log: '2026-01-02T03:04:05.1000000Z make: no rule\n2026-01-02T03:04:05.2000000Z ##[error]No rule.\n',
        annotations: [{ message: 'No rule.' }],
      })
      const result = await reportFrom(github, { needs: needsOf({ build: 'failure' }), ...inputs })
      expectPlainReport(result)
      expect(result.sent).toMatchObject({
        errorId: has('error-id') ? given['error-id'] : 'GitHubActions:NeededJobFailed',
        errorMessage: has('error-message') ? given['error-message'] : expect.stringContaining('"Run make": No rule.'),
        errorStackTrace: has('error-stack-trace')
          ? given['error-stack-trace']
          : expect.stringContaining('make: no rule'),
      })
      if (has('error-message') && has('error-stack-trace')) expect(github.requests).toEqual([])
      else expect(routesAsked(github)).toContain('jobs')
    })
  }

  test.concurrent('without a token nothing is missing either, when all texts are given', async () => {
    await using github = await LocalGitHub.start()
    const { result, footprint } = await withFootprint((env) =>
      reportFrom(github, { ...given, 'github-token': '' }, { as: 'process', jobStatus: 'failure', env }),
    )
    expectPlainReport(result)
    expect(footprint.loaded).toEqual(['dist/index.js', 'dist/actions/index.js'])
  })
})

describe('which job is this one', () => {
  test('by its id, though another job of the same name and runner runs', async () => {
    await using github = await LocalGitHub.start()
    github.addJob({ name: 'build', runnerName: 'runner-1', steps: [{ name: 'Not this', conclusion: 'failure' }] })
    const own = github.addJob({ name: 'build', runnerName: 'runner-1', steps: STEPS })
    const { sent } = await reportFrom(github, {}, { jobStatus: 'failure', checkRunId: own.id })
    expect(sent.errorMessage.endsWith(own.htmlUrl)).toBe(true)
    expect(sent.errorMessage).not.toContain('Not this')
    expect(routesAsked(github)).toEqual(['job'])
  })

  test.each<[string, number | string | undefined]>([
    ['no id, as on GitHub Enterprise Server', undefined],
    ['an empty id', ''],
    ['something else than an id', 'null'],
  ])('without its id, by the runner, on any page: %s', async (_, checkRunId) => {
    await using github = await LocalGitHub.start()
    for (let shard = 1; shard <= 120; shard++) {
      github.addJob({
        name: `work (${shard})`,
        runnerName: shard % 2 ? `runner-${shard + 1}` : 'runner-1',
        // Jobs that this runner ran before.
        ...(shard % 2 ? {} : { conclusion: 'failure' as const }),
        steps: [{ name: `Shard ${shard}`, conclusion: 'failure' }],
      })
    }
    const own = github.addJob({ name: 'work (121)', runnerName: 'runner-1', steps: STEPS })
    github.addJob({ name: 'work', runnerName: 'runner-7', steps: [{ name: 'Namesake', conclusion: 'failure' }] })
    const result = await reportFrom(
      github,
      {},
      { jobStatus: 'failure', ...(checkRunId !== undefined && { checkRunId }) },
    )
    expectPlainReport(result)
    expect(result.sent.errorMessage.endsWith(own.htmlUrl)).toBe(true)
    expect(result.sent.errorMessage).toContain('"work (121)"')
    expect(result.sent.errorMessage).toContain('"Run npm test"')
    expect(result.sent.errorMessage).not.toMatch(/Shard|Namesake/)
    expect(github.requests.filter(({ route }) => route === 'jobs').map(({ query }) => query['page'] ?? '1')).toEqual([
      '1',
      '2',
    ])
  })

  test.each<[string, Record<string, string | undefined>, (string | null)[], number]>([
    ['only its name fits', {}, ['runner-2'], 4],
    ['two jobs run on a runner of that name', {}, ['runner-1', 'runner-1'], 4],
    // Nothing that GitHub says could tell.
    ['the runner does not tell its name', { RUNNER_NAME: undefined }, [null], 0],
    ['the runner does not tell its name, nor GitHub', { RUNNER_NAME: '' }, [''], 0],
  ])('never by a guess: %s', async (_, env, runners, asked) => {
    await using github = await LocalGitHub.start()
    for (const runnerName of runners) {
      github.addJob({ name: 'work', runnerName, steps: [{ name: 'Not this', conclusion: 'failure' }] })
    }
    const { step, sent } = await reportFrom(github, {}, { jobStatus: 'failure', env })
    expect(sent).toMatchObject({ taskStatus: 'FAILED', errorId: 'GitHubActions:JobFailed' })
    expect(sent.errorMessage).not.toContain('Not this')
    expect(sent.errorMessage).toContain('"work"')
    expect(sent.errorMessage.endsWith(`${github.runUrl}/attempts/1`)).toBe(true)
    expect(step.notices).toHaveLength(1)
    expect(github.requests).toHaveLength(asked)
  })

  test('the jobs of this attempt are looked at, not those of another', async () => {
    await using github = await LocalGitHub.start({ attempt: 2 })
    const steps: StepInput[] = [{ name: 'Long ago', conclusion: 'failure' }]
    github.addJob({ name: 'work', runnerName: 'runner-1', runAttempt: 1, status: 'in_progress', steps })
    const own = github.addJob({ name: 'work', runnerName: 'runner-1', steps: STEPS })
    const { sent } = await reportFrom(github, {}, { jobStatus: 'failure' })
    expect(sent.errorMessage.endsWith(own.htmlUrl)).toBe(true)
  })
})

describe('GitHub learns of a failed step a little later than the runner', () => {
  test.each<[string, (own: Job, earlier: Job) => void]>([
    ['not to run on a runner yet', (own) => Object.assign(own, { status: 'queued', runnerName: null })],
    [
      'beside the last job of its runner',
      (_, earlier) => Object.assign(earlier, { status: 'in_progress', conclusion: null }),
    ],
  ])('a job that just began, shown %s, is asked for again', async (_, showLate) => {
    await using github = await LocalGitHub.start()
    const earlier = github.addJob({ name: 'lint', runnerName: 'runner-1', conclusion: 'success' })
    const own = github.addJob({ name: 'build', runnerName: 'runner-1', steps: STEPS })
    const now = [{ ...own }, { ...earlier }]
    showLate(own, earlier)
    github.onRequest(({ nth }) => {
      if (nth === 2) for (const [index, job] of [own, earlier].entries()) Object.assign(job, now[index])
    })
    const result = await reportFrom(github, {}, { jobStatus: 'failure' })
    expectPlainReport(result)
    expect(result.sent.errorMessage).toContain('"Run npm test"')
    expect(result.sent.errorMessage.endsWith(own.htmlUrl)).toBe(true)
    expect(routesAsked(github)).toEqual(['jobs', 'jobs'])
  })

  test('a job that just began, shown as queued on its runner', async () => {
    await using github = await LocalGitHub.start()
    const own = github.addJob({ name: 'build', runnerName: 'runner-1', status: 'queued', steps: STEPS })
    const { sent } = await reportFrom(github, {}, { jobStatus: 'failure' })
    expect(sent.errorMessage.endsWith(own.htmlUrl)).toBe(true)
    expect(routesAsked(github)).toEqual(['jobs'])
  })

  test.each([
    ['that it learns of', 3, 3],
    ['that it never learns of, as a cancel need not meet a step', Number.POSITIVE_INFINITY, 4],
  ])('a cancelled step %s is asked for a few times', async (_, learnsAt, asked) => {
    await using github = await LocalGitHub.start()
    const job = github.addJob({ name: 'soak', steps: [{ name: 'Run npm run soak', status: 'in_progress' }] })
    github.onRequest(({ nth }) => {
      if (nth === learnsAt) Object.assign(job.steps[0] as object, { status: 'completed', conclusion: 'cancelled' })
    })
    const result = await reportFrom(github, {}, { jobStatus: 'cancelled', checkRunId: job.id })
    expectPlainReport(result)
    expect(result.sent.errorMessage.includes('"Run npm run soak"')).toBe(learnsAt === 3)
    expect(result.sent.errorMessage.endsWith(job.htmlUrl)).toBe(true)
    expect(github.requests).toHaveLength(asked)
  })

  test('a failure within a composite action, whose steps GitHub does not list, is asked for once', async () => {
    await using github = await LocalGitHub.start()
    const steps: StepInput[] = [
      { name: 'Set up job', conclusion: 'success' },
      { name: 'Run ./.github/actions/build', status: 'in_progress' },
    ]
    const job = github.addJob({ name: 'build', steps })
    const result = await reportFrom(github, {}, { jobStatus: 'success', actionStatus: 'failure', checkRunId: job.id })
    expectPlainReport(result)
    expect(result.sent).toMatchObject({ taskStatus: 'FAILED', errorId: 'GitHubActions:JobFailed' })
    expect(result.sent.errorMessage).toMatch(/^Job "build" failed\.\nThe failed step is inside the composite action/)
    expect(result.sent.errorMessage.endsWith(job.htmlUrl)).toBe(true)
    expect(routesAsked(github)).toEqual(['job'])
  })

  test('it is asked again, a second apart', async () => {
    await using github = await LocalGitHub.start()
    const job = github.addJob({
      name: 'build',
      steps: [
        { name: 'Set up job', conclusion: 'success' },
        { name: 'Run npm test', status: 'in_progress' },
      ],
    })
    github.onRequest(({ route, nth }) => {
      const [, step] = job.steps
      if (route !== 'job' || nth !== 3 || step === undefined) return
      step.status = 'completed'
      step.conclusion = 'failure'
    })
    const result = await reportFrom(github, {}, { jobStatus: 'failure', checkRunId: job.id })
    expectPlainReport(result)
    expect(result.sent.errorMessage).toContain('"Run npm test"')
    expect(routesAsked(github)).toEqual(['job', 'job', 'job'])
    expect(result.step.tookMs).toBeCloseTo(2_000)
  })

  test('found by its runner, it is asked for alone', async () => {
    await using github = await LocalGitHub.start()
    const job = github.addJob({ name: 'build', runnerName: 'runner-1', steps: [] })
    github.onRequest(({ nth, route }) => {
      if (route === 'job' && nth === 1) job.steps = [{ ...STEPS_NOW }]
    })
    const { sent } = await reportFrom(github, {}, { jobStatus: 'failure' })
    expect(sent.errorMessage).toContain('"Run npm test"')
    expect(routesAsked(github)).toEqual(['jobs', 'job'])
  })

  test('if it never learns, the report goes out when the time for it is over, and blames nobody', async () => {
    await using github = await LocalGitHub.start()
    const job = github.addJob({ name: 'build', steps: [{ name: 'Set up job', conclusion: 'success' }] })
    const { step, sent } = await reportFrom(
      github,
      { 'timeout-seconds': '40' },
      { jobStatus: 'failure', checkRunId: job.id },
    )
    expect(sent).toMatchObject({ taskStatus: 'FAILED', errorId: 'GitHubActions:JobFailed' })
    expect(sent.errorMessage).toContain('"build"')
    expect(sent.errorMessage.endsWith(job.htmlUrl)).toBe(true)
    // Each second, and more often than for what need not come.
    expect(github.requests.length).toBeGreaterThanOrEqual(9)
    // A quarter of the time.
    expect(step.tookMs).toBeLessThanOrEqual(10_000)
    // GitHub answered each time, and there is no permission to grant.
    expect(step.notices.join()).not.toMatch(/did not respond|permissions/)
  })
})

describe('links and limits', () => {
  test('on GitHub Enterprise Server, the API and the links are those of the server', async () => {
    await using github = await LocalGitHub.start({ basePath: '/api/v3', serverUrl: 'https://git.corp.example' })
    const job = github.addJob({ name: 'build', runnerName: 'runner-1', steps: STEPS })
    const result = await reportFrom(github, {}, { jobStatus: 'failure' })
    expectPlainReport(result)
    expect(result.sent.errorMessage.endsWith(job.htmlUrl)).toBe(true)
    expect(job.htmlUrl.startsWith('https://git.corp.example/octo/pipes/')).toBe(true)
    expect(result.sent.errorMessage).not.toContain('github.com')
    expect(github.requests.every(({ path }) => path.startsWith('/api/v3/repos/octo/pipes/'))).toBe(true)
  })

  test('on GitHub Enterprise Server without a token, the link to the run is that of the server', async () => {
    await using github = await LocalGitHub.start({ basePath: '/api/v3', serverUrl: 'https://git.corp.example' })
    const { sent } = await reportFrom(github, { 'github-token': '' }, { jobStatus: 'failure' })
    expect(
      sent.errorMessage.endsWith(`https://git.corp.example/octo/pipes/actions/runs/${github.runId}/attempts/1`),
    ).toBe(true)
  })

  test('a service that refuses long texts gets a shorter message, with the link', async () => {
    await using github = await LocalGitHub.start()
    await using service = await LocalDataPipeline.start()
    service.injectFault(invalidRequest())
    for (let shard = 1; shard <= 60; shard++) {
      github.addJob({ name: `test (${shard})`, conclusion: 'failure', annotations: [{ message: `Shard ${shard}!` }] })
    }
    const { bodies } = await reportFrom(github, { needs: needsOf({ test: 'failure' }) }, { service })
    expect(bodies).toHaveLength(2)
    for (const { errorMessage = '' } of bodies) {
      expect(errorMessage.startsWith('60 jobs did not succeed:\n- Job "test (1)" failed')).toBe(true)
      expect(errorMessage.endsWith(`${github.runUrl}/attempts/1`)).toBe(true)
    }
    expect(Buffer.byteLength(bodies[0]?.errorMessage ?? '')).toBeGreaterThan(2048)
    expect(Buffer.byteLength(bodies[1]?.errorMessage ?? '')).toBeLessThanOrEqual(2048)
    expect(bodies[1]).toMatchObject({ taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' })
  })
})

test('names full of commands, markup and colours change nothing but the text', async () => {
  await using github = await LocalGitHub.start()
  const hostile =
    '🔥 ::error::gotcha ##[error]old \u001b[31mred\u001b[0m <img src=x onerror=alert(1)> **bold** [a](b) `c`'
  const job = github.addJob({
    name: `job ${hostile}\n::set-output name=x::y`,
    steps: [{ name: `step ${hostile}\r::stop-commands::abc`, conclusion: 'failure' }],
  })
  const { step, sent } = await reportFrom(github, {}, { jobStatus: 'failure', checkRunId: job.id })
  expect(step.exitCode).toBe(0)
  // Removing what Data Pipeline doesn't accept from texts that nobody gave is no news.
  expect(step.commands.map(({ name }) => name)).toEqual([])
  expect(sent.errorMessage).toContain('🔥 ::error::gotcha')
  expect(sent.errorMessage).toContain('<img src=x onerror=alert(1)>')
  expect(sent.errorMessage).not.toContain('\u001b')
  expect(sent.errorMessage).not.toContain('[31m')
  expect(step.summary).toContain('🔥')
  expect(step.summary).not.toContain('<img')
  expect(step.summary.trim()).not.toMatch(/\n\s*\n/)
  expect(step.outputs['error-message']).toBe(sent.errorMessage)
})

/** A failed step, as GitHub shows it. */
const STEPS_NOW = {
  name: 'Run npm test',
  status: 'completed',
  conclusion: 'failure',
  number: 2,
  startedAt: '2026-01-02T03:04:05Z',
  completedAt: '2026-01-02T03:04:06Z',
} as const
