import { describe, expect, test } from '@jest/globals'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { needsOf, reportFrom, withFootprint } from './asking-github.ts'

/** The line that a workflow should have. */
const NEEDS_LINE = 'needs: ${{ toJSON(needs) }}'

// test/unit/domain has every outcome of every job, with and without allowances.
describe('the outcome of a job with needed jobs', () => {
  type Row = readonly [
    name: string,
    needs: string | Record<string, string>,
    expected: string,
    more?: { own?: string; inputs?: Record<string, string> },
  ]

  // What is expected is the error id of a FAILED report, or another status.
  test.each<Row>([
    ['all succeeded', { build: 'success', test: 'success' }, 'FINISHED'],
    ['one failed, though this job succeeded', { build: 'success', test: 'failure' }, 'NeededJobFailed'],
    ['one was cancelled', { build: 'success', test: 'cancelled' }, 'NeededJobCancelled'],
    ['one was skipped', { build: 'success', test: 'skipped' }, 'NeededJobSkipped'],
    ['one of each', { a: 'skipped', b: 'cancelled', c: 'failure', d: 'success' }, 'NeededJobFailed'],
    ['this job failed, and a needed one was only skipped', { build: 'skipped' }, 'JobFailed', { own: 'failure' }],
    ['this job was cancelled', { build: 'success' }, 'JobCancelled', { own: 'cancelled' }],
    ['this job was cancelled, and a needed one failed', { build: 'failure' }, 'NeededJobFailed', { own: 'cancelled' }],
    // The needed job came first, and this one perhaps failed for it.
    ['this job failed, and so did a needed one', { build: 'failure' }, 'NeededJobFailed', { own: 'failure' }],
    ['an allowed skip', { build: 'success', deploy: 'skipped' }, 'FINISHED', { inputs: { 'allowed-skips': 'deploy' } }],
    [
      'allowed failures by names on lines, with commas and spaces',
      { lint: 'failure', docs: 'cancelled', e2e: 'failure', build: 'success' },
      'FINISHED',
      { inputs: { 'allowed-failures': '\n  lint\r\n docs , e2e,\n\n' } },
    ],
    [
      'an allowed skip that failed',
      { deploy: 'failure' },
      'NeededJobFailed',
      { inputs: { 'allowed-skips': 'deploy' } },
    ],
    [
      'an allowed failure that was skipped',
      { deploy: 'skipped' },
      'NeededJobSkipped',
      { inputs: { 'allowed-failures': 'deploy' } },
    ],
    ['a failed precondition does not hold', { check: 'failure' }, 'FALSE', { inputs: { precondition: 'true' } }],
    ['a skipped precondition', { check: 'skipped' }, 'NeededJobSkipped', { inputs: { precondition: 'true' } }],
    ['a precondition that holds', { check: 'success' }, 'FINISHED', { inputs: { precondition: 'true' } }],
    ['a given status counts', { build: 'failure' }, 'FINISHED', { inputs: { status: 'FINISHED' } }],
    ['a given FAILED', { build: 'failure' }, 'ReportedFailed', { inputs: { status: 'FAILED' } }],
    // What toJSON(needs.*.result) gives.
    ['results without names, all success', '[\n  "success",\n  "success"\n]', 'FINISHED'],
    ['results without names, one failure', '["success","failure"]', 'NeededJobFailed'],
    ['results without names, one cancelled', '["skipped","cancelled"]', 'NeededJobCancelled'],
    ['results without names, of a precondition', '["failure"]', 'FALSE', { inputs: { precondition: 'true' } }],
    [
      'results that the workflow gives names',
      '{"load": {"result": "success"}, "docs": {"result": "skipped"}}',
      'FINISHED',
      { inputs: { 'allowed-skips': 'docs' } },
    ],
  ])('%s', async (_name, needs, expected, { own = 'success', inputs = {} } = {}) => {
    await using github = await LocalGitHub.start()
    const { step, bodies } = await reportFrom(
      github,
      { needs: typeof needs === 'string' ? needs : needsOf(needs), 'github-token': '', ...inputs },
      { jobStatus: own },
    )
    expect(step.errors).toEqual([])
    const isFailed = !/^[A-Z]+$/.test(expected)
    const [taskStatus, errorId] = isFailed ? ['FAILED', `GitHubActions:${expected}`] : [expected, undefined]
    expect(bodies).toEqual([expect.objectContaining({ taskStatus, ...(isFailed && { errorId }) })])
    expect(step.outputs).toMatchObject({ status: taskStatus, 'error-id': errorId ?? '' })
    if (!isFailed) {
      expect(Object.keys(bodies[0] ?? {})).toEqual(['taskId', 'taskStatus'])
      expect(step.notices).toEqual([])
    }
    expect(github.requests).toEqual([])
  })
})

