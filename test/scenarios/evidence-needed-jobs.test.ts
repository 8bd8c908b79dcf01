import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { refuseLongStackTraces } from '../fakes/aws/faults.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { type JobLog, type LoggedStep, manyLines, writeJobLog } from '../fakes/github/log-text.ts'
import { passTime } from '../support/called-step.ts'
import { expectPlainReport, needsOf, reportFrom, routesAsked, withFootprint } from './asking-github.ts'

/** The failed step of most tests, as an action of JavaScript fails. */
const FAILED: LoggedStep = {
  name: 'Run npm test',
  run: 'npm test',
  output: ['> test', 'not ok 3 - it adds'],
  errors: ['expected 4, got 5'],
  conclusion: 'failure',
}

const CHECKOUT: LoggedStep = {
  name: 'Checkout',
  uses: 'actions/checkout@v5',
  output: ['Syncing repository'],
  post: true,
}

/** How the log shows a part of a composite action. */
function partOf(script: string): string[] {
  const shell = 'shell: /usr/bin/bash --noprofile --norc -e -o pipefail {0}'
  return [`##[group]Run ${script}`, `\u001b[36;1m${script}\u001b[0m`, shell, '##[endgroup]']
}

/** A completed job with its log; it failed unless another conclusion is given. */
function addFailedJob(github: LocalGitHub, name: string, log: Partial<JobLog> = {}) {
  return github.addJob({
    name,
    conclusion: 'failure',
    ...writeJobLog({ name, steps: [CHECKOUT, FAILED], ...log }).job,
  })
}

describe('a workflow of three jobs: the first fails, the second is skipped, the last reports', () => {
  for (const [name, needs, errorId] of [
    ['it needs both', { first: 'failure', second: 'skipped' }, 'NeededJobFailed'],
    ['it needs both, named the other way round', { second: 'skipped', first: 'failure' }, 'NeededJobFailed'],
    ['it needs the second only', { second: 'skipped' }, 'NeededJobSkipped'],
  ] as const) {
    test(`${name}: name, link and log end of the first`, async () => {
      await using github = await LocalGitHub.start()
      const first = addFailedJob(github, 'first')
      github.addJob({ name: 'second', conclusion: 'skipped' })
      const own = github.addJob({ name: 'report', runnerName: 'runner-1' })
      const result = await reportFrom(github, { needs: needsOf(needs) }, { checkRunId: own.id })

      expectPlainReport(result)
      const { sent } = result
      expect(sent).toMatchObject({ taskStatus: 'FAILED', errorId: `GitHubActions:${errorId}` })
      expect(sent.errorMessage).toContain('"first"')
      expect(sent.errorMessage).toContain('"Run npm test"')
      expect(sent.errorMessage).toContain('expected 4, got 5')
      expect(sent.errorMessage).toContain(first.htmlUrl)
      expect(sent.errorMessage).toContain('"second" was skipped')
      for (const text of ['"Nightly"', 'octo/pipes', 'run 17', 'attempt 1']) expect(sent.errorMessage).toContain(text)
      expect(sent.errorMessage.split('\n').at(-1)).toContain(github.runUrl)
      expect(sent.errorStackTrace).toContain('not ok 3 - it adds')
      expect(github.requests.every(({ authorization }) => authorization === 'valid')).toBe(true)
      expect(github.downloads.every(({ authorization }) => authorization === undefined)).toBe(true)
    })

    test(`${name}, without a token: what is known here, the link to the run, and a notice`, async () => {
      await using github = await LocalGitHub.start()
      const { step, sent, bodies } = await reportFrom(github, { needs: needsOf(needs), 'github-token': '' })
      expect(step.exitCode).toBe(0)
      expect(bodies).toHaveLength(1)
      expect(sent).toMatchObject({ taskStatus: 'FAILED', errorId: `GitHubActions:${errorId}`, errorStackTrace: '' })
      for (const [key, result] of Object.entries(needs)) {
        expect(sent.errorMessage).toContain(`"${key}" ${result === 'failure' ? 'failed' : 'was skipped'}`)
      }
      expect(sent.errorMessage.endsWith(`${github.runUrl}/attempts/1`)).toBe(true)
      expect(step.notices).toHaveLength(1)
      expect(step.notices[0]).toContain('github-token')
      expect(step.notices[0]).toContain('actions: read')
      expect(step.notices[0]).toContain('checks: read')
      expect(github.requests).toEqual([])
    })
  }
})

