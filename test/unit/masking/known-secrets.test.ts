import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { errorIdOf } from '../../../src/domain/error-id.ts'
import { isFixedValue } from '../../../src/domain/fixed-values.ts'
import { errorMessage } from '../../../src/masking/error-message.ts'
import { formatLines, formatValue, quoteValue } from '../../../src/masking/format.ts'
import {
  beginWithSecrets,
  hideSecrets,
  hideTexts,
  withoutSecrets,
  withoutSecretsIn,
} from '../../../src/masking/known-secrets.ts'
import { shortTaskId } from '../../../src/masking/short-task-id.ts'
import { versionsWithout } from '../../../src/report/decision.ts'
import { lossReport } from '../../../src/report/loss-report.ts'
import { errorFieldVersions } from '../../../src/report/sanitize-error-fields.ts'
import { runs } from '../../properties/runs.ts'
import { windowFinder } from '../../support/secret-windows.ts'
import { anyText } from '../../support/texts.ts'

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
hideSecrets([SECRET])
const secretsIn = windowFinder([SECRET])

describe('shown', () => {
  test.each([
    ['plain text', 'a text', 'a text'],
    ['line ends', 'a\n b \r\n\r\nc\u2028d\u2029', 'a b c d'],
    ['colours and control characters', '\u001b[31mred\u001b[0m\u0000\u0007', 'red'],
    ['marks that turn the direction of a text', 'a\u202eb\u2066c\u2069\u200ed', 'abcd'],
    ['joined characters', '\u{1f468}\u200d\u{1f469}', '\u{1f468}\u200d\u{1f469}'],
    ['a secret', `a ${SECRET} b`, 'a *** b'],
    ['a secret with colours in it', `a ${SECRET.slice(0, 9)}\u001b[m${SECRET.slice(9)} b`, 'a *** b'],
    ['a secret with marks of direction in it', `a ${[...SECRET].join('\u202e')} b`, 'a *** b'],
    ['nothing', '', ''],
  ])('%s', (_name, text, expected) => {
    expect(formatValue(text)).toBe(expected)
  })

  test('a long text keeps both of its ends, on one line, and says how much is missing', () => {
    const text = formatValue(`BEGIN${'x'.repeat(15_000_000)}END`)
    expect(text).toMatch(/^BEGINx{900,} \[\.\.\. \d+ characters left out \.\.\.\] x{900,}END$/)
    expect(text.length).toBeLessThanOrEqual(2_048)
    expect(Number(/(\d+) characters/.exec(text)?.[1]) + text.replace(/ \[.*\] /, '').length).toBe(15_000_008)
  })

  test('a long text of lines keeps them', () => {
    expect(formatLines('a line\n'.repeat(1_000), 200)).toMatch(/^(a line\n)+a? ?l?i?n?e?\n\[\.\.\. .* \.\.\.\]\n/)
  })

  test('wherever a text is cut, no part of a secret stays', () => {
    const piece = fc.oneof(anyText, fc.constant(SECRET), fc.constant(encodeURIComponent(SECRET)))
    const text = fc
      .tuple(fc.array(piece, { maxLength: 8 }), fc.nat(100))
      .map(([pieces, x]) => 'x'.repeat(x) + pieces.join(''))
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 300 }), (given, limit) => {
        for (const said of [
          formatValue(given, limit),
          formatLines(given, limit),
          quoteValue(given, limit),
          shortTaskId(given),
        ]) {
          expect(secretsIn(said)).toEqual([])
          expect(said).not.toMatch(/wJal|EMPLEKEY/)
        }
        for (const one of [formatValue(given, limit), quoteValue(given, limit), shortTaskId(given)]) {
          expect(one).not.toMatch(/[\r\n\u2028\u2029\u202a-\u202e\u2066-\u2069]/)
        }
        expect(formatValue(given, limit).length).toBeLessThanOrEqual(limit)
      }),
      { numRuns: runs(2_000) },
    )
  })
})

describe('texts that are no secrets', () => {
  const VALUE = 'before df-00627471SOVYZ after'
  beforeAll(() => hideTexts([VALUE, 'abab'.repeat(1_000)]))
  afterAll(() => beginWithSecrets([SECRET]))

  test.each([
    ['are hidden as a whole', `x ${VALUE} y`, 'x *** y'],
    ['twice', VALUE + VALUE, '******'],
    ['also in JSON in JSON', JSON.stringify(JSON.stringify([VALUE])), '"[\\"***\\"]"'],
    ['and no part of them is', 'df-00627471SOVYZ after', 'df-00627471SOVYZ after'],
    ['that repeat themselves', 'abab'.repeat(1_000), '***'],
    ['beside a secret', `${SECRET}${VALUE}`, '******'],
  ])('%s', (_name, text, expected) => {
    expect(withoutSecrets(text)).toBe(expected)
  })

  test('are hidden also where they are parts of each other, or overlap', () => {
    hideTexts(['user:a-password', 'a-password', 'password@host', 'user:a'])
    expect(withoutSecrets('x user:a-password y a-password@host z')).toBe('x *** y *** z')
  })

  test('are hidden wherever they stand, and nothing else is', () => {
    const letters = (minLength: number, maxLength: number) =>
      fc.string({ unit: fc.constantFrom('a', 'b'), minLength, maxLength })
    const withTexts = fc.tuple(fc.uniqueArray(letters(6, 12), { minLength: 1, maxLength: 30 }), letters(0, 300))
    fc.assert(
      fc.property(withTexts, ([values, text]) => {
        beginWithSecrets([])
        hideTexts(values)
        const safe = withoutSecrets(text)
        for (const kept of safe.split('***')) expect(values.filter((value) => kept.includes(value))).toEqual([])
        if (!values.some((value) => text.includes(value))) expect(safe).toBe(text)
        for (const value of values) expect(withoutSecrets(` ${value} `)).toBe(' *** ')
      }),
      { numRuns: runs(500) },
    )
    beginWithSecrets([SECRET])
    hideTexts([VALUE])
  })

  test('count once', () => {
    for (let time = 0; time < 3; time++) hideTexts(['y'.repeat(200_000)])
    hideTexts(['a text that comes later'])
    expect(withoutSecrets('a text that comes later')).toBe('***')
  })

  test('are no more hidden when they have a million characters', () => {
    hideTexts(['x'.repeat(1_000_000), 'a text that comes late'])
    expect(withoutSecrets('a text that comes late')).toBe('a text that comes late')
    expect(withoutSecrets(VALUE)).toBe('***')
  })
})

