import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals'
import { beginWithSecrets, hideTexts } from '../../../src/masking/known-secrets.ts'
import { OutputTail } from '../../../src/task-runner/output-tail.ts'
import { windowFinder } from '../../support/secret-windows.ts'

const MARK = '[... earlier output left out ...]\n'
const KIB = 1024
const MIB = 1024 * KIB
/** So much of an output is kept. */
const KEPT = 64 * KIB
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'

beforeEach(() => beginWithSecrets([]))
afterAll(() => beginWithSecrets([]))

function tailOf(...chunks: (string | Buffer)[]): string {
  const tail = new OutputTail()
  for (const chunk of chunks) tail.add(Buffer.from(chunk))
  return tail.text()
}

/** Each byte as a chunk of its own. */
function inBytes(text: string): Buffer[] {
  return [...Buffer.from(text)].map((byte) => Buffer.from([byte]))
}

/** The text in chunks of this size. */
function inChunks(text: string, size: number): Buffer[] {
  const bytes = Buffer.from(text)
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  )
}

/** A progress bar of this size, of which only the last state is shown. */
function progress(bytes: number): string {
  return 'loading\r'.repeat(bytes / 8 + 1).slice(-bytes)
}

describe('a short output', () => {
  test.each<[string, (string | Buffer)[], string]>([
    ['none', [], ''],
    ['nothing in it', [''], ''],
    ['white space', [' \r\n\t\n'], ''],
    ['white space around it', ['\n a\n\n'], 'a'],
    ['several chunks', ['on', 'e\ntw', 'o\n'], 'one\ntwo'],
    ['characters in several chunks', inBytes('größe 🔥 漢'), 'größe 🔥 漢'],
    ['line ends of Windows', ['a\r\nb\r\n'], 'a\r\nb'],
    ['a progress bar', ['10 %\r50 %\r100 %\n'], '100 %'],
    ['a progress bar between lines', ['before\n10 %\r100 %\nafter'], 'before\n100 %\nafter'],
    ['a progress bar that returns last', ['10 %\r50 %\r'], '50 %'],
    ['a progress bar that erases its line', ['10 %\r\u001b[K100 %'], '100 %'],
    ['colours and control characters', ['\u001b[1;31mno\u001b[0m space\u0007\0'], 'no space'],
    ['only colours', ['\u001b[31m\u001b[0m'], ''],
    ['bytes that are no text', [Buffer.from([0x61, 0xc3, 0x28, 0x62])], 'a\ufffd(b'],
    ['a byte order mark', ['\ufeffa'], 'a'],
  ])('with %s', (_name, chunks, expected) => {
    expect(tailOf(...chunks)).toBe(expected)
  })
})

describe('a long output', () => {
  const letters = (length: number): string => 'line\n'.repeat(length).slice(0, length - 1)

  test('of 4,000 characters is whole', () => {
    const text = `${letters(3_999)}.x`
    expect(text).toHaveLength(4_000)
    expect(tailOf(text)).toBe(text)
  })

  test('of one more begins with the first whole line, behind a mark', () => {
    expect(tailOf(`${letters(4_000)}.x`)).toBe(`${MARK}${letters(4_000).slice(5)}.x`)
  })

  test.each([
    ['in the first half of what is shown: from there', 3_000, 3_000],
    ['in its second half only: from within a line', 1_000, 4_000],
  ])('with a line end %s', (_name, lastLine, shown) => {
    const text = tailOf(`${'a'.repeat(5_000)}\n${'b'.repeat(lastLine)}`)
    expect(text.replace(MARK, '')).toHaveLength(shown)
    expect(text.endsWith(`${'b'.repeat(lastLine)}`)).toBe(true)
  })

  test.each([
    ['one byte a character', 'x'],
    ['two bytes a character', 'ü'],
    ['three bytes a character', '漢'],
    ['surrogate pairs', '🔥'],
    ['letters and surrogate pairs', 'xx🔥'],
    ['letters and three bytes', 'x漢'],
  ])('of %s keeps both limits, and uses them', (_name, piece) => {
    // At each place within a piece.
    for (let more = 0; more < 4; more++) {
      const shown = tailOf(`${piece.repeat(6_000)}${'z'.repeat(more)}`)
      expect(shown.startsWith(MARK)).toBe(true)
      expect(shown.endsWith(`${piece}${'z'.repeat(more)}`)).toBe(true)
      // API reference, SetTaskStatus, and Developer Guide, dp-limits.
      expect(shown.length).toBeLessThanOrEqual(4_095)
      expect(Buffer.byteLength(shown)).toBeLessThanOrEqual(10_240)
      expect(shown.length >= 3_600 || Buffer.byteLength(shown) >= 9_000).toBe(true)
      expect(shown.isWellFormed()).toBe(true)
      expect(shown).not.toContain('\ufffd')
    }
  })

  test('of one line that fills all that is kept', () => {
    expect(tailOf('x'.repeat(KEPT / 4))).toBe(MARK + 'x'.repeat(4_000))
  })

  test('of many megabytes shows its last lines', () => {
    const chunks = Array.from({ length: 300 }, (_, index) => `chunk ${index}\n${'line of text\n'.repeat(5_000)}`)
    const shown = tailOf(...chunks, 'the end\n')
    expect(shown.startsWith(`${MARK}line of text\n`)).toBe(true)
    expect(shown.endsWith('\nline of text\nthe end')).toBe(true)
    expect(shown.length).toBeGreaterThan(3_900)
  })

  // Around the moments when what is kept is moved.
  test.each([64, 65, 66, 130, 131, 132, 133, 197, 198])('of %d chunks of 1,000 bytes shows the end of all', (count) => {
    const text = Array.from({ length: 100 * count }, (_, index) => `line ${index}`.padEnd(9)).join('\n')
    const shown = tailOf(...inChunks(text, 1_000)).replace(MARK, '')
    expect(text.trimEnd().endsWith(`\n${shown}`)).toBe(true)
    expect(shown.length).toBeGreaterThan(3_900)
  })

  test('takes no more memory than is kept, however large the chunks are', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const used = async (): Promise<number> => {
      // A collection frees some of it only at the next one.
      for (let time = 0; time < 3; time++) {
        collect()
        await new Promise((resolve) => setImmediate(resolve))
      }
      return process.memoryUsage().arrayBuffers
    }
    const tail = new OutputTail()
    const add = (): void => tail.add(Buffer.alloc(32 * MIB, 'x\n'))
    const before = await used()
    for (let count = 0; count < 4; count++) add()
    expect((await used()) - before).toBeLessThan(4 * MIB)
    expect(tail.text()).toContain('x\nx')
  })

  test.each([
    ['100 KB in small chunks', 100_000, 1_000],
    ['100 KB in one chunk', 100_000, 200_000],
    ['200 KB in small chunks', 200_000, 1_000],
  ])('of a progress bar of %s says that there was more', (_name, size, ofChunks) => {
    expect(tailOf(...inChunks(`the cause\n${progress(size)}done`, ofChunks))).toBe(`${MARK}done`)
  })

  test('of white space is none', () => {
    expect(tailOf(`the cause${' \n'.repeat(2 * KEPT)}`)).toBe('')
  })

  test('that is cut within a character shows no part of it', () => {
    const flame = Buffer.from('🔥')
    for (let left = 1; left < 4; left++) {
      const end = `${progress(KEPT - left - 4)}last`
      expect(tailOf(Buffer.concat([Buffer.alloc(3 * KEPT, 'y'), flame, Buffer.from(end)]))).toBe(`${MARK}last`)
    }
  })
})

