import { describe, expect, test } from '@jest/globals'
import {
  checkApiText,
  readApiText,
  readBoolean,
  readNames,
  readOptional,
  readWholeNumber,
} from '../../../src/inputs/readers.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'

/** An input `x` of this value, as the runner passes it. */
const reading = (value: string) => (name: string) => (name === 'x' ? value : '')

const thrownMessage = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    return (error as Error).message
  }
  throw new Error('nothing was thrown')
}

test('an input that is not set is undefined, and so is an empty one', () => {
  expect(readOptional(reading('a'), 'x')).toBe('a')
  expect(readOptional(reading(''), 'x')).toBeUndefined()
  expect(readOptional(reading('a'), 'y')).toBeUndefined()
})

describe('readBoolean', () => {
  test.each([
    ['true', true],
    ['True', true],
    ['TRUE', true],
    ['false', false],
    ['False', false],
    ['FALSE', false],
  ])('%s', (value, expected) => {
    expect(readBoolean(reading(value), 'x', !expected)).toBe(expected)
  })

  test.each([true, false])('not set: the default %s', (defaultValue) => {
    expect(readBoolean(reading(''), 'x', defaultValue)).toBe(defaultValue)
  })

  test.each(['yes', 'no', '1', '0', 'on', 'tRUE', 'truefalse', 'null', 'true false'])('%s is invalid', (value) => {
    expect(thrownMessage(() => readBoolean(reading(value), 'x', true))).toBe(
      `Invalid value "${value}" for input "x". Expected true or false.`,
    )
  })
})

describe('readWholeNumber', () => {
  test.each([
    ['', 7],
    ['5', 5],
    ['10', 10],
    ['007', 7],
  ])('%j is %d', (value, expected) => {
    expect(readWholeNumber(reading(value), 'x', 7, 5, 10)).toBe(expected)
  })

  test.each(['4', '11', '-5', '5.5', '5e0', '0x5', 'five', '99999999999', 'Infinity', 'NaN', '5 0', '1,000', '٥'])(
    '%s is invalid',
    (value) => {
      expect(thrownMessage(() => readWholeNumber(reading(value), 'x', 7, 5, 10))).toBe(
        `Invalid value "${value}" for input "x". Expected a whole number from 5 to 10.`,
      )
    },
  )
})

test.each([
  ['', []],
  ['a', ['a']],
  ['a, b,c', ['a', 'b', 'c']],
  ['a\nb\r\n c \n', ['a', 'b', 'c']],
  [' , ,', []],
])('names in %j', (value, expected) => {
  expect(readNames(reading(value), 'x')).toEqual(expected)
})

describe('texts for the API', () => {
  test.each(['a', 'x'.repeat(10), '\u{1f600}'.repeat(10), 'a\tb\r\nc', '\ufffd'])('%j is valid', (value) => {
    expect(readApiText(reading(value), 'x', 10)).toBe(value)
    expect(checkApiText('x', value, 10)).toBe(value)
  })

  test('not set: undefined', () => {
    expect(readApiText(reading(''), 'x', 10)).toBeUndefined()
  })

  test.each(['x'.repeat(11), 'a\u001bb', 'a\u0000', 'a\ufffe', 'a\ud800', '\udc00'])('%j is invalid', (value) => {
    expect(thrownMessage(() => readApiText(reading(value), 'x', 10))).toMatch(
      /^Invalid value ".*" for input "x"\. Expected 1 to 10 characters without control characters\.$/,
    )
  })
})
