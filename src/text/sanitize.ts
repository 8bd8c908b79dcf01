/** A sanitized text, and how much of each kind was removed. */
export interface CleanText {
  readonly text: string
  readonly ansiSequences: number
  readonly controlCharacters: number
  readonly loneSurrogates: number
}

// ECMA-48: string sequences (OSC, DCS, SOS, PM, APC) up to their terminator, control sequences (CSI), and the short
// escapes, each in its 7-bit form (ESC x) and its 8-bit form. Of a string sequence without an end, only the introducer
// is removed: the rest of the text may matter. Its content may have no introducer, or a text full of them would be
// scanned again and again, for minutes.
const STRING_SEQUENCE =
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u0090\u0098\u009c-\u009f]*(?:\u0007|\u001b\\|\u009c)/
export const SHORT_SEQUENCE = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[ -/]*[0-~]/
const ANSI_SEQUENCE = new RegExp(`${STRING_SEQUENCE.source}|${SHORT_SEQUENCE.source}`, 'g')

// Characters that a field of the API may not have, which has [\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]* (API
// reference). DEL and the C1 controls match the pattern, but are not readable.
export const CONTROL_CHARACTER = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/**
 * The text with only the characters that AWS Data Pipeline accepts. Removes ANSI escape sequences (color, cursor, links), other
 * control characters and lone surrogates. Keeps tab, carriage return and line feed.
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
    // Last, as the removal of what is between two halves of a pair must not leave halves.
    .replace(LONE_SURROGATE, () => {
      loneSurrogates += 1
      return ''
    })
  return { text: cleaned, ansiSequences, controlCharacters, loneSurrogates }
}