describe('the jobs behind a needed job', () => {
  test('one job: the link to it stands at the end', async () => {
    await using github = await LocalGitHub.start()
    github.addJob({ name: 'lint', conclusion: 'success' })
    const build = addFailedJob(github, 'build')
    const result = await reportFrom(github, { needs: needsOf({ lint: 'success', build: 'failure' }) })
    expectPlainReport(result)
    expect(result.sent.errorMessage).toMatch(/^Job "build" failed in step "Run npm test": expected 4, got 5\n/)
    expect(result.sent.errorMessage.endsWith(`\n${build.htmlUrl}`)).toBe(true)
  })

  test('a matrix has several: each that failed is named with its link, those that did not are not', async () => {
    await using github = await LocalGitHub.start()
    const failed = [1, 2, 3].map((node) => addFailedJob(github, `test (linux, ${node})`))
    github.addJob({ name: 'test (linux, 4)', conclusion: 'success' })
    github.addJob({ name: 'test (linux, 5)', conclusion: 'cancelled' })
    const result = await reportFrom(github, { needs: needsOf({ test: 'failure' }) })
    expectPlainReport(result)
    for (const job of failed) {
      expect(result.sent.errorMessage).toContain(`"${job.name}"`)
      expect(result.sent.errorMessage).toContain(job.htmlUrl)
    }
    expect(result.sent.errorMessage).not.toContain('linux, 4')
    expect(result.sent.errorMessage).toContain('3 jobs')
  })

  test('a matrix of more than a page: as many as fit are named, then how many more', async () => {
    await using github = await LocalGitHub.start()
    for (let shard = 1; shard <= 256; shard++) {
      github.addJob({
        name: `test (${shard}, ubuntu-latest, ${'x'.repeat(30)})`,
        conclusion: 'failure',
        steps: [{ name: 'Run npm test', conclusion: 'failure' }],
        annotations: [{ message: `shard ${shard} says: ${'🔥'.repeat(500)}` }],
      })
    }
    const result = await reportFrom(github, { needs: needsOf({ test: 'failure' }) })
    const { errorMessage } = result.sent
    expect(result.step.warnings).toEqual([])
    expect(Buffer.byteLength(errorMessage)).toBeLessThanOrEqual(10_240)
    expect(Buffer.byteLength(errorMessage)).toBeGreaterThan(8_000)
    expect(errorMessage).toMatch(/^256 jobs/)
    const named = [...errorMessage.matchAll(/"test \(\d+,/g)].length
    expect(named).toBeGreaterThan(20)
    expect(errorMessage).toContain(`and ${256 - named} more`)
    expect(errorMessage).not.toMatch(/\n\[\.\.\. /)
    expect(errorMessage.endsWith(`${github.runUrl}/attempts/1`)).toBe(true)
  })

  test('many jobs under another name: as many as fit are named, then how many more', async () => {
    await using github = await LocalGitHub.start()
    for (let shard = 1; shard <= 150; shard++) {
      github.addJob({
        name: `Unit tests of a rather long name, shard number ${shard}`,
        conclusion: 'failure',
        steps: [{ name: 'Run npm test', conclusion: 'failure' }],
      })
    }
    const { step, sent } = await reportFrom(github, { needs: needsOf({ unit: 'failure' }) })
    expect(step.warnings).toEqual([])
    expect(sent.errorMessage).not.toMatch(/\n\[\.\.\. /)
    expect(sent.errorMessage).toMatch(/and \d+ more/)
    expect(sent.errorMessage).toContain('"unit" failed')
    expect(sent.errorMessage).toContain('shard number 1"')
    expect(sent.errorMessage.endsWith(`${github.runUrl}/attempts/1`)).toBe(true)
  })

  test('a job with another name (name:) is told as a job of this run, with its link and log', async () => {
    await using github = await LocalGitHub.start()
    const renamed = addFailedJob(github, 'Build for production')
    github.addJob({ name: 'lint', conclusion: 'success' })
    const result = await reportFrom(github, { needs: needsOf({ build: 'failure', lint: 'success' }) })
    expectPlainReport(result)
    const { sent } = result
    for (const text of ['"build" failed', '"Build for production"', 'expected 4, got 5', renamed.htmlUrl]) {
      expect(sent.errorMessage).toContain(text)
    }
    expect(sent.errorStackTrace).toContain('not ok 3')
  })

  test('results without names: each is told, and the jobs of this run that failed, with link and log', async () => {
    await using github = await LocalGitHub.start()
    const build = addFailedJob(github, 'build')
    github.addJob({ name: 'lint', conclusion: 'success' })
    github.addJob({ name: 'deploy', conclusion: 'skipped' })
    const result = await reportFrom(github, { needs: '["success","skipped","failure"]' })
    expectPlainReport(result)
    const { sent } = result
    expect(sent.errorMessage).toMatch(
      /^2 jobs did not succeed:\n- A needed job failed\.\n- A needed job was skipped\.\n/,
    )
    expect(sent.errorMessage).toContain('- In this run: Job "build" failed in step "Run npm test": expected 4, got 5')
    expect(sent.errorMessage).toContain(build.htmlUrl)
    expect(sent.errorMessage).not.toMatch(/undefined|lint|deploy/)
    expect(sent.errorStackTrace).toContain('not ok 3')
  })

  test('one result without a name, and no token: what is known here', async () => {
    await using github = await LocalGitHub.start()
    const { sent } = await reportFrom(github, { needs: '["cancelled"]', 'github-token': '' })
    expect(sent.errorMessage).toMatch(/^A needed job was cancelled\.\nGitHub Actions: workflow "Nightly"/)
  })

  test('a matrix whose jobs all have one name: the one that failed is found', async () => {
    await using github = await LocalGitHub.start()
    github.addJob({ name: 'test', conclusion: 'success' })
    const failed = addFailedJob(github, 'test')
    github.addJob({ name: 'test', conclusion: 'success' })
    const { sent } = await reportFrom(github, { needs: needsOf({ test: 'failure' }) })
    expect(sent.errorMessage).toContain(failed.htmlUrl)
    expect(sent.errorStackTrace).toContain('not ok 3')
  })

  test('a cancelled job with another name', async () => {
    await using github = await LocalGitHub.start()
    const renamed = addFailedJob(github, 'Soak test', { steps: [{ ...FAILED, conclusion: 'cancelled', errors: [] }] })
    renamed.conclusion = 'cancelled'
    const { sent } = await reportFrom(github, { needs: needsOf({ soak: 'cancelled' }) })
    expect(sent).toMatchObject({ errorId: 'GitHubActions:NeededJobCancelled' })
    expect(sent.errorMessage).toContain(renamed.htmlUrl)
  })

  test('a failure that is allowed is not what explains the one that is not', async () => {
    await using github = await LocalGitHub.start()
    addFailedJob(github, 'lint', { steps: [{ ...FAILED, output: ['lint is not happy'], errors: ['a semicolon'] }] })
    const renamed = addFailedJob(github, 'Deploy to production')
    const { sent } = await reportFrom(github, {
      needs: needsOf({ lint: 'failure', deploy: 'failure' }),
      'allowed-failures': 'lint',
    })
    expect(sent.errorMessage).toContain(renamed.htmlUrl)
    expect(sent.errorStackTrace).toContain('not ok 3')
    expect(sent.errorStackTrace).not.toContain('lint is not happy')
  })

  test('a called workflow: its inner job', async () => {
    await using github = await LocalGitHub.start()
    github.addJob({ name: 'deploy / plan', conclusion: 'success' })
    const inner = addFailedJob(github, 'deploy / apply')
    addFailedJob(github, 'deploy-docs')
    const result = await reportFrom(github, { needs: needsOf({ deploy: 'failure' }) })
    expectPlainReport(result)
    expect(result.sent.errorMessage).toMatch(/^Job "deploy \/ apply" failed in step "Run npm test"/)
    expect(result.sent.errorMessage.endsWith(inner.htmlUrl)).toBe(true)
    expect(result.sent.errorMessage).not.toContain('deploy-docs')
  })

  test('a job of a called workflow that needs one beside it', async () => {
    await using github = await LocalGitHub.start()
    const sibling = addFailedJob(github, 'nightly / build')
    github.addJob({ name: 'nightly / report', runnerName: 'runner-1' })
    const { sent } = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expect(sent.errorMessage).toContain(sibling.htmlUrl)
    expect(sent.errorStackTrace).toContain('not ok 3')
  })

  test('a job that was run again alone finds the others in the attempt that ran them', async () => {
    await using github = await LocalGitHub.start({ attempt: 3 })
    addFailedJob(github, 'build', { steps: [{ ...FAILED, errors: ['older'] }] }).runAttempt = 1
    const build = addFailedJob(github, 'build')
    build.runAttempt = 2
    github.addJob({ name: 'report', runnerName: 'runner-1' })
    const result = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expectPlainReport(result)
    expect(result.sent.errorMessage).toContain('expected 4, got 5')
    expect(result.sent.errorMessage.endsWith(build.htmlUrl)).toBe(true)
    expect(result.sent.errorMessage).toContain('attempt 3')
  })

  test('what failed in an earlier attempt and was mended in this one is not blamed', async () => {
    await using github = await LocalGitHub.start({ attempt: 2 })
    addFailedJob(github, 'Compile').runAttempt = 1
    github.addJob({ name: 'Compile', conclusion: 'success' })
    const renamed = addFailedJob(github, 'Publish')
    const { sent } = await reportFrom(github, { needs: needsOf({ compile: 'success', publish: 'failure' }) })
    expect(sent.errorMessage).toContain(renamed.htmlUrl)
    expect(sent.errorMessage).not.toContain('Compile')
  })

  test('GitHub Enterprise Server: links and calls of the server', async () => {
    await using github = await LocalGitHub.start({ basePath: '/api/v3', serverUrl: 'https://git.corp.example' })
    const build = addFailedJob(github, 'build')
    const result = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expectPlainReport(result)
    expect(result.sent.errorMessage.endsWith(build.htmlUrl)).toBe(true)
    expect(result.sent.errorMessage).not.toContain('github.com')
    expect(result.sent.errorStackTrace).toContain('not ok 3')
  })

  test('a server in front of which the trailing slash of its address was left', async () => {
    await using github = await LocalGitHub.start({ basePath: '/api/v3', serverUrl: 'https://git.corp.example' })
    const build = addFailedJob(github, 'build')
    const env = { GITHUB_API_URL: `${github.apiUrl}/`, GITHUB_SERVER_URL: `${github.serverUrl}/` }
    const { sent } = await reportFrom(github, { needs: needsOf({ build: 'failure' }) }, { env })
    expect(sent.errorMessage.endsWith(build.htmlUrl)).toBe(true)
  })
})

describe('GitHub learns of the end of a needed job a little later than this one begins', () => {
  for (const name of ['build', 'build (linux)', 'build / compile', 'Build for production']) {
    test(`"${name}", shown as running, is asked for again`, async () => {
      await using github = await LocalGitHub.start()
      const build = addFailedJob(github, name)
      github.addJob({ name: 'report', runnerName: 'runner-1' })
      Object.assign(build, { status: 'in_progress', conclusion: null })
      github.onRequest(({ route, nth }) => {
        if (route === 'jobs' && nth === 3) Object.assign(build, { status: 'completed', conclusion: 'failure' })
      })
      const result = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
      expectPlainReport(result)
      expect(result.sent.errorMessage).toContain(build.htmlUrl)
      expect(result.sent.errorMessage).toContain('expected 4, got 5')
      expect(result.sent.errorStackTrace).toContain('not ok 3')
      expect(routesAsked(github).filter((route) => route === 'jobs')).toHaveLength(3)
    })
  }

  test('if it never learns, the report goes out after a few times, with what is known here', async () => {
    await using github = await LocalGitHub.start()
    github.addJob({ name: 'build', status: 'in_progress' })
    const result = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expectPlainReport(result)
    expect(result.sent.errorMessage).toMatch(/^Job "build" failed\.\n/)
    expect(routesAsked(github)).toEqual(['jobs', 'jobs', 'jobs', 'jobs'])
  })

  test('its time for evidence is not exceeded', async () => {
    await using github = await LocalGitHub.start()
    github.addJob({ name: 'build', status: 'in_progress' })
    github.onRequest(() => passTime(10))
    // A quarter of it, and a second of that is left for the log.
    const { sent, step } = await reportFrom(github, { needs: needsOf({ build: 'failure' }), 'timeout-seconds': '8' })
    expect(sent.taskStatus).toBe('FAILED')
    expect(step.tookMs).toBeLessThanOrEqual(2_000)
    expect(routesAsked(github)).toEqual(['jobs'])
  })

  test('a job that nobody needs may run as long as it likes', async () => {
    await using github = await LocalGitHub.start()
    addFailedJob(github, 'build')
    github.addJob({ name: 'soak', runnerName: 'runner-2' })
    const result = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expectPlainReport(result)
    expect(routesAsked(github).filter((route) => route === 'jobs')).toHaveLength(1)
  })
})

describe('the stack trace is the end of the failed step, around its error', () => {
  /** The stack trace that is sent for a needed job with this log. */
  async function traceFor(log: JobLog, change: (job: ReturnType<LocalGitHub['addJob']>) => void = () => {}) {
    await using github = await LocalGitHub.start({ ranges: 'no-suffix' })
    change(addFailedJob(github, 'build', log))
    const result = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expect(result.sent).toMatchObject({ taskStatus: 'FAILED' })
    expect(result.sent.errorStackTrace.length).toBeLessThanOrEqual(4095)
    expect(result.sent.errorStackTrace).not.toMatch(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|\u001b|\ufeff|##\[/)
    expect(result.step.stdout).not.toContain('not ok')
    return result
  }

  test.each<[string, Partial<JobLog>]>([
    ['lines that end as on Linux', { lineEnd: '\n' }],
    ['lines that end as on Windows', { lineEnd: '\r\n' }],
    ['byte order marks in the midst of it', { blockBytes: 300 }],
    ['no byte order mark at all', { byteOrderMark: false }],
  ])('%s', async (_, how) => {
    const { sent } = await traceFor({ steps: [CHECKOUT, FAILED], ...how })
    expect(sent.errorStackTrace.split(/\r?\n/)).toEqual([
      'Run npm test',
      '> test',
      'not ok 3 - it adds',
      'error: expected 4, got 5',
      'error: Process completed with exit code 1.',
    ])
    expect(sent.errorStackTrace).not.toContain('\r')
  })

  const QUICK: LoggedStep = { ...FAILED, seconds: 0.1 }
  const DEPLOY: LoggedStep = { name: 'Deploy', uses: 'corp/deploy@v1', conclusion: 'failure' }

  test.each<[string, LoggedStep[], trace: (string | RegExp)[], not: RegExp, message: string]>([
    [
      'only the end of a step that said a lot',
      [{ ...FAILED, output: () => [...manyLines(100_000, 'line'), 'the last thing'] }],
      ['the last thing\nerror: expected 4, got 5', /^line \d{8}[\s\S]{3000}/],
      /##/,
      'expected 4, got 5',
    ],
    [
      'colours go, emoji and tabs stay',
      [
        {
          ...FAILED,
          output: ['\u001b[31m✗ failed\u001b[0m 🔥', '\tat \u001b]8;;http://x\u0007add.ts:3\u001b]8;;\u0007'],
        },
      ],
      ['✗ failed 🔥\n\tat add.ts:3\n'],
      /##/,
      'expected 4, got 5',
    ],
    [
      'an error of several lines is there whole',
      [{ ...DEPLOY, errors: ['it broke:\n  at deploy\n  at main'] }],
      ['error: it broke:\n  at deploy\n  at main'],
      /##/,
      'it broke: at deploy at main',
    ],
    [
      'steps of the same second before and after it are left out',
      [
        { name: 'Run echo one', run: 'echo one', output: ['this is one'], seconds: 0.1 },
        QUICK,
        { name: 'Run echo two', run: 'echo two', output: ['this is two'], seconds: 0.1 },
      ],
      ['not ok 3', /exit code 1\.$/],
      /this is (one|two)/,
      '"Run npm test"',
    ],
    [
      'an error of an earlier step that was let go on is left out',
      [
        { name: 'Run lint', run: 'npm run lint', output: ['lint!'], errors: ['lint is not happy'], seconds: 0.1 },
        QUICK,
      ],
      ['not ok 3'],
      /lint/,
      '"Run npm test"',
    ],
    [
      'an error that a later step (always()) writes within the same second is not taken for its own',
      [QUICK, { name: 'Run npm run report', run: 'npm run report', errors: ['no report to send'], seconds: 0.1 }],
      ['not ok 3'],
      /npm run report/,
      '"Run npm test"',
    ],
    [
      'a later step (always()) that failed, too, is not what failed first',
      [FAILED, { name: 'Run cleanup', run: 'rm /x', output: ['rm: no /x'], conclusion: 'failure' }],
      ['not ok 3'],
      /rm: no/,
      '"Run npm test", "Run cleanup"',
    ],
    // The failed step's lines lie before the 256 KiB that are kept up to the second in which it ended. Known limit: they
    // are not looked for there. What must not be is that another step's lines pass for its own.
    [
      'a later step (always()) that says more than is read of a log, within the same second: no trace rather than its',
      [FAILED, { name: 'Run cat', run: 'cat big.log', output: () => manyLines(1_000_000, 'big'), seconds: 0.1 }],
      [],
      /big|orphan/,
      '"Run npm test"',
    ],
    [
      'a later step (always()) some seconds later that says more than is read of a log',
      [
        FAILED,
        { name: 'Run sleep 3', run: 'sleep 3', seconds: 3 },
        { name: 'Run cat', run: 'cat big.log', output: () => manyLines(1_000_000, 'big'), seconds: 3 },
      ],
      ['not ok 3'],
      /big/,
      '"Run npm test"',
    ],
    [
      'without an error, the end of the step, and nothing of the cleaning up after it',
      [CHECKOUT, { ...DEPLOY, output: ['deploying', 'the server said no'] }],
      [/deploying\nthe server said no$/],
      /Post job cleanup|orphan|Syncing/,
      '"Deploy"',
    ],
    [
      'a composite action: the part that failed',
      [
        CHECKOUT,
        {
          name: 'Run ./.github/actions/build',
          uses: './.github/actions/build',
          output: [
            ...partOf('npm ci'),
            'added 100 packages',
            ...partOf('npm run build'),
            'src/a.ts(3,1): error TS2304',
          ],
          errors: ['Process completed with exit code 2.'],
          conclusion: 'failure',
        },
      ],
      ['Run npm run build\nsrc/a.ts(3,1): error TS2304'],
      /Syncing/,
      '"Run ./.github/actions/build"',
    ],
  ])('%s', async (_name, steps, trace, not, message) => {
    const { sent, step } = await traceFor({ steps })
    for (const text of trace) expect(sent.errorStackTrace).toMatch(text)
    expect(sent.errorStackTrace).not.toMatch(not)
    expect(sent.errorMessage).toContain(message)
    expect(step.notices).toEqual([])
  })

  test('GitHub does not tell when the step ran: the last error before the cleaning up', async () => {
    const { sent } = await traceFor({ steps: [CHECKOUT, FAILED] }, (job) => {
      for (const step of job.steps) Object.assign(step, { startedAt: null, completedAt: null })
    })
    expect(sent.errorStackTrace).toMatch(/not ok 3 - it adds\nerror: expected 4, got 5\nerror: Process.*$/)
  })

  test('GitHub knows no steps of the job', async () => {
    const { sent } = await traceFor({ steps: [CHECKOUT, FAILED] }, (job) => {
      job.steps = []
    })
    expect(sent.errorStackTrace).toContain('not ok 3 - it adds')
    expect(sent.errorMessage).toContain('Job "build" failed: expected 4, got 5')
  })

  test('what looks like a command, Markdown or HTML in a log stays text, and no command comes of it', async () => {
    const hostile = ['::error::gotcha', '::set-output name=x::y', '<script>alert(1)</script>', '**bold** @team', '`x`']
    const { step, sent } = await traceFor({
      steps: [{ ...FAILED, output: hostile, errors: ['::warning::<b>really</b>\n::stop-commands::x'] }],
    })
    expect(step.commands.map(({ name }) => name)).toEqual([])
    expect(sent.errorStackTrace).toContain(hostile.join('\n'))
    expect(sent.errorMessage).toContain('::warning::<b>really</b> ::stop-commands::x')
    expect(step.summary).not.toContain('<b>')
    expect(step.summary).not.toContain('<script>')
  })

  test('characters that Data Pipeline refuses are left out without a word', async () => {
    const { step, sent } = await traceFor({ steps: [{ ...FAILED, output: ['nul \u0000 bell \u0007 end'] }] })
    expect(sent.errorStackTrace).toContain('nul  bell  end')
    expect(step.warnings).toEqual([])
  })

  test('a service that refuses long traces gets a shorter one, with the same message', async () => {
    await using github = await LocalGitHub.start()
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(refuseLongStackTraces())
    const build = addFailedJob(github, 'build', { steps: [{ ...FAILED, output: () => manyLines(20_000) }] })
    const { bodies, sent } = await reportFrom(github, { needs: needsOf({ build: 'failure' }) }, { service })
    expect(bodies).toHaveLength(2)
    expect(sent.errorStackTrace.length).toBeLessThanOrEqual(1024)
    expect(sent.errorStackTrace).toContain('error: expected 4, got 5')
    expect(sent.errorMessage.endsWith(build.htmlUrl)).toBe(true)
  })
})

describe('annotations', () => {
  const BARE: LoggedStep = { name: 'Run npm test', run: 'npm test', output: ['not ok 3'], conclusion: 'failure' }

  test('the contentless one is dropped when there is a better one', async () => {
    await using github = await LocalGitHub.start()
    const job = addFailedJob(github, 'build', { steps: [BARE] })
    job.log = undefined
    job.annotations = [
      { message: 'Process completed with exit code 1.' },
      { message: 'src/a.ts is broken', path: 'src/a.ts' },
      { message: 'only a hint', level: 'warning' },
      { message: 'fyi', level: 'notice' },
    ]
    const { sent } = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expect(sent.errorMessage).toContain('src/a.ts:1: src/a.ts is broken')
    expect(sent.errorMessage).not.toContain('exit code')
    expect(sent.errorStackTrace).toBe('error: src/a.ts:1: src/a.ts is broken')
  })

  test('the file and line that it is about stand before it, also where the log has the message alone', async () => {
    await using github = await LocalGitHub.start()
    const job = addFailedJob(github, 'build', {
      steps: [{ ...BARE, output: ['src/b.c:3:1: error: no type'], errors: ["expected ';'"] }],
    })
    job.annotations = [
      { message: "expected ';'", path: 'src/a.c', startLine: 12, endLine: 14 },
      { message: 'no type', path: 'src/b.c', startLine: 3 },
      // What the runner says itself, with a line of its log.
      { message: 'The runner lost its power.', path: '.github', startLine: 7 },
    ]
    const { sent } = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expect(sent.errorMessage).toContain(`failed in step "Run npm test": src/a.c:12: expected ';'\n`)
    expect(sent.errorStackTrace.split('\n')).toEqual([
      "error: src/a.c:12: expected ';'",
      'error: The runner lost its power.',
      'Run npm test',
      'src/b.c:3:1: error: no type',
      "error: expected ';'",
      'error: Process completed with exit code 1.',
    ])
  })

  test('they take their room from the log, which nobody has to be warned of', async () => {
    await using github = await LocalGitHub.start()
    const job = addFailedJob(github, 'build', { steps: [{ ...FAILED, output: () => manyLines(20_000) }] })
    job.annotations = Array.from({ length: 50 }, (_, index) => ({
      message: `${index} ${'x'.repeat(200)}`,
      path: 'src/a.c',
      startLine: index + 1,
    }))
    const result = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expectPlainReport(result)
    expect(result.sent.errorStackTrace).toMatch(/^error: src\/a\.c:1: 0 x/)
    expect(result.sent.errorStackTrace).toMatch(/error: expected 4, got 5\nerror: Process completed/)
  })

  test('it is kept when there is nothing else', async () => {
    await using github = await LocalGitHub.start()
    addFailedJob(github, 'build', { steps: [BARE] }).log = undefined
    const { sent } = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expect(sent.errorMessage).toContain('Process completed with exit code 1.')
    expect(sent.errorStackTrace).toContain('Process completed with exit code 1.')
  })

  test('one that the log does not have stands before the log', async () => {
    await using github = await LocalGitHub.start()
    const job = addFailedJob(github, 'build', { steps: [BARE] })
    job.annotations = [{ message: 'The runner lost its power.' }, { message: 'not ok 3' }, ...job.annotations]
    const { sent } = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expect(sent.errorStackTrace).toMatch(/^error: The runner lost its power\.\nRun npm test\nnot ok 3\n/)
    expect(sent.errorMessage).toContain('The runner lost its power.')
  })

  test('of a job that was cancelled before it began, only the annotations are asked for', async () => {
    await using github = await LocalGitHub.start()
    github.addJob({
      name: 'build',
      conclusion: 'cancelled',
      runnerName: null,
      annotations: [{ message: 'No runner has these labels.' }],
    })
    const result = await reportFrom(github, { needs: needsOf({ build: 'cancelled' }) })
    expectPlainReport(result)
    expect(result.sent.errorMessage).toContain('"build" was cancelled: No runner has these labels.')
    expect(routesAsked(github)).toEqual(['jobs', 'annotations'])
  })

  test('a job that ended without a log or annotation, as when its runner is lost', async () => {
    await using github = await LocalGitHub.start()
    const job = github.addJob({ name: 'build', conclusion: 'failure', steps: [] })
    const { sent, bodies } = await reportFrom(github, { needs: needsOf({ build: 'failure' }) })
    expect(bodies).toHaveLength(1)
    expect(sent.errorStackTrace).toBe('')
    expect(sent.errorMessage).toMatch(/^Job "build" failed\.\n/)
    expect(sent.errorMessage.endsWith(job.htmlUrl)).toBe(true)
  })
})

describe('huge logs are not held in memory, and not read whole where that can be helped', () => {
  const MEGABYTE = 1024 * 1024
  const withOutput = (before: number, after: number): JobLog => ({
    steps: [
      { name: 'Run make', run: 'make', output: () => manyLines(before * MEGABYTE), seconds: 60 },
      { ...FAILED, seconds: 10 },
      { name: 'Run sleep 2', run: 'sleep 2', seconds: 2 },
      { name: 'Run cat all.log', run: 'cat all.log', output: () => manyLines(after * MEGABYTE, 'later'), seconds: 60 },
    ],
  })

  for (const { name, ranges, log, maxMegabytes } of [
    { name: '10 MB, ranges as on github.com', ranges: 'no-suffix', log: withOutput(10, 0), maxMegabytes: 2 },
    { name: '40 MB, no ranges and no length', ranges: 'none', log: withOutput(40, 0), maxMegabytes: 41 },
    { name: 'the failure 12 MB before the end', ranges: 'no-suffix', log: withOutput(2, 12), maxMegabytes: 6 },
  ] as const) {
    test(name, async () => {
      await using github = await LocalGitHub.start({ ranges })
      addFailedJob(github, 'build', log)
      const { result, footprint } = await withFootprint((env) =>
        reportFrom(github, { needs: needsOf({ build: 'failure' }) }, { as: 'process', env }),
      )
      expectPlainReport(result)
      expect(result.sent.errorStackTrace).toContain('not ok 3 - it adds\nerror: expected 4, got 5')
      expect(result.sent.errorStackTrace).not.toMatch(/later|compiling/)
      expect(github.logBytesSent).toBeLessThan(maxMegabytes * MEGABYTE)
      // Without a log it takes 75 to 90 MB; with the whole of one, all of its 40 MB more.
      expect(footprint.peakBytes).toBeLessThan(120 * MEGABYTE)
    })
  }
})
