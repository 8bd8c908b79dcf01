import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { excerptOf, hasContent, type LoggedStep, type LoggedSteps } from '../../../src/evidence/log-excerpt.ts'
import { PROPERTY_LIMIT_MS, runs } from '../../properties/runs.ts'

const STARTED = Date.parse('2026-01-02T03:04:05Z')

/** A step that ran in the minute's seconds 5 to 7, as the API tells them. */
const FAILED: LoggedStep = { name: 'Run npm test', startedAt: STARTED, completedAt: STARTED + 2_000 }
const STEP: LoggedSteps = { failed: FAILED, all: [FAILED] }

/** Lines of a log, each with the second of the minute at which it was written; undefined: no time stamp. */
function logOf(...lines: readonly (readonly [second: number | undefined, text: string])[]): string {
  return lines
    .map(([second, text]) =>
      second === undefined ? `${text}\n` : `2026-01-02T03:04:${second.toFixed(7).padStart(10, '0')}Z ${text}\n`,
    )
    .join('')
}

const HEADER = [
  [5.1, '##[group]Run npm test'],
  [5.1, '\u001b[36;1mnpm test\u001b[0m'],
  [5.1, 'shell: /usr/bin/bash -e {0}'],
  [5.1, 'env:'],
  [5.1, '  CI: true'],
  [5.1, '##[endgroup]'],
] as const

describe('hasContent', () => {
  test.each<[string, boolean]>([
    ['Process completed with exit code 1.', false],
    ['Process completed with exit code -1073741510.', false],
    ['  Process completed with exit code 137.\n', false],
    ['', false],
    [' \n', false],
    ['The operation was canceled.', true],
    ['Process completed with exit code 1. And more.', true],
    ['The process completed with exit code 1.', true],
    ['x', true],
  ])('%j: %s', (message, expected) => {
    expect(hasContent(message)).toBe(expected)
  })
})