describe('withoutSecretsIn', () => {
  test.each([
    ['a value without secrets', { a: ['b', 1, null, true], c: {} }],
    // With its escape, it has twelve characters of the secret.
    ['a text whose JSON seems to have one', ['\nFEMI/K7MDEN']],
  ])('%s stays', (_name, value) => {
    expect(withoutSecretsIn(value)).toEqual(value)
  })

  test('takes them out of texts and keys, and leaves JSON that can be read', () => {
    const value = { [SECRET]: [SECRET, { ref: `\nUtnFEMI/K7MDENG"${SECRET}\\` }], plain: 1 }
    const expected = { '***': ['***', { ref: '\n***"***\\' }], plain: 1 }
    expect(JSON.parse(JSON.stringify(withoutSecretsIn(value)))).toEqual(expected)
  })
})

describe('quoted', () => {
  test.each([
    ['a value', 'done', '"done"'],
    ['line ends, control and hidden characters', 'a\n\u0000\u202e\u2028', '"a\\n\\u0000\\u202e\\u2028"'],
    ['a long one', 'x'.repeat(300), `"${'x'.repeat(200)}…"`],
    ['a secret', SECRET, '"***"'],
    ['a secret where it is cut', 'x'.repeat(190) + SECRET, `"${'x'.repeat(190)}***"`],
    ['a secret with control characters in it', [...SECRET].join('\u0001'), '"***"'],
  ])('%s', (_name, value, expected) => {
    expect(quoteValue(value)).toBe(expected)
  })
})

describe('errorMessage', () => {
  test.each([
    ['an error', new Error('a message'), 'a message'],
    ['a secret', new Error(`${SECRET} is no good`), '*** is no good'],
    ['a text', 'a text', 'a text'],
    ['an object', { secret: SECRET }, '{"secret":"***"}'],
    ['several errors', new AggregateError([new Error('a'), new Error(SECRET)]), 'a; ***'],
    ['nothing', undefined, 'undefined'],
  ])('%s', (_name, thrown, expected) => {
    expect(errorMessage(thrown)).toBe(expected)
  })

  test('keeps about 2 KB of what others say', () => {
    expect(errorMessage(new Error('x'.repeat(100_000))).length).toBeLessThanOrEqual(2_048)
  })
})

describe('shortTaskId', () => {
  test.each([
    ['a secret in place of an id', SECRET.repeat(3), '*********'],
    [
      'an id with a secret in it',
      `${'x'.repeat(8)}${SECRET}${'y'.repeat(100)}`,
      'xxxxxxxx***y…yyyyyy (148 characters)',
    ],
    ['line ends and marks of direction', 'a\nb\u202ec', 'a bc'],
  ])('%s', (_name, id, expected) => {
    expect(shortTaskId(id)).toBe(expected)
  })
})

describe('words of ours', () => {
  const job = { key: 'build', result: 'failure' } as const
  test.each([
    { kind: 'given' } as const,
    ...(['success', 'failure', 'cancelled'] as const).map((outcome) => ({ kind: 'job', outcome }) as const),
    ...(['failure', 'cancelled', 'skipped'] as const).map(
      (result) => ({ kind: 'needs', jobs: [{ ...job, result }], passing: [] }) as const,
    ),
  ])('are all error ids that a cause has: %j', (cause) => {
    expect(isFixedValue(errorIdOf(cause))).toBe(true)
  })

  test('stay in a report where a secret is a part of them, and are taken out of other texts', () => {
    const fields = { errorId: 'GitHubActions:RunnerLost', errorMessage: 'RunnerLost' }
    const expected = [{ ...fields, errorMessage: '***' }, {}]
    const secrets = ['RunnerLost', 'GitHub']
    expect(errorFieldVersions(fields, secrets).versions).toEqual(expected)
    expect(versionsWithout({ by: 'loss', status: 'FAILED', versions: [fields, {}] }, secrets)).toEqual(expected)
  })

  test('are the error id of a runner that was lost, the statuses, and nothing else', () => {
    expect(
      lossReport({})
        .versions.map(({ errorId }) => errorId)
        .filter((id) => id && !isFixedValue(id)),
    ).toEqual([])
    for (const word of ['FINISHED', 'FAILED', 'FALSE', 'true', 'false']) expect(isFixedValue(word)).toBe(true)
    for (const word of ['', 'failed', 'FAILED ', 'GitHubActions:', SECRET]) expect(isFixedValue(word)).toBe(false)
    expect(withoutSecrets(SECRET)).toBe('***')
  })
})
