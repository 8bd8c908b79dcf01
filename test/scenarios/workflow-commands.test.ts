// The runner takes commands from every line of a step's output, so no text from outside may begin one.
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { error, html, invalidRequest } from '../fakes/aws/faults.ts'
import type { StepResult } from '../support/step.ts'
import { report, reportTo } from './reporting.ts'

/** What the action itself says to the runner. */
const MEANT = new Set(['warning', 'error', 'notice', 'debug'])

const EVIL = [
  '::add-path::/tmp/evil',
  ' \t::set-env name=PATH::/tmp/evil',
  '\u00a0::stop-commands::x',
  '\u0085::add-path::/tmp/evil',
  '\u2003::add-mask::a',
  'x ##[add-path]/tmp/evil',
  '###[set-env name=A;]b',
  '##[group]##[add-path]/tmp/evil',
  '%0A::add-path::/tmp/evil',
]

/** Every line of evil, with each kind of line end, and some that only look like one. */
const TEXT = ['\n', '\r', '\r\n', '\v', '\f', '\u2028', '\n\n\n   '].map((end) => EVIL.join(end)).join('\n')
const SHORT = '\n::add-path::/tmp/evil\r::add-path::/tmp/evil\n##[add-path]/tmp/evil'

function expectNoCommandOfOthers(step: StepResult): void {
  expect(step.commands.filter(({ name }) => !MEANT.has(name))).toEqual([])
  expect(step.errors.every((message) => !message.startsWith('x'))).toBe(true)
  // Files of commands: nothing but the outputs, no state, no path.
  expect(
    Object.keys(step.outputs).every((name) => /^(status|error-id|error-message|reported|request-id)$/.test(name)),
  ).toBe(true)
  expect(step.state).toEqual({})
}

describe('a text in an input', () => {
  test.each(['error-id', 'error-message', 'error-stack-trace'])('%s: sent as it is, and no command', async (input) => {
    for (const dryRun of ['true', 'false']) {
      const { step, bodies } = await report({ status: 'FAILED', [input]: `a${TEXT}`, 'dry-run': dryRun })
      expectNoCommandOfOthers(step)
      if (dryRun === 'false') expect(JSON.stringify(bodies[0])).toContain('::add-path::/tmp/evil')
      expect(step.exitCode).toBe(0)
    }
  })

  test('task-id', async () => {
    for (const taskId of [`abc${SHORT}`, '::error::x', '##[error]x', `\u0085::error::x`]) {
      for (const dryRun of ['true', 'false']) {
        const { step } = await report({ 'task-id': taskId, 'dry-run': dryRun, status: 'FAILED' })
        expectNoCommandOfOthers(step)
        expect(step.errors.length).toBeLessThan(2)
      }
    }
  })

  test.each([
    'task-id',
    'status',
    'needs',
    'allowed-skips',
    'allowed-failures',
    'precondition',
    'timeout-seconds',
    'fail-on-error',
    'dry-run',
    'summary',
    'job-status',
    'aws-region',
    'role-to-assume',
    'role-session-name',
    'audience',
    'error-stack-trace-file',
    'github-token',
    'check-run-id',
  ])('%s', async (input) => {
    for (const text of [`x${SHORT}\u0000`.replaceAll('\u0000', ''), '::add-path::/tmp/evil', '##[add-path]/tmp/evil']) {
      const { step } = await report(
        { status: 'FAILED', 'role-to-assume': 'arn:aws:iam::123456789012:role/ci', [input]: text },
        { env: { AWS_ENDPOINT_URL_STS: 'http://127.0.0.1:9', GITHUB_API_URL: 'http://127.0.0.1:9' } },
      )
      expectNoCommandOfOthers(step)
    }
  })
})

test('a stack trace file, and the name of one that is not there', async () => {
  const inputs = { status: 'FAILED', 'error-stack-trace-file': 'log' }
  const { step } = await report(inputs, { files: { log: TEXT.repeat(100) } })
  expectNoCommandOfOthers(step)
  expect(step.exitCode).toBe(0)
  const missing = await report({ ...inputs, 'error-stack-trace-file': `x${SHORT}` })
  expectNoCommandOfOthers(missing.step)
  expect(missing.step.warnings).toHaveLength(1)
})

test.concurrent('the built action, for texts and a message of the service', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(error('SomethingNew', TEXT))
  const texts = { 'error-id': `a${TEXT}`, 'error-message': `a${TEXT}`, 'error-stack-trace': `a${TEXT}` }
  const { step } = await reportTo(service, { status: 'FAILED', ...texts }, { as: 'process' })
  expectNoCommandOfOthers(step)
  expect(step.errors).toHaveLength(1)
})

describe('a message of the service', () => {
  test.each([
    ['that ends it', error('SomethingNew', TEXT)],
    ['that is tried again', error('ThrottlingException', TEXT)],
    ['with status 500', error('InternalServiceError', TEXT, 500)],
    ['that refuses the fields', invalidRequest(TEXT)],
    ['whose code is evil', error(`X${SHORT}`, 'oops')],
    ['whose code is a command', error('::add-path::/tmp/evil', 'oops', 500)],
    ['that is a page', { ...html(502), text: TEXT } as ReturnType<typeof html>],
  ])('%s', async (_name, fault) => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(fault)
    const { step } = await reportTo(service, { status: 'FAILED', 'error-id': 'E' })
    expectNoCommandOfOthers(step)
    expect(step.errors.length).toBeLessThan(2)
  })
})

test('names and values in the environment', async () => {
  const names = ['GITHUB_REPOSITORY', 'GITHUB_SERVER_URL', 'GITHUB_RUN_ID', 'AWS_PROFILE', 'AWS_REGION', 'HTTPS_PROXY']
  for (const name of names) {
    const { step } = await report({ 'timeout-seconds': '2' }, { env: { [name]: `x${SHORT}` } })
    expectNoCommandOfOthers(step)
  }
  const { step } = await report(
    { 'timeout-seconds': '2' },
    { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: `http://x${SHORT}` } },
  )
  expectNoCommandOfOthers(step)
})

test.each(['GITHUB_JOB', 'GITHUB_WORKFLOW', 'GITHUB_REPOSITORY', 'GITHUB_RUN_NUMBER', 'GITHUB_SERVER_URL'])(
  '%s in the evidence of a failure',
  async (name) => {
    for (const dryRun of ['true', 'false']) {
      const { step } = await report({ status: 'FAILED', 'dry-run': dryRun }, { env: { [name]: `x${SHORT}` } })
      expectNoCommandOfOthers(step)
      expect(step.outputs['error-message']).toContain('add-path')
      expect(step.exitCode).toBe(0)
    }
  },
)

test('values for GITHUB_OUTPUT stay within their block', async () => {
  const message = 'a\nreported=false\nghadelimiter_x\nstatus<<EOF\nFAKE\nEOF'
  const { step } = await report({ status: 'FAILED', 'error-message': message, 'error-id': message })
  expect(step.outputs).toMatchObject({
    status: 'FAILED',
    reported: 'true',
    'error-message': message,
    'error-id': message,
  })
})

test('a runner without GITHUB_OUTPUT (before 2022) gets no other commands than set-output', async () => {
  const { step } = await report(
    { status: 'FAILED', 'error-message': `a${TEXT}` },
    { env: { GITHUB_OUTPUT: undefined } },
  )
  const names = step.commands.map(({ name }) => name)
  expect(names.filter((name) => name !== 'set-output' && !MEANT.has(name))).toEqual([])
  expect(step.exitCode).toBe(0)
})
