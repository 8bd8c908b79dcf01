import { expect, test } from '@jest/globals'
import { parsePeriod } from '../../../src/domain/period.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

test.each<[string, number]>([
  ['30 seconds', 30 * SECOND],
  ['10 minutes', 10 * MINUTE],
  ['1 hour', HOUR],
  ['2 Days', 2 * DAY],
  ['3 WEEKS', 21 * DAY],
  ['2 months', 60 * DAY],
  ['1 year', 365 * DAY],
  // A plural where there is one, and none where there are several.
  ['1 minutes', MINUTE],
  ['5 day', 5 * DAY],
  ['  15\t minutes\n', 15 * MINUTE],
  ['5minutes', 5 * MINUTE],
  ['0 minutes', 0],
  ['010 minutes', 10 * MINUTE],
  ['999999999 years', 999_999_999 * 365 * DAY],
])('%j is %d ms', (text, ms) => {
  expect(parsePeriod(text)).toBe(ms)
})

test.each([
  '',
  ' ',
  '10',
  'minutes',
  '-10 minutes',
  '+10 minutes',
  '1.5 hours',
  '1,000 seconds',
  '1e3 seconds',
  '0x10 minutes',
  'ten minutes',
  '1 hour 30 minutes',
  '10 minutes later',
  'in 10 minutes',
  '10 min',
  '10 minutess',
  '10 fortnights',
  '10 s',
  'PT10M',
  '00:10:00',
  '#{myDelay}',
  '10 constructor',
  // Ten digits, digits of other scripts, and a letter that is an s in upper case.
  '1000000000 seconds',
  '１０ minutes',
  '10 minuteſ',
])('%j can not be read', (text) => {
  expect(parsePeriod(text)).toBeUndefined()
})
