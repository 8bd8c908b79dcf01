import { describe, expect, test } from '@jest/globals'
import { CommandLog } from '../../../src/task-runner/command-log.ts'
import { commandsIn } from '../../support/commands.ts'

/** What is printed for chunks of standard output, and at their end. */
function printedFor(chunks: readonly (string | Buffer)[], prefix?: string): string[] {
  const printed: string[] = []
  const log = new CommandLog((lines) => {
    printed.push(String(lines))
    return undefined
  }, prefix)
  for (const chunk of chunks) log.add('stdout', Buffer.from(chunk))
  log.end()
  return printed
}

const shown = (chunks: readonly (string | Buffer)[], prefix?: string): string => printedFor(chunks, prefix).join('')

describe('lines', () => {
  const flame = [...Buffer.from('🔥')].map((byte) => Buffer.from([byte]))

  test.each<[string, (string | Buffer)[], string]>([
    ['none', [], ''],
    ['nothing', ['', ''], ''],
    ['whole ones', ['a\nb\n'], 'a\nb\n'],
    ['an empty one', ['a\n\nb\n', '\n'], 'a\n\nb\n\n'],
    ['one in several chunks', ['a', 'b', 'c\n'], 'abc\n'],
    ['one whose end is a chunk', ['a', '\n', 'b', '\r\n', 'c', '\n\nd'], 'a\nb\nc\n\nd\n'],
    ['a last one without an end', ['a\nb'], 'a\nb\n'],
    ['line ends of Windows', ['a\r\nb\r\n'], 'a\nb\n'],
    ['one of them in two chunks', ['a\r', '\nb\n'], 'a\nb\n'],
    ['with an empty chunk in it', ['a\r', '', '\nb\n'], 'a\nb\n'],
    ['with a part of a character behind it', ['a\r', '\n', Buffer.from([0xc3]), Buffer.from([0xbc])], 'a\nü\n'],
    ['a carriage return at the end of a chunk', ['a\r', 'b\n'], 'a\nb\n'],
    ['an empty line behind a line end in two chunks', ['a\r', '\n\nb\n'], 'a\n\nb\n'],
    ['a progress bar', ['1 %\r2 %\r', '3 %'], '1 %\n2 %\n3 %\n'],
    ['a character in several chunks', ['a', ...flame, 'b\n'], 'a🔥b\n'],
    ['an unfinished character', ['a', ...flame.slice(0, 3)], 'a\ufffd\n'],
    ['bytes that are no text', [Buffer.from([0x61, 0xff, 0x0a])], 'a\ufffd\n'],
    ['colours', ['\u001b[31mred\u001b[0m\n'], '\u001b[31mred\u001b[0m\n'],
  ])('%s', (_name, chunks, expected) => {
    expect(shown(chunks)).toBe(expected)
  })

  test('begin with the prefix, also the last and the empty ones', () => {
    expect(shown(['a\r\n\nb', 'c', '\n', 'd'], '# ')).toBe('# a\n# \n# bc\n# d\n')
  })

  test('of both streams are not mixed within a line', () => {
    const printed: string[] = []
    const log = new CommandLog((lines) => {
      printed.push(String(lines))
      return undefined
    })
    log.add('stdout', Buffer.from('out '))
    log.add('stderr', Buffer.from('err\r'))
    log.add('stdout', Buffer.from('\nput\nrest of out'))
    log.add('stderr', Buffer.from('rest of err'))
    log.end()
    expect(printed.join('')).toBe('err\nout \nput\nrest of out\nrest of err\n')
  })

  test.each(['', 'load #1 | '])('of one chunk are not printed each by itself, with the prefix %j', (prefix) => {
    const lines = Array.from({ length: 1_000 }, (_, index) => `line ${index}\n`)
    const printed = printedFor(['start of ', lines.join('')], prefix)
    expect(printed.join('')).toBe(`start of ${lines.join('')}`.replace(/^(?=.)/gm, prefix))
    expect(printed.length).toBeLessThan(5)
  })
})

