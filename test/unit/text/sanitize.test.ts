import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { sanitize } from '../../../src/text/sanitize.ts'
import { runs } from '../../properties/runs.ts'
import { anyText, NOT_ALLOWED } from '../../support/texts.ts'

describe('cleanText removes whole', () => {
  test.each([
    ['colours', '\u001b[31mred\u001b[0m', 'red', 2],
    ['8-bit control sequences', '\u009b1;31mred\u009bm', 'red', 2],
    ['private modes', '\u001b[?25l\u001b[>0cx', 'x', 2],
    ['intermediate bytes', '\u001b[0 qx', 'x', 1],
    ['links ended by BEL', '\u001b]8;;http://x\u0007t\u001b]8;;\u0007', 't', 2],
    ['links ended by ST', '\u001b]8;;http://x\u001b\\t\u001b]8;;\u001b\\', 't', 2],
    ['links ended by the 8-bit ST', '\u009d8;;http://x\u009ct', 't', 1],
    ['character sets', '\u001b(Bx\u001b)0', 'x', 2],
    ['key pad modes', '\u001b=x\u001b>', 'x', 2],
    ['device control strings', '\u001bP1$r0m\u001b\\x', 'x', 1],
    ['application commands, privacy messages, strings', '\u001b_a\u001b\\\u001b^b\u001b\\\u001bXc\u001b\\x', 'x', 3],
  ])('%s', (_name, text, clean, sequences) => {
    expect(sanitize(text)).toMatchObject({ text: clean, ansiSequences: sequences })
  })
})

describe('cleanText', () => {
  test.each([
    ['plain', 'a\tb\r\nc', 'a\tb\r\nc'],
    ['empty', '', ''],
    ['NUL and DEL', 'a\u0000\u007fb', 'ab'],
    ['the C1 controls', 'a\u0080\u0085\u009fb', 'ab'],
    ['noncharacters', 'a\ufffe\uffffb', 'ab'],
    ['a high surrogate', 'a\ud83db', 'ab'],
    ['a low surrogate', 'a\ude00b', 'ab'],
    ['the halves in the wrong order', '\ude00\ud83d', ''],
    ['halves that were held apart', '\ud83d\u0000\ude00', '\u{1f600}'],
    ['a high surrogate before a pair', `\ud83d${'\u{1f600}'}`, '\u{1f600}'],
    ['pairs', '\u{1f600}\u{10ffff}', '\u{1f600}\u{10ffff}'],
    ['the ends of the allowed ranges', ' \ud7ff\ue000\ufffd', ' \ud7ff\ue000\ufffd'],
    ['a link without its end', '\u001b]8;;http://x and more', '8;;http://x and more'],
    ['an escape at the end', 'a\u001b', 'a'],
    ['an escape before an escape', '\u001b\u001b[31mx', 'x'],
  ])('%s', (_name, text, clean) => {
    expect(sanitize(text).text).toBe(clean)
  })

  test('counts what it removed', () => {
    expect(sanitize('\u001b[31ma\u0000\u0001b\ud800\u001b[0m')).toEqual({
      text: 'ab',
      ansiSequences: 2,
      controlCharacters: 2,
      loneSurrogates: 1,
    })
  })

  test('gives allowed characters only, and changes nothing the second time', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { text: clean } = sanitize(text)
        expect(clean).not.toMatch(NOT_ALLOWED)
        expect(clean.isWellFormed()).toBe(true)
        expect(sanitize(clean)).toEqual({ text: clean, ansiSequences: 0, controlCharacters: 0, loneSurrogates: 0 })
      }),
      { numRuns: runs(2_000) },
    )
  })

  test('leaves texts of allowed characters alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        fc.pre(!NOT_ALLOWED.test(text))
        expect(sanitize(text).text).toBe(text)
      }),
      { numRuns: runs(100) },
    )
  })
})
