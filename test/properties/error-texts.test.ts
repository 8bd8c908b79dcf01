// The texts of a report and their versions: pure functions, thousands of cases.
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { ErrorFields } from '../../src/domain/error-fields.ts'
import { errorFieldVersions } from '../../src/report/sanitize-error-fields.ts'
import { checkConstraints } from '../fakes/aws/constraints.ts'
import { anyLongText } from '../support/texts.ts'
import { PROPERTY_LIMIT_MS, runs } from './runs.ts'

const SECRET = 'SECRET-abc/def+'

// Large in different ways: many characters, many bytes, both.
const large = fc
  .tuple(fc.constantFrom('a', 'é', '漢', '\u{1f4a5}', 'x\u0000', SECRET), fc.integer({ min: 500, max: 12_000 }))
  .map(([unit, count]) => unit.repeat(count))
const text = fc.oneof(anyLongText, large)
const fields = fc.record({ errorId: text, errorMessage: text, errorStackTrace: text }, { requiredKeys: [] })

test(
  'any texts: a service with all published limits accepts the first version, and no version is larger than the one before',
  () => {
    fc.assert(
      fc.property(fields, fc.oneof(fc.constant(0), fc.nat(1_000_000)), (given, errorStackTrace) => {
        const { versions } = errorFieldVersions(given as ErrorFields, [SECRET], { errorStackTrace })
        const sizes = versions.map((version) => Buffer.byteLength(Object.values(version).join('')))
        for (const [index, version] of versions.entries()) {
          const stackTraceLimit = index === 0 ? 4095 : 1024
          checkConstraints('SetTaskStatus', { taskId: 't', taskStatus: 'FAILED', ...version }, { stackTraceLimit })
          expect(JSON.stringify(version)).not.toContain(SECRET)
        }
        expect(versions.at(-1)).toEqual({})
        expect(versions.length).toBeLessThanOrEqual(3)
        expect(sizes).toEqual(sizes.toSorted((a, b) => b - a))
      }),
      { numRuns: runs(2_000) },
    )
  },
  PROPERTY_LIMIT_MS,
)