describe('the lines of the failed step, up to its error', () => {
  test.each<[string, string, string, string | undefined]>([
    [
      'a script',
      logOf(...HEADER, [5.5, 'not ok'], [6, '##[error]Process completed with exit code 1.']),
      'Run npm test\nnot ok\nerror: Process completed with exit code 1.',
      'Process completed with exit code 1.',
    ],
    [
      'the first error that says something',
      logOf(
        ...HEADER,
        [6, '##[error]one'],
        [6.1, '##[error]two'],
        [6.2, '##[error]Process completed with exit code 1.'],
      ),
      'Run npm test\nerror: one\nerror: two\nerror: Process completed with exit code 1.',
      'one',
    ],
    [
      'an error of several lines',
      logOf(...HEADER, [6, '##[error]it broke'], [undefined, '  at a'], [undefined, '  at b'], [6.5, 'later']),
      'Run npm test\nerror: it broke\n  at a\n  at b',
      'it broke\n  at a\n  at b',
    ],
    [
      'warnings are marked, debug lines are left out',
      logOf([5.5, '##[warning]hm'], [5.6, '##[debug]secret'], [6, '##[error]no']),
      'warning: hm\nerror: no',
      'no',
    ],
    [
      'other seconds are left out',
      logOf([4.9, 'before'], [5.5, 'during'], [6, '##[error]no'], [9, '##[error]after']),
      'during\nerror: no',
      'no',
    ],
    ['no error', logOf([4.9, 'before'], [5.5, 'one'], [6.5, 'two'], [9, 'after']), 'one\ntwo', undefined],
    [
      'no error, and cleaning up in the same second',
      logOf([5.5, 'one'], [7.1, 'Post job cleanup.'], [7.2, 'git']),
      'one',
      undefined,
    ],
    [
      'an action prints a group of its own',
      logOf([5.1, '##[group]Fetching'], [5.2, 'x'], [5.3, '##[endgroup]'], [6, '##[error]no']),
      'Fetching\nx\nerror: no',
      'no',
    ],
    ['empty', '', '', undefined],
  ])('%s', (_, log, text, error) => {
    const excerpt = excerptOf(log, STEP)
    expect(excerpt.text.replace(/^##\[group\]/gm, '')).toBe(text)
    expect(excerpt.error).toBe(error)
  })

  test('the same with the line ends of Windows, and with a byte order mark before any line', () => {
    const log = logOf(...HEADER, [5.5, 'not ok'], [6, '##[error]no'])
    const expected = { text: 'Run npm test\nnot ok\nerror: no', error: 'no' }
    expect(excerptOf(log, STEP)).toMatchObject(expected)
    expect(excerptOf(log.replaceAll('\n', '\r\n'), STEP)).toMatchObject(expected)
    expect(excerptOf(log.replaceAll(/^/gm, '\ufeff').replace(/\ufeff$/, ''), STEP)).toMatchObject(expected)
  })

  test('what is written at the very same moment as the error, with a time stamp of its own, is not part of it', () => {
    const log = logOf([5.5, 'x'], [6, '##[error]no'], [6.0000003, 'Post job cleanup.'], [6.0000006, 'git'])
    expect(excerptOf(log, STEP).text).toBe('x\nerror: no')
  })

  test('an end of a log that begins within a line, or within a character', () => {
    const log = `\ufffdf a line that was cut\n${logOf([5.5, 'x'], [6, '##[error]no'])}`
    expect(excerptOf(log, STEP)).toMatchObject({ text: 'x\nerror: no', error: 'no' })
  })

  test('nothing was logged while the step ran: what there is', () => {
    expect(excerptOf(logOf([30, 'x'], [31, '##[error]no'], [32, 'Post job cleanup.']), STEP)).toMatchObject({
      text: 'x\nerror: no',
      error: 'no',
    })
  })

  test('without times: up to the last error before the cleaning up', () => {
    const log = logOf([1, 'x'], [2, '##[error]no'], [3, 'Post job cleanup.'], [4, '##[error]late'], [5, 'orphans'])
    expect(excerptOf(log, undefined)).toMatchObject({ text: 'x\nerror: no', error: 'no' })
  })
})

describe('steps of the same second', () => {
  const at = (name: string, started: number, completed: number): LoggedStep => ({
    name,
    startedAt: STARTED + started * 1_000,
    completedAt: STARTED + completed * 1_000,
  })
  const one = at('Run one', 0, 0)
  const two = at('Run two', 0, 0)
  const three = at('Run three', 0, 0)
  const all = [
    at('Set up job', -3, -2),
    at('Checkout', -2, -1),
    one,
    two,
    three,
    at('Post Checkout', 0, 0),
    at('Complete job', 0, 0),
  ]
  const log = logOf(
    [4, 'setting up'],
    [5.1, '##[group]Run one'],
    [5.1, '##[endgroup]'],
    [5.15, '##[error]first'],
    [5.2, '##[group]Run two'],
    [5.2, '##[endgroup]'],
    [5.25, '##[error]second'],
    [5.3, '##[group]Run three'],
    [5.3, '##[endgroup]'],
    [5.35, '##[error]third'],
    [5.4, 'Post job cleanup.'],
    [5.5, 'Cleaning up orphan processes'],
  )

  test.each([
    ['the first', one, 'Run one\nerror: first'],
    ['the second', two, 'Run two\nerror: second'],
    ['the third', three, 'Run three\nerror: third'],
  ])('are told apart by their headers: %s', (_, failed, text) => {
    expect(excerptOf(log, { failed, all }).text).toBe(text)
  })

  test.each(['Notify', 'Post to the chat', 'Post Mortem'])(
    'a step that the workflow named %j is one like any other',
    (name) => {
      const before = at('Run build', -4, 0)
      const named = at(name, 0, 2)
      const text = logOf(
        [1, '##[group]Run build'],
        [1, '##[endgroup]'],
        [5.05, 'built'],
        [5.1, '##[group]Run notify'],
        [5.1, '##[endgroup]'],
        [6, '##[error]no chat'],
      )
      expect(excerptOf(text, { failed: named, all: [before, named] }).text).toBe('Run notify\nerror: no chat')
    },
  )

  test('an error that belongs to another step is known as such', () => {
    const { isElsewhere } = excerptOf(log, { failed: two, all })
    const messages = ['first', 'second', 'third', 'unknown', 'third\nat x']
    expect(messages.filter(isElsewhere)).toEqual(['first', 'third', 'third\nat x'])
  })
})

describe('whatever the log', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      '\n',
      '\r\n',
      '\r',
      '\ufeff',
      '##[error]',
      '##[group]Run ',
      '##[endgroup]',
      '##[debug]',
      '\u001b[31m',
    ),
    fc.constantFrom(
      'Post job cleanup.',
      '2026-01-02T03:04:05.1234567Z ',
      '2026-01-02T03:04:09Z ',
      '2026-99-99T99:99:99Z ',
    ),
    fc.nat(9_000).map((length) => '🔥'.repeat(length)),
  )
  const log = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''))
  const time = fc.oneof(fc.integer({ min: STARTED - 5_000, max: STARTED + 5_000 }), fc.double())
  const step = fc.record({ name: fc.constantFrom('Run a', 'Set up job', 'Post a'), startedAt: time, completedAt: time })
  const steps = fc.option(
    fc
      .tuple(fc.array(step, { minLength: 1, maxLength: 4 }), fc.nat(3))
      .map(([all, nth]): LoggedSteps => ({ all, failed: all[nth % all.length] ?? FAILED })),
    { nil: undefined },
  )

  test(
    'it gives clean text of at most 4095 characters and 10,240 bytes or what can be cut to it, and never throws',
    () => {
      fc.assert(
        fc.property(log, steps, (text, times) => {
          const excerpt = excerptOf(text, times)
          expect(excerpt.text.length).toBeLessThanOrEqual(4_095)
          expect(excerpt.text).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/)
          expect(excerpt.text.isWellFormed()).toBe(true)
          if (excerpt.error !== undefined) expect(typeof excerpt.error).toBe('string')
        }),
        { numRuns: runs(300) },
      )
    },
    PROPERTY_LIMIT_MS,
  )
})
