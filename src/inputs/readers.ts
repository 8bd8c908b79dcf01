import { quoteValue } from '../masking/format.ts'
import { ConfigurationError } from '../util/errors.ts'

/** Gives an input as the runner passes it: trimmed, and empty when it isn't set. */
export type ReadInput = (name: string) => string

/** The value of an input; undefined when it isn't set. */
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
  throw invalidValue(name, value, 'true or false')
}

/**
 * A whole number of at most nine digits.
 *
 * @throws ConfigurationError when it is none, or out of bounds
 */
export function readWholeNumber(read: ReadInput, name: string, defaultValue: number, min: number, max: number): number {
  const value = read(name)
  if (value === '') return defaultValue
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= min && number <= max)) throw invalidValue(name, value, `a whole number from ${min} to ${max}`)
  return number
}

/** Names, separated by line ends or commas. */
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
 * A text that the API accepts; undefined when it isn't set.
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
    throw invalidValue(name, value, `1 to ${max} characters without control characters`)
  }
  return value
}

/**
 * The error for an invalid value.
 *
 * @param expected ends the sentence "Expected …"
 */
export function invalidValue(name: string, value: string, expected: string): ConfigurationError {
  return new ConfigurationError(`Invalid value ${quoteValue(value)} for input "${name}". Expected ${expected}.`)
}
