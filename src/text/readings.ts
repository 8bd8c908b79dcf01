import { CONTROL_CHARACTER, SHORT_SEQUENCE } from './sanitize.ts'

/** A part of a text, by the indexes of its first character and of the one after it. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** A text as a person or a program decodes it. */
export interface Reading {
  readonly text: string
  /** The part of the original text for a part of this one. */
  toSource(range: Range): Range
}

/** Escapes within escapes within escapes, such as JSON in a URL in JSON. */
const MAX_READINGS = 4

// Invisible: soft hyphens, zero-width characters, marks of direction.
const INVISIBLE = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/

const ESCAPE =
  /%([\da-fA-F]{2})|\\(?:u([\da-fA-F]{4})|x([\da-fA-F]{2})|(["'\\/bfnrt]))|&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(amp|lt|gt|quot|apos));/

// Of string sequences only their ends: their content may be read, too.
const READ_OTHERWISE = new RegExp(
  [SHORT_SEQUENCE, CONTROL_CHARACTER, INVISIBLE, ESCAPE].map(({ source }) => `(?:${source})`).join('|'),
  'g',
)

/** The same without the sequences, to exclude most texts quickly. */
const MAY_BE_READ_OTHERWISE = new RegExp(`[%\\\\&]|(?:${CONTROL_CHARACTER.source})|(?:${INVISIBLE.source})`)

/**
 * A text as it is, and decoded: without colors, control and invisible characters, with escapes of URLs, JSON, JavaScript and XML
 * resolved, and from base64 and hexadecimal digits. Each byte is one character.
 */
export function* readingsOf(text: string): Generator<Reading> {
  const asItIs: Reading = { text, toSource: (range) => range }
  yield asItIs
  yield* encodedIn(asItIs)
  let last = asItIs
  for (let number = 1; number < MAX_READINGS; number++) {
    const next = readAgain(last)
    if (next === undefined) break
    yield next
    last = next
  }
  if (last !== asItIs) yield* encodedIn(last)
}

/** An encoding of bytes, with a number of bits for each character. */
interface Encoding {
  readonly name: 'base64' | 'hex'
  readonly bits: number
  readonly others: RegExp
  /** Prefixes that shift the characters, as encoded bytes may start anywhere. */
  readonly shifts: readonly string[]
}

const ENCODINGS: readonly Encoding[] = [
  { name: 'base64', bits: 6, others: /[^A-Za-z0-9+/_-]+/g, shifts: ['', 'A', 'AA', 'AAA'] },
  { name: 'hex', bits: 4, others: /[^\da-fA-F]+/g, shifts: ['', '0'] },
]

/** The bytes that a text encodes, whatever is between their characters: lines may be broken anywhere. */
function* encodedIn({ text, toSource }: Reading): Generator<Reading> {
  for (const { name, bits, others, shifts } of ENCODINGS) {
    const characters = text.replace(others, '')
    let places: number[] | undefined
    for (const shift of shifts) {
      const placeOf = (bit: number): number => {
        places ??= placesOfOthers(text, others)
        return places[Math.floor(bit / bits) - shift.length] ?? 0
      }
      yield {
        text: Buffer.from(shift + characters, name).toString('latin1'),
        toSource: ({ start, end }) => toSource({ start: placeOf(8 * start), end: placeOf(8 * end - 1) + 1 }),
      }
    }
  }
}

/** The indexes of the characters that an expression does not match. */
function placesOfOthers(text: string, expression: RegExp): number[] {
  const places: number[] = []
  let next = 0
  for (const { 0: match, index } of [...text.matchAll(expression), { 0: '', index: text.length }]) {
    for (; next < index; next++) places.push(next)
    next = index + match.length
  }
  return places
}

/** The reading with one level of escapes resolved; undefined when it has none. */
function readAgain({ text, toSource }: Reading): Reading | undefined {
  if (!MAY_BE_READ_OTHERWISE.test(text)) return undefined
  const parts: string[] = []
  // For each escape: its index in the new reading, and its start and end in the old one.
  const places: number[] = []
  const starts: number[] = []
  const ends: number[] = []
  let done = 0
  let length = 0
  for (const match of text.matchAll(READ_OTHERWISE)) {
    const decoded = decode(match)
    parts.push(text.slice(done, match.index), decoded)
    length += match.index - done
    places.push(length)
    starts.push(match.index)
    done = match.index + match[0].length
    ends.push(done)
    length += decoded.length
  }
  if (places.length === 0) return undefined
  parts.push(text.slice(done))

  /** The range in the old reading for the character at an index of the new one. */
  function sourceOf(index: number): Range {
    const place = lastAtMost(places, index)
    if (place < 0) return { start: index, end: index + 1 }
    const end = ends[place] as number
    const behind = index - (places[place] as number) - widthOf(place)
    return behind < 0 ? { start: starts[place] as number, end } : { start: end + behind, end: end + behind + 1 }
  }

  function widthOf(place: number): number {
    return (parts[2 * place + 1] as string).length
  }

  return {
    text: parts.join(''),
    toSource: ({ start, end }) => toSource({ start: sourceOf(start).start, end: sourceOf(end - 1).end }),
  }
}

/** The index of the last number that is not greater. The numbers ascend. */
function lastAtMost(numbers: readonly number[], most: number): number {
  let [low, high] = [0, numbers.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((numbers[middle] as number) <= most) low = middle + 1
    else high = middle
  }
  return low - 1
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }
const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The character of an escape; empty for everything else that is removed. */
function decode([, percent, unicode, byte, character, decimal, hex, name]: RegExpExecArray): string {
  const digits = percent ?? unicode ?? byte ?? hex
  if (digits !== undefined || decimal !== undefined) {
    const code = digits === undefined ? Number(decimal) : Number.parseInt(digits, 16)
    return code > 0x10ffff ? '' : String.fromCodePoint(code)
  }
  if (character !== undefined) return SHORT_ESCAPES[character] ?? character
  return name === undefined ? '' : (NAMED[name] ?? '')
}
