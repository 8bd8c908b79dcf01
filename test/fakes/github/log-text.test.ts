import { expect, test } from '@jest/globals'
import { manyLines, writeJobLog } from './log-text.ts'

const failing = {
  steps: [
    { name: 'Check out', uses: 'actions/checkout@v5', with: { 'fetch-depth': '1', token: '***' }, post: true },
    {
      name: 'Run tests',
      run: 'npm ci\nnpm test',
      env: { CI: 'true' },
      output: ['\u001b[31mnot ok 3\u001b[39m 🚨'],
      errors: ['expected 1\nreceived 2'],
      conclusion: 'failure' as const,
      exitCode: 2,
    },
    { name: 'Publish', run: 'npm publish', conclusion: 'skipped' as const },
  ],
}

test('is a job’s log as the runner writes it', () => {
  const text = writeJobLog(failing).text()
  const lines = text.split('\n')

  expect(text).toMatch(/^\ufeff2026-01-02T03:04:05\.0000003Z Current runner version: '2\./)
  expect(lines.at(-1)).toBe('')
  const stamp = /^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z /
  const bare = lines.slice(0, -1).map((line) => line.replace(stamp, ''))
  const from = bare.indexOf('##[group]Run npm ci')
  expect(bare.slice(from, bare.indexOf('Post job cleanup.') + 1)).toEqual([
    '##[group]Run npm ci',
    '\u001b[36;1mnpm ci\u001b[0m',
    '\u001b[36;1mnpm test\u001b[0m',
    'shell: /usr/bin/bash -e {0}',
    'env:',
    '  CI: true',
    '##[endgroup]',
    '\u001b[31mnot ok 3\u001b[39m 🚨',
    '##[error]expected 1',
    'received 2',
    '##[error]Process completed with exit code 2.',
    'Post job cleanup.',
  ])
  expect(lines.slice(0, -1).filter((line) => !stamp.test(line))).toEqual(['received 2'])
  expect(bare.at(-1)).toBe('Cleaning up orphan processes')
  expect(text).not.toContain('npm publish')
})

test('has the steps and annotations that the API shows', () => {
  const { steps, annotations } = writeJobLog(failing)

  expect(steps.map(({ number, name, conclusion }) => [number, name, conclusion])).toEqual([
    [1, 'Set up job', 'success'],
    [2, 'Check out', 'success'],
    [3, 'Run tests', 'failure'],
    [4, 'Publish', 'skipped'],
    [5, 'Post Check out', 'success'],
    [6, 'Complete job', 'success'],
  ])
  expect(steps[2]).toMatchObject({ startedAt: '2026-01-02T03:04:07Z', completedAt: '2026-01-02T03:04:09Z' })
  expect(annotations).toEqual([
    { level: 'failure', message: 'expected 1\nreceived 2', startLine: 9 },
    { level: 'failure', message: 'Process completed with exit code 2.', startLine: 10 },
  ])
})

test('runs post steps last in, first out', () => {
  const { steps } = writeJobLog({
    steps: [
      { name: 'Check out', uses: 'actions/checkout@v5', post: true },
      { name: 'Assume a role', uses: 'aws-actions/configure-aws-credentials@v5', post: true },
    ],
  })

  expect(steps.map(({ name }) => name).slice(3)).toEqual(['Post Assume a role', 'Post Check out', 'Complete job'])
})

test('stamps the lines of a step within its time', () => {
  const log = writeJobLog(failing)
  const line = log
    .text()
    .split('\n')
    .find((text) => text.includes('##[group]Run npm ci'))

  // 1.2 s of setting up and 1.5 s of checking out after the start.
  expect(line).toMatch(/^2026-01-02T03:04:07\.7000003Z /)
})

test('adds no error for an action that fails, and one for a step that is cancelled', () => {
  const { annotations } = writeJobLog({
    steps: [
      { name: 'Action', uses: 'octo/act@v1', errors: ['no such bucket'], conclusion: 'failure' },
      { name: 'Wait', run: 'sleep 600', conclusion: 'cancelled' },
    ],
  })

  expect(annotations.map(({ message }) => message)).toEqual(['no such bucket', 'The operation was canceled.'])
})

test('can end its lines as Windows does, and have no byte order mark', () => {
  const text = writeJobLog({ ...failing, lineEnd: '\r\n', byteOrderMark: false }).text()

  expect(text).not.toContain('\ufeff')
  // The line end within a message stays as it is.
  expect(text.split('\n').filter((line) => line && !line.endsWith('\r'))).toEqual([
    expect.stringMatching(/expected 1$/),
  ])
})

test('starts each block with a byte order mark', () => {
  const output = () => manyLines(5000)
  const text = writeJobLog({ steps: [{ name: 'Run make', run: 'make', output }], blockBytes: 2000 }).text()
  const blocks = text.split('\ufeff').slice(1)

  expect(blocks.length).toBeGreaterThanOrEqual(3)
  for (const block of blocks.slice(0, -1)) expect(block).toMatch(/\n$/)
})

test('generates a given number of bytes of output', () => {
  const size = (bytes: number) =>
    Buffer.byteLength(writeJobLog({ steps: [{ name: 'x', run: 'x', output: () => manyLines(bytes) }] }).text())
  const grown = size(1_000_000) - size(0)

  expect(grown).toBeGreaterThanOrEqual(990_000)
  expect(grown).toBeLessThan(1_010_000)
})
