/** A cleaned text, and how many of each kind were taken out of it. */
export interface CleanText {
  readonly text: string
  readonly ansiSequences: number
  readonly controlCharacters: number
  readonly loneSurrogates: number
}

// ECMA-48: string sequences (OSC, DCS, SOS, PM, APC) up to their terminator, control sequences (CSI), and the short
// escapes, each in its 7-bit form (ESC x) and its 8-bit form. A string sequence without an end is taken for its
// introducer only: cutting to the end of the text would lose what the text says. What it may contain leaves out every
// introducer, too, or a text full of them would be scanned again and again, for minutes.
const STRING_SEQUENCE =
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u0090\u0098\u009c-\u009f]*(?:\u0007|\u001b\\|\u009c)/
export const SHORT_SEQUENCE = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]/
const ANSI_SEQUENCE = new RegExp(`${STRING_SEQUENCE.source}|${SHORT_SEQUENCE.source}`, 'g')

// What is not allowed in a field of the API: [\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]* (API
// reference). DEL and the C1 controls would pass the pattern, yet nobody can read them.
export const CONTROL_CHARACTER = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/**
 * The text with only the characters that Data Pipeline allows: whole ANSI escape sequences (colour, cursor, links),
 * other control characters and lone surrogates are removed; tab, carriage return and line feed stay.
 */
export function sanitize(text: string): CleanText {
  let ansiSequences = 0
  let controlCharacters = 0
  let loneSurrogates = 0
  const cleaned = text
    .replace(ANSI_SEQUENCE, () => {
      ansiSequences += 1
      return ''
    })
    .replace(CONTROL_CHARACTER, () => {
      controlCharacters += 1
      return ''
    })
    // Last, as taking out what stood between two halves of a pair must not leave halves behind.
    .replace(LONE_SURROGATE, () => {
      loneSurrogates += 1
      return ''
    })
  return { text: cleaned, ansiSequences, controlCharacters, loneSurrogates }
}
