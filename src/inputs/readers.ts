import { quoteValue } from '../masking/format.ts'
import { ConfigurationError } from '../util/errors.ts'

/** Gives an input as the runner passes it: a trimmed string, empty when it isn't given. */
export type ReadInput = (name: string) => string

/** The value of an input; undefined when it isn't given. */
export function readOptional(read: ReadInput, name: string): string | undefined {
  return read(name) || undefined
}

/**
 * A boolean in one of the forms of YAML 1.2's core schema, as @actions/core takes them.
 *
 * @throws ConfigurationError for any other value
 */
export function readBoolean(read: ReadInput, name: string, defaultValue: boolean): boolean {
  const value = read(name)
  if (value === '') return defaultValue
  if (['true', 'True', 'TRUE'].includes(value)) return true
  if (['false', 'False', 'FALSE'].includes(value)) return false
  throw unknownValue(name, value, 'true, false')
}

/**
 * A whole number of at most nine digits.
 *
 * @throws ConfigurationError when it is none, or out of bounds
 */
export function readWholeNumber(
  read: ReadInput,
  name: string,
  defaultValue: number,
  least: number,
  most: number,
): number {
  const value = read(name)
  if (value === '') return defaultValue
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= least && number <= most)) throw unknownValue(name, value, `a whole number from ${least} to ${most}`)
  return number
}

/** Names that stand on lines or between commas. */
export function readNames(read: ReadInput, name: string): string[] {
  return read(name)
    .split(/[,\r\n]/)
    .map((each) => each.trim())
    .filter((each) => each !== '')
}

const API_TEXT = /^(?:[\u0020-\ud7ff\ue000-\ufffd\r\n\t]|[\ud800-\udbff][\udc00-\udfff])*$/

/** Whether a text matches the pattern that the API reference has for ids and names: no control characters, whole Unicode. */
export function isApiText(text: string): boolean {
  return API_TEXT.test(text)
}

/**
 * A text that the API takes; undefined when it isn't given.
 *
 * @param max characters
 * @throws ConfigurationError
 */
export function readApiText(read: ReadInput, name: string, max: number): string | undefined {
  const value = read(name)
  return value === '' ? undefined : checkApiText(name, value, max)
}

/** @throws ConfigurationError */
export function checkApiText(name: string, value: string, max: number): string {
  if ([...value].length > max || !isApiText(value)) {
    throw unknownValue(name, value, `1 to ${max} characters, no control characters`)
  }
  return value
}

/** An error for a value that an input can't have. */
export function unknownValue(name: string, value: string, valid: string): ConfigurationError {
  return new ConfigurationError(`The input ${name} is ${quoteValue(value)}. Valid: ${valid}.`)
}
