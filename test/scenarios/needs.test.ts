import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { needsOf, reportFrom, withFootprint } from './asking-github.ts'

/** The line that a workflow should have. */
const NEEDS_LINE = 'needs: ${{ toJSON(needs) }}'

describe('the outcome of a job with needed jobs', () => {
  for (const { name, own = 'success', needs, inputs = {}, expected } of [
    {
      name: 'all succeeded: FINISHED',
      needs: { build: 'success', test: 'success' },
      expected: { taskStatus: 'FINISHED' },
    },
    {
      name: 'one failed: FAILED, though this job succeeded',
      needs: { build: 'success', test: 'failure' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' },
    },
    {
      name: 'one was cancelled',
      needs: { build: 'success', test: 'cancelled' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobCancelled' },
    },
    {
      name: 'one was skipped',
      needs: { build: 'success', test: 'skipped' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobSkipped' },
    },
    {
      name: 'one of each: the failure is the worst',
      needs: { a: 'skipped', b: 'cancelled', c: 'failure', d: 'success' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' },
    },
    {
      name: 'cancelled is worse than skipped',
      needs: { a: 'skipped', b: 'cancelled' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobCancelled' },
    },
    {
      name: 'this job failed itself',
      own: 'failure',
      needs: { build: 'success' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:JobFailed' },
    },
    {
      name: 'this job failed, and a needed one was only skipped',
      own: 'failure',
      needs: { build: 'skipped' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:JobFailed' },
    },
    {
      name: 'this job was cancelled',
      own: 'cancelled',
      needs: { build: 'success' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:JobCancelled' },
    },
    {
      name: 'this job was cancelled, and a needed one had failed',
      own: 'cancelled',
      needs: { build: 'failure' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' },
    },
    {
      // The needed job came first, and this one perhaps failed for it.
      name: 'this job failed, and so did a needed one',
      own: 'failure',
      needs: { build: 'failure' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' },
    },
    {
      name: 'this job was cancelled, and so was a needed one',
      own: 'cancelled',
      needs: { build: 'cancelled' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobCancelled' },
    },
    {
      name: 'an allowed skip',
      needs: { build: 'success', deploy: 'skipped' },
      inputs: { 'allowed-skips': 'deploy' },
      expected: { taskStatus: 'FINISHED' },
    },
    {
      name: 'an allowed failure and an allowed cancellation',
      needs: { lint: 'failure', docs: 'cancelled', build: 'success' },
      inputs: { 'allowed-failures': 'lint,docs' },
      expected: { taskStatus: 'FINISHED' },
    },
    {
      name: 'names on lines, with commas and spaces',
      needs: { lint: 'failure', docs: 'cancelled', e2e: 'failure', build: 'success' },
      inputs: { 'allowed-failures': '\n  lint\r\n docs , e2e,\n\n' },
      expected: { taskStatus: 'FINISHED' },
    },
    {
      name: 'an allowed skip that failed',
      needs: { deploy: 'failure' },
      inputs: { 'allowed-skips': 'deploy' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' },
    },
    {
      name: 'an allowed failure that was skipped',
      needs: { deploy: 'skipped' },
      inputs: { 'allowed-failures': 'deploy' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobSkipped' },
    },
    {
      name: 'a failed precondition does not hold',
      needs: { check: 'failure' },
      inputs: { precondition: 'true' },
      expected: { taskStatus: 'FALSE' },
    },
    {
      name: 'a cancelled precondition came to no answer',
      needs: { check: 'cancelled' },
      inputs: { precondition: 'true' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobCancelled' },
    },
    {
      name: 'a skipped precondition came to no answer',
      needs: { check: 'skipped' },
      inputs: { precondition: 'true' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobSkipped' },
    },
    {
      name: 'a precondition that holds',
      needs: { check: 'success' },
      inputs: { precondition: 'true' },
      expected: { taskStatus: 'FINISHED' },
    },
    {
      name: 'a given status counts, whatever became of the needed jobs',
      needs: { build: 'failure' },
      inputs: { status: 'FINISHED' },
      expected: { taskStatus: 'FINISHED' },
    },
    {
      name: 'a given FAILED',
      needs: { build: 'failure' },
      inputs: { status: 'FAILED' },
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:ReportedFailed' },
    },
    // What toJSON(needs.*.result) gives.
    {
      name: 'results without names, all success',
      needs: '[\n  "success",\n  "success"\n]',
      expected: { taskStatus: 'FINISHED' },
    },
    {
      name: 'results without names, one failure',
      needs: '["success","failure"]',
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' },
    },
    {
      name: 'results without names, one cancelled',
      needs: '["skipped","cancelled"]',
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobCancelled' },
    },
    {
      name: 'results without names, one skipped',
      needs: '["skipped","success"]',
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobSkipped' },
    },
    {
      name: 'results without names, and this job was cancelled',
      own: 'cancelled',
      needs: '["success"]',
      expected: { taskStatus: 'FAILED', errorId: 'GitHubActions:JobCancelled' },
    },
    {
      name: 'results without names, of a precondition that does not hold',
      needs: '["failure"]',
      inputs: { precondition: 'true' },
      expected: { taskStatus: 'FALSE' },
    },
    {
      name: 'results that the workflow gives names',
      needs: '{"load": {"result": "success"}, "docs": {"result": "skipped"}}',
      inputs: { 'allowed-skips': 'docs' },
      expected: { taskStatus: 'FINISHED' },
    },
  ]) {
    test(name, async () => {
      await using github = await LocalGitHub.start()
      const { step, bodies } = await reportFrom(
        github,
        { needs: typeof needs === 'string' ? needs : needsOf(needs), 'github-token': '', ...inputs },
        { jobStatus: own },
      )
      expect(step.errors).toEqual([])
      expect(bodies).toEqual([expect.objectContaining(expected)])
      expect(step.outputs).toMatchObject({ status: expected.taskStatus, 'error-id': bodies[0]?.errorId ?? '' })
      if (expected.taskStatus !== 'FAILED') {
        expect(Object.keys(bodies[0] ?? {})).toEqual(['taskId', 'taskStatus'])
        expect(step.notices).toEqual([])
      }
      expect(github.requests).toEqual([])
    })
  }
})

describe('inputs that can not be meant are refused before any call', () => {
  const ok = { needs: needsOf({ build: 'success', 'unit-tests': 'failure' }) }
  for (const { name, inputs, says } of [
    { name: 'no JSON', inputs: { needs: 'build, test' }, says: [NEEDS_LINE, 'build, test'] },
    { name: 'what ${{ needs }} gives', inputs: { needs: 'Object' }, says: [NEEDS_LINE] },
    { name: 'an expression in quotes', inputs: { needs: 'toJSON(needs)' }, says: [NEEDS_LINE] },
    { name: 'JSON cut short', inputs: { needs: needsOf({ build: 'success' }).slice(0, -3) }, says: [NEEDS_LINE] },
    { name: 'null', inputs: { needs: 'null' }, says: [NEEDS_LINE] },
    { name: 'a text', inputs: { needs: '"success"' }, says: [NEEDS_LINE] },
    { name: 'a list', inputs: { needs: '[{"result":"success"}]' }, says: [NEEDS_LINE] },
    { name: 'an empty list', inputs: { needs: '[]' }, says: ['"needs" is []', 'needs no other job'] },
    {
      name: 'an unknown word in a list',
      inputs: { needs: '["success","neutral"]' },
      says: ['"neutral"', 'success, failure, cancelled, skipped', 'needs: ${{ toJSON(needs.*.result) }}'],
    },
    { name: 'one needed job, not all', inputs: { needs: '{"result":"success","outputs":{}}' }, says: [NEEDS_LINE] },
    { name: 'results without their jobs', inputs: { needs: '{"build":"success"}' }, says: [NEEDS_LINE] },
    { name: 'the steps context', inputs: { needs: '{"a":{"outcome":"success"}}' }, says: [NEEDS_LINE] },
    { name: 'an unknown result', inputs: { needs: '{"a":{"result":"neutral"}}' }, says: [NEEDS_LINE] },
    { name: 'a result in capitals', inputs: { needs: '{"a":{"result":"Success"}}' }, says: [NEEDS_LINE] },
    // A job that lists no needs would be reported as FINISHED whatever failed before it.
    { name: 'no needed jobs', inputs: { needs: '{}' }, says: ['needs', '{}'] },
    { name: 'no needed jobs, spread over lines', inputs: { needs: '{\n}' }, says: ['needs'] },
    {
      name: 'a misspelt allowed skip',
      inputs: { ...ok, 'allowed-skips': 'unit-test' },
      says: ['allowed-skips', '"unit-test"', 'build', 'unit-tests'],
    },
    {
      name: 'a misspelt allowed failure',
      inputs: { ...ok, 'allowed-failures': 'build\nUnit-tests' },
      says: ['allowed-failures', '"Unit-tests"', 'build', 'unit-tests'],
    },
    {
      name: 'an allowed skip where the results have no names',
      inputs: { needs: '["success","skipped"]', 'allowed-skips': 'build' },
      says: ['allowed-skips', 'without names', NEEDS_LINE],
    },
    {
      name: 'an allowed failure where the results have no names',
      inputs: { needs: '["failure"]', 'allowed-failures': 'build' },
      says: ['allowed-failures', 'without names', NEEDS_LINE],
    },
    {
      name: 'an allowed skip without needs',
      inputs: { 'allowed-skips': 'build' },
      says: ['allowed-skips', NEEDS_LINE],
    },
    {
      name: 'an allowed failure without needs',
      inputs: { 'allowed-failures': 'build' },
      says: ['allowed-failures', NEEDS_LINE],
    },
  ]) {
    test(name, async () => {
      await using github = await LocalGitHub.start()
      await using service = await LocalDataPipeline.start()
      const { step } = await reportFrom(github, inputs, { service })
      expect(step.exitCode).toBe(1)
      expect(step.errors).toHaveLength(1)
      for (const text of says) expect(step.errors[0]).toContain(text)
      expect(service.requests).toEqual([])
      expect(github.requests).toEqual([])
    })
  }

  test('a hostile text is shown on one line, and not all of it', async () => {
    await using github = await LocalGitHub.start()
    const { step } = await reportFrom(github, { needs: `\n::warning::gotcha\n##[error]${'x'.repeat(5000)}` })
    expect(step.exitCode).toBe(1)
    expect(step.commands.map(({ name }) => name)).toEqual(['error'])
    expect(step.errors[0]?.length).toBeLessThan(600)
  })
})

test('outputs of needed jobs that are too large for an input: their results are not', async () => {
  await using github = await LocalGitHub.start()
  const outputs = { tasks: 'x'.repeat(140_000) }
  const jobs = { poll: { result: 'success', outputs }, work: { result: 'failure', outputs: {} } }
  const report = (needs: unknown) => reportFrom(github, { needs: JSON.stringify(needs, null, 2), 'github-token': '' })
  // Else this test would prove nothing.
  if (process.platform === 'linux') await expect(report(jobs)).rejects.toThrow('E2BIG')
  const { step, sent } = await report(Object.values(jobs).map(({ result }) => result))
  expect(step).toMatchObject({ exitCode: 0, errors: [] })
  expect(sent).toMatchObject({ taskStatus: 'FAILED', errorId: 'GitHubActions:NeededJobFailed' })
})

test('a FINISHED report asks GitHub nothing and does not load its client', async () => {
  await using github = await LocalGitHub.start()
  const own = github.addJob({ name: 'report' })
  const { result, footprint } = await withFootprint((env) =>
    reportFrom(github, { needs: needsOf({ build: 'success' }) }, { env, checkRunId: own.id }),
  )
  expect(result.bodies).toEqual([{ taskId: expect.any(String), taskStatus: 'FINISHED' }])
  expect(footprint.loaded).toEqual(['dist/index.js', 'dist/actions/index.js'])
  expect(github.requests).toEqual([])

  const { footprint: ofFailure } = await withFootprint((env) =>
    reportFrom(github, { needs: needsOf({ build: 'failure' }) }, { env, checkRunId: own.id }),
  )
  // Else this test would prove nothing.
  expect(ofFailure.loaded.length).toBeGreaterThan(2)
})
