import { describe, expect, test } from '@jest/globals'
import { slowClock } from '../support/timing.ts'
import { report } from './reporting.ts'

/** Fails before any call, with one annotation that has all of these in it. */
async function expectRefusal(
  inputs: Readonly<Record<string, string>>,
  words: readonly string[],
  options: { jobStatus?: string; env?: Record<string, string | undefined> } = {},
): Promise<void> {
  const { step, bodies } = await report(inputs, options)
  expect(bodies).toEqual([])
  expect(step.exitCode).toBe(1)
  expect(step.errors).toHaveLength(1)
  expect(step.commands.filter(({ name }) => name !== 'debug')).toHaveLength(1)
  for (const word of words) expect(step.errors[0]).toContain(word)
  expect(step.errors[0]).not.toMatch(/\n {4}at /)
  expect(step.stderr).toBe('')
  expect(step.outputs['reported'] ?? 'false').toBe('false')
}

describe('task-id', () => {
  test.concurrent.each([
    ['empty', '', ['task-id', 'PollForTask']],
    ['white space', ' \t\n ', ['task-id', 'PollForTask']],
    ['2049 characters', 'x'.repeat(2049), ['task-id', '2049', '2048', 'xxxxx']],
    ['2049 characters beyond the BMP', '\u{1f600}'.repeat(2049), ['task-id', '2049', '2048']],
    ['100 KiB', 'A'.repeat(100 * 1024), ['task-id', '102400', '2048']],
    ['an escape character', 'abc\u001bdef', ['task-id', 'abc']],
    ['U+FFFE', 'abc\ufffedef', ['task-id', 'abc']],
  ])('%s is refused', async (_name, taskId, words) => {
    await expectRefusal({ 'task-id': taskId }, words)
  })

  test.concurrent('that is not given at all is refused', async () => {
    await expectRefusal({}, ['task-id'], { env: { 'INPUT_TASK-ID': undefined } })
  })

  test.concurrent.each([
    ['one character', 'x'],
    ['2048 characters', 'x+/=:'.repeat(500).slice(0, 2048)],
    ['emoji', '\u{1f600}'.repeat(5)],
  ])('of %s is sent as it is', async (_name, taskId) => {
    const { bodies } = await report({ 'task-id': taskId })
    expect(bodies).toMatchObject([{ taskId }])
  })
})

describe('status', () => {
  test.concurrent.each([
    'done',
    'FINISH',
    'skipped',
    // Conclusions of runs that say nothing of the work.
    'neutral',
    'stale',
    'action_required',
    'true',
    'canceled',
    '0',
    '${{ job.status }}',
    'FINISHED FAILED',
    'ﬁnished',
  ])('%j is refused', async (status) => {
    await expectRefusal({ status }, [
      'status',
      JSON.stringify(status),
      'FINISHED',
      'FAILED',
      'FALSE',
      'success',
      'failure',
      'cancelled',
      'timed_out',
      'startup_failure',
    ])
  })

  test.concurrent('a very long one is shown in part', async () => {
    const { step } = await report({ status: `no${'o'.repeat(30_000)}` })
    expect(step.errors[0]).toContain('nooooo')
    expect(step.errors[0]?.length).toBeLessThan(1000)
  })
})

describe('job-status', () => {
  test.concurrent.each(['', 'skipped', 'unknown'])('%j is refused when the status is derived', async (jobStatus) => {
    await expectRefusal({ 'job-status': jobStatus }, [
      'job-status',
      JSON.stringify(jobStatus),
      'success',
      'failure',
      'cancelled',
    ])
  })
})

describe.each(['precondition', 'fail-on-error', 'dry-run', 'summary'])('%s', (name) => {
  test.concurrent.each(['yes', 'no', '1', '0', 'on', 'tRUE', 'truefalse', 'null', 'true false'])(
    '%j is refused',
    async (value) => {
      await expectRefusal({ [name]: value }, [name, JSON.stringify(value), 'true', 'false'])
    },
  )

  test.concurrent.each(['', 'true', 'True', 'FALSE', ' false '])('%j is taken', async (value) => {
    const { step } = await report({ [name]: value })
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
  })
})

describe('timeout-seconds', () => {
  test.concurrent.each([
    '0',
    '-1',
    '1.5',
    '1e2',
    '0x10',
    'ten',
    '3601',
    '99999999999999999999',
    'Infinity',
    'NaN',
    '12 0',
    '1,000',
    '٣',
  ])('%j is refused', async (value) => {
    await expectRefusal({ 'timeout-seconds': value }, ['timeout-seconds', JSON.stringify(value), 'whole number'])
  })

  test.concurrent.each(['', '1', '3600', ' 30 '])('%j is taken', async (value) => {
    // A second is not enough for a machine that stands still.
    const { step } = await report({ 'timeout-seconds': value }, { env: slowClock(10) })
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
  })
})

describe('the role', () => {
  test.concurrent.each([
    'reporter',
    'arn:aws:iam::123456789012:user/me',
    'arn:aws:iam::123:role/x',
    'arn:aws:sts::123456789012:assumed-role/x/y',
  ])('role-to-assume %j is refused', async (arn) => {
    await expectRefusal({ 'role-to-assume': arn }, ['role-to-assume', JSON.stringify(arn), 'arn:aws:iam::'])
  })
})

describe('a value that is too long names its limit, and is shown in part', () => {
  const role = 'arn:aws:iam::123456789012:role/'

  test.concurrent.each([
    ['role-to-assume', { 'role-to-assume': role.padEnd(2049, 'r') }, ['rrrr…', '2048 characters']],
    ['audience', { 'role-to-assume': `${role}ci`, audience: 'a'.repeat(1025) }, ['aaaa…', '1024 characters']],
    ['aws-region', { 'aws-region': 'u'.repeat(90_000) }, ['uuuu…', '63 letters', 'such as us-east-1']],
    ['aws-region', { 'aws-region': 'u'.repeat(64) }, ['uuuu', '63 letters', 'such as us-east-1']],
  ])('%s', async (name, inputs, words) => {
    await expectRefusal(inputs, [`for input "${name}"`, ...words])
    const { step } = await report(inputs)
    expect(step.errors[0]?.length).toBeLessThan(500)
  })
})

describe('a mistake in an input', () => {
  test.concurrent('fails the step also with fail-on-error false: it is not a report that could not be made', async () => {
    await expectRefusal({ status: 'done', 'fail-on-error': 'false' }, ['status', '"done"'])
  })

  test.concurrent('fails a dry run as well', async () => {
    await expectRefusal({ status: 'done', 'dry-run': 'true' }, ['status', '"done"'])
  })

  test.concurrent('is told without line breaks, so that the annotation is one line', async () => {
    const { step } = await report({ status: 'a\r\nb\nc' })
    expect(step.errors[0]).not.toMatch(/[\r\n]/)
  })
})
