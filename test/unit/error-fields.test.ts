import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  type ErrorFieldLimits,
  type ErrorFields,
  fitErrorFields,
  PUBLISHED_LIMITS,
  REDUCED_LIMITS,
} from '../../src/error-fields.ts'
import { anyLongText, NOT_ALLOWED } from './texts.ts'

const fitted = (fields: ErrorFields, secrets: string[] = []) => fitErrorFields(fields, PUBLISHED_LIMITS, secrets)

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
  ] as const)('%s', (_name, given, kept, repairs) => {
    const result = fitted(given)
    expect(result.fields).toEqual(kept)
    expect(result.repairs).toHaveLength(repairs)
  })

  test('replaces secrets in every field, in one repair for each', () => {
    const text = 'x SECRET-abc/def+ y'
    const { fields, repairs } = fitted({ errorId: text, errorMessage: text, errorStackTrace: text }, [
      'SECRET-abc/def+',
    ])
    expect(fields).toEqual({ errorId: 'x *** y', errorMessage: 'x *** y', errorStackTrace: 'x *** y' })
    expect(repairs).toHaveLength(3)
    expect(repairs.join()).not.toContain('SECRET')
  })

  test('each repair names the input', () => {
    const long = '\u0000'.concat('x'.repeat(20_000))
    const { repairs } = fitted({ errorId: long, errorMessage: long, errorStackTrace: long })
    expect(repairs.map((repair) => repair.split(':')[0])).toEqual([
      'error-id',
      'error-id',
      'error-message',
      'error-message',
      'error-stack-trace',
      'error-stack-trace',
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
          const { fields, repairs } = fitErrorFields(given as ErrorFields, limits, secrets)
          for (const text of Object.values(fields) as string[]) {
            expect(text).not.toBe('')
            expect(text).not.toMatch(NOT_ALLOWED)
            expect(text.isWellFormed()).toBe(true)
            expect(Buffer.byteLength(text)).toBeLessThanOrEqual(10_240)
            for (const secret of secrets) expect(text).not.toContain(secret)
          }
          expect(fields.errorId?.length ?? 0).toBeLessThanOrEqual(1024)
          expect(fields.errorId ?? '').not.toMatch(/^Service_/)
          expect(fields.errorStackTrace?.length ?? 0).toBeLessThanOrEqual(traceCharacters)
          expect(Buffer.byteLength(fields.errorMessage ?? '')).toBeLessThanOrEqual(messageBytes)
          const changed = Object.entries(given).some(
            ([name, text]) => (fields[name as keyof ErrorFields] ?? '') !== text,
          )
          if (changed && !/^\s|\s$/.test(given.errorId ?? '')) expect(repairs).not.toEqual([])
          const again = fitErrorFields(fields, limits, secrets)
          expect(again).toEqual({ fields, repairs: [] })
        }),
        { numRuns: 1_500 },
      )
    },
  )
})
