import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { redact } from '../../src/text/redact.ts'
import { runs } from '../properties/runs.ts'

describe('redact', () => {
  test.each([
    ['nothing', 'a text', ['secret-1'], 'a text', 0],
    ['one', 'a secret-1 b', ['secret-1'], 'a *** b', 1],
    ['the whole text', 'secret-1', ['secret-1'], '***', 1],
    ['several times', 'secret-1secret-1', ['secret-1'], '******', 2],
    ['several secrets', 'secret-1 secret-2', ['secret-1', 'secret-2'], '*** ***', 2],
    ['one inside another', 'secret-12 secret-1', ['secret-1', 'secret-12'], '*** ***', 2],
    ['URL-encoded', 'key=ab%2Fcd%2Bef%3D', ['ab/cd+ef='], 'key=***', 1],
    ['characters of regular expressions', 'x a.b*c(d)[e] y', ['a.b*c(d)[e]'], 'x *** y', 1],
    ['a replacement pattern', 'x $&$1$$abc y', ['$&$1$$abc'], 'x *** y', 1],
    ['an empty secret', 'a b', [''], 'a b', 0],
    ['a lone surrogate in the secret', 'x abc\ud800def y', ['abc\ud800def'], 'x *** y', 1],
    // Placeholders of local set-ups are shorter, and would shred every text.
    ['a secret of five characters', 'a abcde b', ['abcde'], 'a abcde b', 0],
    ['a secret of six characters', 'a abcdef b', ['abcdef'], 'a *** b', 1],
    ['both forms of a secret', 'ab/cd+ef ab%2Fcd%2Bef', ['ab/cd+ef'], '*** ***', 2],
    ['the same secret twice', 'secret-1', ['secret-1', 'secret-1'], '***', 1],
  ])('%s', (_name, text, secrets, redacted, count) => {
    expect(redact(text, secrets)).toEqual({ text: redacted, secrets: count })
  })

  test('leaves no secret, wherever it stands', () => {
    const secret = fc.string({ unit: fc.constantFrom('a', 'b', '/', '+', '='), minLength: 8, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(secret, { minLength: 1, maxLength: 4 }), fc.array(fc.string()), (secrets, texts) => {
        const text = texts.flatMap((part, index) => [part, secrets[index % secrets.length] ?? '']).join('')
        const { text: redacted } = redact(text, secrets)
        for (const each of secrets) {
          expect(redacted).not.toContain(each)
          expect(redacted).not.toContain(encodeURIComponent(each))
        }
        expect(redact(redacted, secrets).secrets).toBe(0)
      }),
      { numRuns: runs(100) },
    )
  })
})