// test/unit/inputs/needs.test.ts has the others.
describe('inputs that can not be meant are refused before any call', () => {
  test.each<[string, Record<string, string>, string[]]>([
    ['no JSON', { needs: 'build, test' }, [NEEDS_LINE, 'build, test']],
    ['the steps context', { needs: '{"a":{"outcome":"success"}}' }, [NEEDS_LINE]],
    [
      'an unknown word in a list',
      { needs: '["success","neutral"]' },
      ['"neutral"', 'success, failure, cancelled, skipped', 'needs: ${{ toJSON(needs.*.result) }}'],
    ],
    ['no needed jobs, spread over lines', { needs: '{\n}' }, ['needs', 'needs no other job']],
    [
      'a misspelt allowed failure',
      { needs: needsOf({ build: 'success', 'unit-tests': 'failure' }), 'allowed-failures': 'build\nUnit-tests' },
      ['allowed-failures', '"Unit-tests"', 'build', 'unit-tests'],
    ],
    ['an allowed skip without needs', { 'allowed-skips': 'build' }, ['allowed-skips', NEEDS_LINE]],
  ])('%s', async (_name, inputs, says) => {
    await using github = await LocalGitHub.start()
    const { step, bodies } = await reportFrom(github, inputs)
    expect(step.exitCode).toBe(1)
    expect(step.errors).toHaveLength(1)
    for (const text of says) expect(step.errors[0]).toContain(text)
    expect(bodies).toEqual([])
    expect(github.requests).toEqual([])
  })

  test('a hostile text is shown on one line, and not all of it', async () => {
    await using github = await LocalGitHub.start()
    const { step } = await reportFrom(github, { needs: `\n::warning::gotcha\n##[error]${'x'.repeat(5000)}` })
    expect(step.exitCode).toBe(1)
    expect(step.commands.map(({ name }) => name)).toEqual(['error'])
    expect(step.errors[0]?.length).toBeLessThan(600)
  })
})

test.concurrent('outputs of needed jobs that are too large for an input: their results are not', async () => {
  await using github = await LocalGitHub.start()
  const outputs = { tasks: 'x'.repeat(140_000) }
  const jobs = { poll: { result: 'success', outputs }, work: { result: 'failure', outputs: {} } }
  const report = (needs: unknown) =>
    reportFrom(github, { needs: JSON.stringify(needs, null, 2), 'github-token': '' }, { as: 'process' })
  // Else this test would prove nothing.
  if (process.platform === 'linux') await expect(report(jobs)).rejects.toThrow('E2BIG')
  const { step, sent } = await report(Object.values(jobs).map(({ result }) => result))
  expect(step).toMatchObject({ exitCode: 0, errors: [] })
  expect(sent).toMatchObject({ taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' })
})

test.concurrent('a FINISHED report asks GitHub nothing and does not load its client', async () => {
  await using github = await LocalGitHub.start()
  const own = github.addJob({ name: 'report' })
  const { result, footprint } = await withFootprint((env) =>
    reportFrom(github, { needs: needsOf({ build: 'success' }) }, { as: 'process', env, checkRunId: own.id }),
  )
  expect(result.bodies).toEqual([{ taskId: expect.any(String), taskStatus: 'FINISHED' }])
  expect(footprint.loaded).toEqual(['dist/index.js', 'dist/actions/index.js'])
  expect(github.requests).toEqual([])

  const { footprint: ofFailure } = await withFootprint((env) =>
    reportFrom(github, { needs: needsOf({ build: 'failure' }) }, { as: 'process', env, checkRunId: own.id }),
  )
  // Else this test would prove nothing.
  expect(ofFailure.loaded.length).toBeGreaterThan(2)
})