test('the command waits for the writer, and not where nothing is printed', async () => {
  let goOn = (): void => undefined
  const waiting = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const log = new CommandLog(() => waiting)
  const wait = log.add('stderr', Buffer.from('a\n'))
  const first = Promise.race([wait, new Promise((resolve) => setImmediate(resolve, 'it waits'))])
  expect(await first).toBe('it waits')
  goOn()
  expect(await wait).toBeUndefined()
  expect(log.add('stderr', Buffer.from('without an end'))).toBeUndefined()
  expect(new CommandLog(() => undefined).add('stderr', Buffer.from('a\n'))).toBeUndefined()
})

describe('no line is a workflow command', () => {
  const COMMAND = '::set-output name=a::b'

  test.each<[string, string[], string?]>([
    ['at the start', [COMMAND]],
    ['in a later line', [`a\n${COMMAND}\n`]],
    ['behind spaces', [` \t${COMMAND}`]],
    ['behind white space of .NET', [`\u0085${COMMAND}`]],
    ['behind a carriage return', [`10 %\r${COMMAND}\n`]],
    ['behind a carriage return and a chunk', ['10 %\r', `${COMMAND}\n`]],
    ['behind a byte order mark', [`\ufeff${COMMAND}`]],
    ['behind a byte order mark of a later line', [`a\n\ufeff${COMMAND}`]],
    ['with the end of the output', ['::endgroup::']],
    ['of the old form', ['##[group]a']],
    ['of the old form within a line', ['a ##[error]b']],
    ['with a prefix', [`${COMMAND}\n`, 'a ##[error]b\n'], 'load #1 | '],
    ['with a prefix of white space', [COMMAND], ' '],
    ['in the stop of commands', ['::stop-commands::x\n', `${COMMAND}\n`]],
  ])('%s', (_name, chunks, prefix = '') => {
    const text = shown(chunks, prefix)
    expect(commandsIn(text)).toEqual([])
    // It stays readable.
    expect(text).toContain('\u200b')
  })

  test.each([COMMAND, '##[error]a', ' ::error::a\r\n'])('%j in any two chunks', (text) => {
    for (let at = 1; at < text.length; at++) {
      expect(commandsIn(shown([text.slice(0, at), text.slice(at)]))).toEqual([])
    }
  })

  // The prefix has the name of a task, which is any text.
  test.each(['::error::x | ', ' ::add-path::/tmp | ', '##[error]x | '])('with the prefix %j', (prefix) => {
    expect(commandsIn(shown(['a\nb'], prefix))).toEqual([])
  })
})

// The runner masks a secret only as a whole, and a part of a line may have a part of one.
describe('a long line', () => {
  const MAX = 64 * 1024

  test.each([
    ['in one chunk', [`${'x'.repeat(MAX)}\nnext\n`]],
    ['in several', ['x'.repeat(MAX - 1), 'x', '\nnext\n']],
  ])('of the maximum %s is whole', (_name, chunks) => {
    expect(shown(chunks)).toBe(`${'x'.repeat(MAX)}\nnext\n`)
  })

  test.each([
    ['in one chunk', [`before\n${'x'.repeat(MAX + 1)}\nnext\n`]],
    ['in several', ['before\n', 'x'.repeat(MAX), 'x', '\n', 'next\n']],
    ['with the rest of it in the chunk of its end', ['before\nx', `${'x'.repeat(MAX)}\nne`, 'xt\n']],
    ['with a carriage return', ['before\n', 'x'.repeat(MAX), 'x\r', '\nnext\r\n']],
  ])('of one more %s is left out, and the lines around it are whole', (_name, chunks) => {
    expect(shown(chunks)).toBe(`before\n[a line of ${MAX + 1} bytes is left out]\nnext\n`)
  })

  test('is told by its bytes, with the prefix', () => {
    expect(shown([`${'ü'.repeat(MAX)}\n`], 'load #1 | ')).toBe(`load #1 | [a line of ${2 * MAX} bytes is left out]\n`)
  })

  test.each([
    ['without its end', [], '[a line of 20971520 bytes is left out]\n'],
    ['with its end', ['xyz\nnext\n'], '[a line of 20971523 bytes is left out]\nnext\n'],
  ])('of any size %s is counted', (_name, end, expected) => {
    const chunks = Array.from({ length: 20 }, () => 'x'.repeat(1024 * 1024))
    expect(shown([...chunks, ...end])).toBe(expected)
  })
})
