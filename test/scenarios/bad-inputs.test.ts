// One mistake of each kind in each input, as a whole step tells it. test/unit/inputs has the others.
import { describe, expect, test } from '@jest/globals'
import { type ReportingOptions, report } from './reporting.ts'

type Inputs = Readonly<Record<string, string>>

/** Fails before any call, with one annotation of one line that has all of these words in it. */
async function expectRefusal(inputs: Inputs, words: readonly string[], options?: ReportingOptions): Promise<void> {
  const { step, bodies } = await report(inputs, options)
  expect(bodies).toEqual([])
  expect(step.exitCode).toBe(1)
  expect(step.errors).toHaveLength(1)
  expect(step.commands.filter(({ name }) => name !== 'debug')).toHaveLength(1)
  for (const word of words) expect(step.errors[0]).toContain(word)
  expect(step.errors[0]).not.toMatch(/[\r\n]/)
  // However long the value is: it is shown in part.
  expect(step.errors[0]?.length).toBeLessThan(1_000)
  expect(step.stderr).toBe('')
  expect(step.outputs['reported'] ?? 'false').toBe('false')
}

const ROLE = 'arn:aws:iam::123456789012:role/'
const STATUSES = ['FINISHED', 'FAILED', 'FALSE', 'success', 'failure', 'cancelled', 'timed_out', 'startup_failure']
const REGION = ['for input "aws-region"', '63 letters', 'such as us-east-1']

test.each<[string, Inputs, string[]]>([
  ['task-id is empty', { 'task-id': '' }, ['task-id', 'PollForTask']],
  ['task-id is white space', { 'task-id': ' \t\n ' }, ['task-id', 'PollForTask']],
  ['task-id is too long', { 'task-id': 'x'.repeat(2049) }, ['task-id', '2049', '2048', 'xxxxx']],
  ['task-id is too long, beyond the BMP', { 'task-id': '\u{1f600}'.repeat(2049) }, ['task-id', '2049', '2048']],
  ['task-id has 100 KiB', { 'task-id': 'A'.repeat(100 * 1024) }, ['task-id', '102400', '2048']],
  ['task-id has an escape character', { 'task-id': 'abc\u001bdef' }, ['task-id', 'abc']],
  ['task-id has U+FFFE', { 'task-id': 'abc\ufffedef' }, ['task-id', 'abc']],
  ['status is no word of one', { status: 'skipped' }, ['status', '"skipped"', ...STATUSES]],
  ['status is an expression in quotes', { status: '${{ job.status }}' }, ['"${{ job.status }}"']],
  ['status is very long', { status: `no${'o'.repeat(30_000)}` }, ['nooooo']],
  ['status has lines', { status: 'a\r\nb\nc' }, ['status']],
  ['job-status is empty', { 'job-status': '' }, ['job-status', '""', 'success', 'failure', 'cancelled']],
  ['job-status is another word', { 'job-status': 'unknown' }, ['job-status', '"unknown"', 'success']],
  ...['precondition', 'fail-on-error', 'dry-run', 'summary'].map((name): [string, Inputs, string[]] => [
    `${name} is neither true nor false`,
    { [name]: 'yes' },
    [name, '"yes"', 'true', 'false'],
  ]),
  ['timeout-seconds is too short', { 'timeout-seconds': '0' }, ['timeout-seconds', '"0"', 'whole number']],
  ['timeout-seconds is too long', { 'timeout-seconds': '3601' }, ['timeout-seconds', '"3601"', 'whole number']],
  ['timeout-seconds is no number', { 'timeout-seconds': '1.5' }, ['timeout-seconds', '"1.5"', 'whole number']],
  ...['reporter', 'arn:aws:iam::123456789012:user/me', 'arn:aws:iam::123:role/x'].map(
    (arn): [string, Inputs, string[]] => [
      `role-to-assume is ${arn}`,
      { 'role-to-assume': arn },
      ['role-to-assume', JSON.stringify(arn), 'arn:aws:iam::'],
    ],
  ),
  [
    'role-to-assume is a session',
    { 'role-to-assume': 'arn:aws:sts::123456789012:assumed-role/x/y' },
    ['role-to-assume', 'arn:aws:iam::'],
  ],
  [
    'role-to-assume is too long',
    { 'role-to-assume': ROLE.padEnd(2049, 'r') },
    ['for input "role-to-assume"', 'rrrr…', '2048 characters'],
  ],
  [
    'audience is too long',
    { 'role-to-assume': `${ROLE}ci`, audience: 'a'.repeat(1025) },
    ['for input "audience"', 'aaaa…', '1024 characters'],
  ],
  ['aws-region is very long', { 'aws-region': 'u'.repeat(90_000) }, ['uuuu…', ...REGION]],
  ['aws-region is too long', { 'aws-region': 'u'.repeat(64) }, ['uuuu', ...REGION]],
  ...['us east 1', 'us-east-1/../..', 'https://example.com', 'us-east-1\n::error::x', '@evil.example'].map(
    (region): [string, Inputs, string[]] => [
      `aws-region is ${JSON.stringify(region)}`,
      { 'aws-region': region },
      ['aws-region'],
    ],
  ),
  // It is not a report that could not be made.
  ['with fail-on-error false', { status: 'done', 'fail-on-error': 'false' }, ['status', '"done"']],
  ['in a dry run', { status: 'done', 'dry-run': 'true' }, ['status', '"done"']],
])('refused: %s', async (_name, inputs, words) => {
  await expectRefusal(inputs, words)
})

test.concurrent.each<[string, Inputs, string[], Record<string, undefined>]>([
  ['status is no word of one', { status: 'done' }, ['"done"', ...STATUSES], {}],
  ['task-id is not given at all', {}, ['task-id'], { 'INPUT_TASK-ID': undefined }],
])('refused by the built action: %s', async (_name, inputs, words, env) => {
  await expectRefusal(inputs, words, { as: 'process', env })
})

describe('taken', () => {
  test.each([
    ['one character', 'x'],
    ['2048 characters', 'x+/=:'.repeat(500).slice(0, 2048)],
    ['emoji', '\u{1f600}'.repeat(5)],
  ])('task-id of %s, which is sent as it is', async (_name, taskId) => {
    const { bodies } = await report({ 'task-id': taskId })
    expect(bodies).toMatchObject([{ taskId }])
  })

  test.each<[string, string]>([
    ...['precondition', 'fail-on-error', 'dry-run', 'summary'].flatMap((name): [string, string][] => [
      [name, 'FALSE'],
      [name, ' true '],
    ]),
    ...['1', '3600', ' 30 '].map((value): [string, string] => ['timeout-seconds', value]),
  ])('%s: %j', async (name, value) => {
    const { step } = await report({ [name]: value })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
  })
})
