import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  type ErrorFieldLimits,
  type ErrorFields,
  INPUT_OF_FIELD,
  PUBLISHED_LIMITS,
  REDUCED_LIMITS,
} from '../../../src/domain/error-fields.ts'
import { errorFieldVersions, sanitizeErrorFields } from '../../../src/report/sanitize-error-fields.ts'
import { runs } from '../../properties/runs.ts'
import { anyLongText, NOT_ALLOWED } from '../../support/texts.ts'

const fitted = (fields: ErrorFields, secrets: string[] = []) => sanitizeErrorFields(fields, PUBLISHED_LIMITS, secrets)

describe('fitErrorFields', () => {
  test.each([
    [
      'fields that fit',
      { errorId: 'a', errorMessage: 'b', errorStackTrace: 'c' },
      { errorId: 'a', errorMessage: 'b', errorStackTrace: 'c' },
      0,
    ],
    ['no fields', {}, {}, 0],
    ['empty fields', { errorId: '', errorMessage: '' }, {}, 0],
    ['a reserved id', { errorId: 'Service_x' }, { errorId: 'GitHubActions:Service_x' }, 1],
    ['a reserved id behind white space', { errorId: ' \nService_x' }, { errorId: 'GitHubActions:Service_x' }, 1],
    ['a reserved word in a message', { errorMessage: 'Service_x' }, { errorMessage: 'Service_x' }, 0],
    [
      'three kinds of repairs of one field',
      { errorId: '\u001b[mService_\u0000' },
      { errorId: 'GitHubActions:Service_' },
      2,
    ],
    ['a field of which nothing is left', { errorMessage: '\u0000' }, {}, 1],
  ] as const)('%s', (_name, given, kept, adjustments) => {
    const result = fitted(given)
    expect(result.fields).toEqual(kept)
    expect(result.adjustments).toHaveLength(adjustments)
  })

  test('replaces secrets in every field, in one repair for each', () => {
    const text = 'x SECRET-abc/def+ y'
    const { fields, adjustments } = fitted({ errorId: text, errorMessage: text, errorStackTrace: text }, [
      'SECRET-abc/def+',
    ])
    expect(fields).toEqual({ errorId: 'x *** y', errorMessage: 'x *** y', errorStackTrace: 'x *** y' })
    expect(adjustments).toHaveLength(3)
    expect(adjustments.join()).not.toContain('SECRET')
  })

  test.each([
    // An escape takes the character behind it.
    ['behind an escape', '\u001bSECRET-abc x', 'SECRET-abc'],
    ['behind a control sequence without its end', '\u001b[1;SECRET-abc x', 'SECRET-abc'],
    ['with a colour in it', 'SEC\u001b[31mRET-abc x', 'SECRET-abc'],
    ['with a control character in it', 'SECRET\u0000-abc x', 'SECRET-abc'],
  ])('leaves no part of a secret %s', (_name, text, secret) => {
    const { fields, adjustments } = fitted({ errorMessage: text }, [secret])
    expect(fields.errorMessage ?? '').not.toMatch(/SEC|ECRET|RET|abc/)
    expect(adjustments).toContain('error-message: replaced 1 credential of this job by ***.')
  })

  test('each repair names the input', () => {
    const long = '\u0000'.concat('x'.repeat(20_000))
    const { adjustments } = fitted({ errorId: long, errorMessage: long, errorStackTrace: long })
    expect(adjustments.map((repair) => repair.split(':')[0])).toEqual([
      'error-id',
      'error-id',
      'error-message',
      'error-message',
      'error-stack-trace',
      'error-stack-trace',
    ])
  })

  test('the trace gives way where the three keep their limits, but not the one of an object together', () => {
    const given = {
      errorId: '\u{1f4a5}'.repeat(500),
      errorMessage: 'é'.repeat(5_000),
      errorStackTrace: '漢'.repeat(3_300),
    }
    const { fields, adjustments } = fitted(given)
    expect(fields).toMatchObject({ errorId: given.errorId, errorMessage: given.errorMessage })
    const size = Buffer.byteLength(Object.values(fields).join(''))
    expect(size).toBeLessThanOrEqual(15_360)
    // No more is taken away than has to be.
    expect(size).toBeGreaterThan(15_350)
    expect(adjustments).toHaveLength(1)
    expect(adjustments[0]).toMatch(
      /^error-stack-trace: truncated from 3300 to \d+ characters .* The limit is 3360 bytes\.$/,
    )
  })

  test.each([
    ['errorId', 'x', '1024 characters'],
    ['errorId', '漢', '1024 characters'],
    ['errorMessage', 'x', '10240 bytes'],
    ['errorMessage', '漢', '10240 bytes'],
    ['errorStackTrace', 'x', '4095 characters'],
    ['errorStackTrace', '漢', '10240 bytes'],
  ] as const)(
    '%s of too many %s: the repair says what is left, and names the limit that it met',
    (name, unit, limit) => {
      const { fields, adjustments } = fitted({ [name]: unit.repeat(20_000) })
      const { length } = fields[name] ?? ''
      expect(adjustments).toEqual([
        `${INPUT_OF_FIELD[name]}: truncated from 20000 to ${length} characters (${Buffer.byteLength(fields[name] ?? '')} bytes), ` +
          `keeping start and end. The limit is ${limit}.`,
      ])
    },
  )

  test('the size of a text of which some was never read is told as what it is: about so many characters', () => {
    const { adjustments } = sanitizeErrorFields({ errorStackTrace: 'x'.repeat(10_000) }, PUBLISHED_LIMITS, [], {
      errorStackTrace: 5_000,
    })
    expect(adjustments[0]).toMatch(/^error-stack-trace: truncated from about 15000 to \d+ characters/)
  })

  test('a text that fits has a mark where some of it was never read; one of which nothing is left has none', () => {
    const read = (errorStackTrace: string) =>
      sanitizeErrorFields({ errorStackTrace }, PUBLISHED_LIMITS, [], { errorStackTrace: 7 })
    expect(read('begin end').fields.errorStackTrace).toContain('[... 7 characters left out ...]')
    expect(read('\u0000').fields).toEqual({})
  })

  test.each([
    ['one of each', '\u001b[m\u0000\ud800x', 'removed 1 ANSI escape sequence, 1 control character, 1 lone surrogate'],
    [
      'two of each',
      '\u001b[m\u0000\ud800x'.repeat(2),
      'removed 2 ANSI escape sequences, 2 control characters, 2 lone surrogates',
    ],
    ['only control characters', '\u0000\u0001x', 'removed 2 control characters'],
  ])('what was removed is counted: %s', (_name, text, removed) => {
    expect(fitted({ errorMessage: text }).adjustments).toEqual([
      `error-message: ${removed}, which AWS Data Pipeline rejects.`,
    ])
  })

  test.each([
    [1, '1 credential'],
    [2, '2 credentials'],
  ])('so are credentials: %i', (count, said) => {
    const { adjustments } = fitted({ errorMessage: 'SECRET-abc '.repeat(count) }, ['SECRET-abc'])
    expect(adjustments).toEqual([`error-message: replaced ${said} of this job by ***.`])
  })

  test('a reserved id is told with the name that it got', () => {
    expect(fitted({ errorId: 'Service_x' }).adjustments).toEqual([
      'error-id: added the prefix GitHubActions:, because AWS reserves ids that begin with Service_.',
    ])
  })

  const secrets = ['SECRET-abc/def+']
  const anyFields = fc.record(
    { errorId: anyLongText, errorMessage: anyLongText, errorStackTrace: anyLongText },
    { requiredKeys: [] },
  )

  test.each([
    ['published', PUBLISHED_LIMITS, 4095, 10_240],
    ['reduced', REDUCED_LIMITS, 1024, 2048],
  ] as ReadonlyArray<readonly [string, ErrorFieldLimits, number, number]>)(
    'whatever goes in, what comes out keeps the %s limits, and fitting it again changes nothing',
    (_name, limits, traceCharacters, messageBytes) => {
      fc.assert(
        fc.property(anyFields, (given) => {
          const { fields, adjustments } = sanitizeErrorFields(given as ErrorFields, limits, secrets)
          for (const text of Object.values(fields) as string[]) {
            expect(text).not.toBe('')
            expect(text).not.toMatch(NOT_ALLOWED)
            expect(text.isWellFormed()).toBe(true)
            expect(Buffer.byteLength(text)).toBeLessThanOrEqual(10_240)
            for (const secret of secrets) expect(text).not.toContain(secret)
          }
          expect(Buffer.byteLength(Object.values(fields).join(''))).toBeLessThanOrEqual(15_360)
          expect(fields.errorId?.length ?? 0).toBeLessThanOrEqual(1024)
          expect(fields.errorId ?? '').not.toMatch(/^Service_/)
          expect(fields.errorStackTrace?.length ?? 0).toBeLessThanOrEqual(traceCharacters)
          expect(Buffer.byteLength(fields.errorMessage ?? '')).toBeLessThanOrEqual(messageBytes)
          const changed = Object.entries(given).some(
            ([name, text]) => (fields[name as keyof ErrorFields] ?? '') !== text,
          )
          if (changed && !/^\s|\s$/.test(given.errorId ?? '')) expect(adjustments).not.toEqual([])
          const again = sanitizeErrorFields(fields, limits, secrets)
          expect(again).toEqual({ fields, adjustments: [] })
        }),
        { numRuns: runs(1_500) },
      )
    },
  )
})

