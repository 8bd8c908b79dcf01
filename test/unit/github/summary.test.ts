import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { escapeHtml, summaryTable } from '../../../src/github/summary.ts'
import { runs } from '../../properties/runs.ts'
import { anyText } from '../../support/texts.ts'

describe('escapeHtml', () => {
  test.each([
    ['', ''],
    ['plain', 'plain'],
    ['<b>', '&#60;b&#62;'],
    ['a & b', 'a &#38; b'],
    ['"\'`', '&#34;&#39;&#96;'],
    ['&lt;', '&#38;lt;'],
  ])('%j', (text, escaped) => {
    expect(escapeHtml(text)).toBe(escaped)
  })

  test('leaves no markup, and loses nothing', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const escaped = escapeHtml(text)
        expect(escaped).not.toMatch(/[<>"'`]/)
        expect(escaped.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))).toBe(text)
      }),
      { numRuns: runs(100) },
    )
  })
})

describe('summaryTable', () => {
  test('is one block of HTML without an empty line, whatever the values are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('Task', 'Error message'), anyText), { maxLength: 4 }),
        anyText,
        (rows, link) => {
          const html = summaryTable('Task', [...rows, ['Run', { text: link, link }]])
          const inside = html.slice(html.indexOf('<table'), html.lastIndexOf('</table>'))
          expect(
            inside
              .split(/\r\n|\r|\n/)
              .slice(0, -1)
              .filter((line) => line.trim() === ''),
          ).toEqual([])
          expect(inside.match(/<(?!\/?(?:table|tr|th|td|code|br|a)[ >])/g)).toBeNull()
          expect([...html.matchAll(/<tr>/g)]).toHaveLength(rows.length + 1)
        },
      ),
      { numRuns: runs(100) },
    )
  })

  test('leaves a long word whole, so that the runner can mask a secret', () => {
    const word = 'eyJhbGciOiJFUzI1NiJ9'.repeat(20)
    expect(summaryTable('Task', [['Error id', `see ${word}`]])).toContain(word)
  })

  test('escapes the heading and the names', () => {
    expect(summaryTable('<h>', [['<n>', 'v']])).not.toMatch(/<h>|<n>/)
  })
})
