import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { sanitize } from '../../../src/text/sanitize.ts'
import { fits, sizeOf, truncateMiddle } from '../../../src/text/truncate.ts'
import { runs } from '../../properties/runs.ts'
import { anyLongText } from '../../support/texts.ts'

const limit = (characters: number, bytes = Number.POSITIVE_INFINITY) => ({ characters, bytes })
const MARK = /\[\.\.\. (\d+) characters left out \.\.\.\]/

// Also those that share a line end with the one before.
const MARKS = /(?=(\n\[\.\.\. (\d+) characters left out \.\.\.\]\n))/g

test.each([
  ['', 0, 0],
  ['abc', 3, 3],
  ['é', 1, 2],
  ['漢', 1, 3],
  ['\u{1f600}', 2, 4],
])('%j has %i characters and %i bytes', (text, characters, bytes) => {
  expect(sizeOf(text)).toEqual({ characters, bytes })
})

describe('cutMiddle', () => {
  test.each([
    ['one byte each', '\u007f', 1],
    ['two bytes at the least', '\u0080', 2],
    ['two bytes at the most', '\u07ff', 2],
    ['three bytes at the least', '\u0800', 3],
    ['three bytes at the most', '\uffff', 3],
    ['four bytes at the least', '\u{10000}', 4],
    ['four bytes at the most', '\u{10ffff}', 4],
  ])('keeps as many characters as the bytes allow: %s', (_name, character, bytes) => {
    const missing = 380 * character.length
    const mark = `\n[... ${missing} characters left out ...]\n`
    const cut = truncateMiddle(character.repeat(400), limit(Number.POSITIVE_INFINITY, mark.length + 20 * bytes))
    expect(cut).toBe(character.repeat(10) + mark + character.repeat(10))
  })

  test('keeps as many characters as their number allows, an odd one at the beginning', () => {
    const text = '0123456789'.repeat(50)
    const mark = '\n[... 479 characters left out ...]\n'
    expect(truncateMiddle(text, limit(mark.length + 21))).toBe(`01234567890${mark}0123456789`)
  })

  test('where there is no room for a mark, the beginning is all there is', () => {
    const text = '0123456789'.repeat(50)
    const mark = '\n[... 500 characters left out ...]\n'
    expect(truncateMiddle(text, limit(mark.length - 1))).toBe(text.slice(0, mark.length - 1))
    expect(truncateMiddle(text, limit(mark.length))).toBe(mark)
    expect(truncateMiddle(text, limit(Number.POSITIVE_INFINITY, mark.length - 1))).toBe(text.slice(0, mark.length - 1))
    expect(truncateMiddle(text, limit(Number.POSITIVE_INFINITY, mark.length))).toBe(mark)
  })

  test('the mark has room also for what was missing before', () => {
    const cut = truncateMiddle('x'.repeat(500), limit(100), 999_999_000)
    expect(cut).toHaveLength(100)
    expect(cut).toMatch(/^x+\n\[\.\.\. 9999994\d\d characters left out \.\.\.\]\nx+$/)
  })

  test('a pair that does not fit whole is left out, at either side', () => {
    const mark = '\n[... 200 characters left out ...]\n'
    const pairs = '\u{1f600}'.repeat(100)
    expect(truncateMiddle(`a${pairs}`, limit(mark.length + 2))).toBe(`a${mark}`)
    expect(truncateMiddle(`${pairs}a`, limit(mark.length + 1))).toBe(`${mark}a`)
  })

  test('leaves alone what fits', () => {
    expect(truncateMiddle('abc', limit(3))).toBe('abc')
    expect(truncateMiddle('', limit(0))).toBe('')
  })

  test('keeps the beginning and the end', () => {
    const cut = truncateMiddle(`BEGIN${'x'.repeat(1000)}END`, limit(100))
    expect(cut).toMatch(/^BEGINx+\n\[\.\.\. \d+ characters left out \.\.\.\]\nx+END$/)
    expect(cut.length).toBeLessThanOrEqual(100)
    expect(cut.length).toBeGreaterThan(95)
  })

  test('the mark stands even for a text that fits, when some of it was never read', () => {
    expect(Number(MARK.exec(truncateMiddle('a'.repeat(50), limit(200), 1234))?.[1])).toBe(1234)
  })

  test.each(Array.from({ length: 12 }, (_, index) => 36 + index))(
    'with %i characters, of a text whose middle was never read: no pair is split',
    (size) => {
      for (const text of ['\u{1f600}'.repeat(4), `a${'\u{1f600}'.repeat(4)}`, '\u{1f600}']) {
        const cut = truncateMiddle(text, limit(size), 7)
        expect(cut.isWellFormed()).toBe(true)
        expect(cut.length).toBeLessThanOrEqual(size)
      }
    },
  )

  test.each([0, 1, 5, 10, 36, 37, 38, 39, 40, 41, 45])(
    'keeps a limit of %i, which leaves no or little room for a mark',
    (size) => {
      const cut = truncateMiddle('\u{1f600}'.repeat(100), limit(size))
      expect(cut.length).toBeLessThanOrEqual(size)
      expect(cut.isWellFormed()).toBe(true)
    },
  )

  test('counts what is missing, within the limit, never in the middle of a pair', () => {
    fc.assert(
      fc.property(
        anyLongText,
        fc.integer({ min: 60, max: 5_000 }),
        fc.integer({ min: 60, max: 12_000 }),
        (any, characters, bytes) => {
          const { text } = sanitize(any)
          const cut = truncateMiddle(text, limit(characters, bytes))
          expect(fits(cut, limit(characters, bytes))).toBe(true)
          expect(cut.isWellFormed()).toBe(true)
          if (cut === text) return
          expect(fits(text, limit(characters, bytes))).toBe(false)
          // The mark that was made, not one that was in the text: the kept parts around it are parts of the text.
          const found = [...cut.matchAll(MARKS)].some(({ index, 1: mark = '', 2: missing }) => {
            const [head, tail] = [cut.slice(0, index), cut.slice(index + mark.length)]
            return (
              text.startsWith(head) &&
              text.endsWith(tail) &&
              head.length + Number(missing) + tail.length === text.length
            )
          })
          expect(found).toBe(true)
        },
      ),
      { numRuns: runs(1_000) },
    )
  })
})