describe('errorFieldVersions', () => {
  test('a report without texts has one version', () => {
    expect(errorFieldVersions({}, [])).toEqual({ versions: [{}], adjustments: [] })
  })

  test('one with short texts is tried with them, and then without any', () => {
    expect(errorFieldVersions({ errorId: 'a', errorMessage: 'b' }, [])).toEqual({
      versions: [{ errorId: 'a', errorMessage: 'b' }, {}],
      adjustments: [],
    })
  })

  test('one with long texts is tried with shorter ones in between, cut from the original', () => {
    const { versions, adjustments } = errorFieldVersions({ errorStackTrace: '~'.repeat(8_000) }, [])
    const traces = versions.map(({ errorStackTrace = '' }) => errorStackTrace)
    expect(traces.map(({ length }) => length)).toEqual([4095, 1024, 0])
    for (const trace of traces.slice(0, 2)) {
      const kept = trace.replaceAll(/[^~]/g, '').length
      expect(trace).toContain(`[... ${8_000 - kept} characters left out ...]`)
    }
    // Of the first version only: what else it takes is said when it is taken.
    expect(adjustments).toHaveLength(1)
  })

  test('secrets and what was never read count in each version', () => {
    const given = { errorStackTrace: 'SECRET-abc '.repeat(1_000) }
    const { versions } = errorFieldVersions(given, ['SECRET-abc'], { errorStackTrace: 1_000_000 })
    expect(versions).toHaveLength(3)
    for (const { errorStackTrace = '[... 1000000 characters' } of versions) {
      expect(errorStackTrace).toMatch(/\[\.\.\. 100\d{4} characters/)
      expect(errorStackTrace).not.toContain('SECRET')
    }
  })
})