describe('a secret', () => {
  test.each<[string, string[]]>([
    ['as it is', [`key ${SECRET} end`]],
    ['in several chunks', [`key ${SECRET.slice(0, 7)}`, `${SECRET.slice(7)} end`]],
    ['with colours in it', [`key ${SECRET.slice(0, 7)}\u001b[31m${SECRET.slice(7)} end`]],
    ['with titles of the window in it', [`key ${SECRET.replace(/.{8}/g, '$&\u001b]0;a title\u0007')} end`]],
    ['with a control character in it', [`key ${SECRET.slice(0, 7)}\u0001${SECRET.slice(7)} end`]],
  ])('%s is not shown', (_name, chunks) => {
    beginWithSecrets([SECRET])
    expect(tailOf(...chunks)).toBe('key *** end')
  })

  test('that begins within an escape sequence is not shown, even where only the whole of it is masked', () => {
    hideTexts(['correct horse battery staple'])
    expect(tailOf('key \u001bcorrect horse battery staple')).not.toContain('orrect')
  })

  test('at the start of what is shown leaves no part', () => {
    beginWithSecrets([SECRET])
    for (let left = 1; left < SECRET.length; left++) {
      const shown = tailOf(`${'y\n'.repeat(2_500)}${SECRET}${'\nz'.repeat((4_000 - left) / 2)}`)
      expect(shown).not.toMatch(/[A-Z]/)
    }
  })

  /** An output of which the end behind these characters is kept, and all but a few characters of that is a progress bar. */
  function cutWithin(value: string, left: number): string {
    const end = `${value.slice(-left)} |\n`
    const rest = `${progress(KEPT - Buffer.byteLength(end) - 4)}last`
    return tailOf(`${'y'.repeat(2 * KEPT)}${value.slice(0, -left)}${end}${rest}`)
  }

  test('at the start of what is kept leaves no 12 characters of it', () => {
    beginWithSecrets([SECRET])
    for (let left = 1; left < SECRET.length; left++) {
      const shown = cutWithin(SECRET, left)
      expect(shown.endsWith('last')).toBe(true)
      expect(windowFinder([SECRET])(shown)).toEqual([])
    }
  })

  test('of an encrypted field, of which only the whole is masked, leaves no part at the start of what is kept', () => {
    const value = 'correct horse battery staple'
    hideTexts([value])
    for (const left of [3, 12, value.length - 1]) expect(cutWithin(value, left)).not.toContain(value.slice(-left))
  })
})

test('that was freed is empty, and begins again without a mark', () => {
  const tail = new OutputTail()
  tail.add(Buffer.from('x'.repeat(3 * KEPT)))
  tail.free()
  expect(tail.text()).toBe('')
  tail.add(Buffer.from('again'))
  expect(tail.text()).toBe('again')
})
