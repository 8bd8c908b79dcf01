import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { withoutCommands } from '../../../src/github/log.ts'
import { runs } from '../../properties/runs.ts'
import { commandsIn } from '../../support/commands.ts'

describe('withoutCommands', () => {
  test.each([
    '::error::x',
    '::add-path::/tmp',
    '  ::error::x',
    '\t::error::x',
    '\u00a0\u2003::error::x',
    // White space for the runner (.NET), though not for \s in JavaScript.
    '\u0085::error::x',
    ' \u0085 ::error::x',
    'a\n::error::x',
    'a\r::error::x',
    'a\r\n::error::x',
    'a\n\n\n  ::error::x',
    'a\v::error::x',
    '##[error]x',
    'a ##[error]x',
    '###[error]x',
    '##[##[error]x',
    '::group::a\n::endgroup::',
    '::::error::x',
    '::error file=a,line=1::x',
  ])('%j becomes no command, and stays readable', (text) => {
    const safe = withoutCommands(text)
    expect(commandsIn(safe)).toEqual([])
    expect(safe.replaceAll('\u200b', '')).toBe(text)
  })

  test.each(['', 'a', 'a::b', 'std::vector', '# [x]', '##', 'a\nb', 'C::D::e\n - F::G', '%0A::error::x'])(
    '%j stays as it is',
    (text) => {
      expect(withoutCommands(text)).toBe(text)
    },
  )

  test('whatever goes in, no command comes out', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '::',
        ':',
        '##[',
        '#',
        '[',
        ']',
        'error',
        'add-path',
        ' ',
        '\t',
        '\n',
        '\r',
        '\r\n',
        '\u0085',
        '\u00a0',
      ),
      fc.constantFrom('\u2028', '\ufeff', '\u200b', '\v', '\f', 'x=y', '%0A', 'a'),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const text = pieces.join('')
        expect(commandsIn(withoutCommands(text))).toEqual([])
        expect(withoutCommands(withoutCommands(text))).toBe(withoutCommands(text))
      }),
      { numRuns: runs(5_000) },
    )
  })
})

describe('commandsIn finds what the runner would', () => {
  test.each([
    ['::error::x', 'error', {}, 'x'],
    ['  ::warning file=a.ts,line=3::two%0Alines', 'warning', { file: 'a.ts', line: '3' }, 'two\nlines'],
    ['log ##[set-env name=A;]b', 'set-env', { name: 'A' }, 'b'],
    ['\u0085::add-path::/tmp', 'add-path', {}, '/tmp'],
  ])('%j', (line, name, properties, message) => {
    expect(commandsIn(`before\n${line}\nafter`)).toEqual([{ name, properties, message }])
  })

  test.each(['a ::error::x', ':: error::x', 'error::x', '#[error]x'])('and nothing in %j', (line) => {
    expect(commandsIn(line)).toEqual([])
  })
})
