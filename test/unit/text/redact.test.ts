import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { redact } from '../../../src/text/redact.ts'
import { runs } from '../../properties/runs.ts'
import { ENCODERS, windowFinder } from '../../support/secret-windows.ts'
import { anyText } from '../../support/texts.ts'

/** One of each kind, and one with all that is ever escaped. */
const AWS_SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
const SESSION_TOKEN = `${'IQoJb3JpZ2luX2VjE/+rL'.repeat(20)}==`
const PASSWORD = `p'a"s s<w>o&r+d:/é$1漢.*[x]{2}~!`

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
    ['one of five characters in UTF-16', 'a a\0b\0c\0d\0e b', ['abcde'], 'a a\0b\0c\0d\0e b', 0],
    ['a secret of six characters', 'a abcdef b', ['abcdef'], 'a *** b', 1],
    ['both forms of a secret', 'ab/cd+ef ab%2Fcd%2Bef', ['ab/cd+ef'], '*** ***', 2],
    ['the same secret twice', 'secret-1', ['secret-1', 'secret-1'], '***', 1],
  ])('%s', (_name, text, secrets, redacted, count) => {
    expect(redact(text, secrets)).toEqual({ text: redacted, secrets: count })
  })

  describe.each([
    ['a secret key', AWS_SECRET_KEY],
    ['a session token', SESSION_TOKEN],
    ['a password', PASSWORD],
    ['a short password', `a/b'+c&d`],
  ])('%s', (_kind, secret) => {
    test.each(Object.entries(ENCODERS))('%s', (_form, encode) => {
      const { text } = redact(`before ${encode(secret)} after`, [secret])
      // Of base64, the characters that have bits of the neighbours may stay.
      expect(text).toMatch(/^before [\w+/=-]{0,8}\*\*\*[\w+/=-]{0,8} after$/)
      expect(windowFinder([secret])(text)).toEqual([])
    })
  })

  test.each([
    ['a line of several', 'x second-line y', ['first-line\r\nsecond-line'], 'x *** y'],
    ['several lines at once', 'x first-line\nsecond-line y', ['first-line\nsecond-line'], 'x *** y'],
    ['what stands in quotes', 'x abcdefg y', ['"abcdefg"'], 'x *** y'],
    ['what PowerShell shows before an ampersand', 'x abcdefg& y', ['abcdefg&hijklmn'], 'x *** y'],
    ['what PowerShell shows behind an ampersand', 'x hijklmn y', ['abcdefg&hijklmn'], 'x *** y'],
    ['what PowerShell shows behind a coloured letter', 'x abcdefg&+ y ijklmn z', ['abcdefg&+hijklmn'], 'x *** y *** z'],
    ['twelve characters of a longer one', 'x FEMI/K7MDENG y', [AWS_SECRET_KEY], 'x *** y'],
    ['eleven characters of a longer one', 'x EMI/K7MDENG y', [AWS_SECRET_KEY], 'x EMI/K7MDENG y'],
    ['eleven characters of one of eleven', 'x abcdefghijk y', ['abcdefghijk'], 'x *** y'],
    ['ten characters of one of eleven', 'x abcdefghij y', ['abcdefghijk'], 'x abcdefghij y'],
    ['the beginning, cut', 'x wJalrXUtnFEM', [AWS_SECRET_KEY], 'x ***'],
    ['the end, cut', 'iCYEXAMPLEKEY x', [AWS_SECRET_KEY], '*** x'],
    ['both sides of a line end', 'x wJalrXUtnFEMI/K\n7MDENG/bPxRfiCYEXAMPLEKEY', [AWS_SECRET_KEY], 'x ***\n***'],
    ['an escape that takes the beginning', '\u001bwJalrXUtnFEMI/K7MDENG', [AWS_SECRET_KEY], '\u001b***'],
    ['base64 that is escaped for a URL', 'x Pj4%2BPz8%2Fc2VjcmV0Pj4%2BPz8%2F y', ['>>>???secret>>>???'], 'x *** y'],
    ['within an escape sequence', '\u0090SECRET%2Dabc/def%2B\u0007', ['SECRET-abc/def+'], '\u0090***\u0007'],
    ['base64 on two lines', 'x d0phbHJYVXRuRkVNSS9L\nN01ERU5HL2JQeFJm y', [AWS_SECRET_KEY], 'x *** y'],
    ['escapes around it', 'x \\"secret-1\\" y', ['secret-1'], 'x \\"***\\" y'],
    ['another case', 'x SECRET-1 y', ['secret-1'], 'x SECRET-1 y'],
  ])('%s', (_name, text, secrets, redacted) => {
    expect(redact(text, secrets).text).toBe(redacted)
  })

  test('what a cut left of a form is no window of it', () => {
    const secrets = [AWS_SECRET_KEY, SESSION_TOKEN, PASSWORD]
    const shownIn = windowFinder(secrets)
    fc.assert(
      fc.property(
        fc.constantFrom(...secrets),
        fc.constantFrom(...Object.values(ENCODERS)),
        anyText,
        fc.nat(100),
        fc.nat(100),
        (secret, encode, around, left, right) => {
          const form = encode(secret)
          const piece = form.slice((form.length * left) / 100, form.length - (form.length * right) / 100)
          expect(shownIn(redact(piece, secrets).text)).toEqual([])
          expect(shownIn(redact(around + piece + around, secrets).text)).toEqual([])
        },
      ),
      { numRuns: runs(2_000) },
    )
  })

  test('a secret that was not known before, and one that is none any more', () => {
    const text = 'secret-1 secret-2'
    expect(redact(text, ['secret-1']).text).toBe('*** secret-2')
    expect(redact(text, ['secret-1', 'secret-2']).text).toBe('*** ***')
    expect(redact(text, ['secret-2']).text).toBe('secret-1 ***')
    expect(redact(text, []).text).toBe(text)
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
