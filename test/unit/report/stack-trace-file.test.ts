import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readStackTraceFile } from '../../../src/report/stack-trace-file.ts'
import { runs } from '../../properties/runs.ts'

const onPosix = process.platform === 'win32' ? test.skip : test

let root = ''

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'places-'))
  for (const folder of ['work', 'work/in', 'temp', 'temp/in', 'else', 'else/in']) {
    mkdirSync(join(root, folder))
    writeFileSync(join(root, folder, 'log'), folder.startsWith('else') ? 'outside' : 'inside')
  }
  for (const folder of ['work', 'temp', 'else']) {
    for (const target of ['work', 'temp', 'else']) symlinkSync(join(root, target), join(root, folder, `to-${target}`))
    symlinkSync('..', join(root, folder, 'up'))
    symlinkSync('to-else/log', join(root, folder, 'to-log'))
  }
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

onPosix(
  'whatever relative path is given, nothing outside of the workspace and the temporary folder is read',
  async () => {
    const step = fc.constantFrom('in', 'work', 'temp', 'else', 'to-work', 'to-temp', 'to-else', 'up', '..', '.')
    const path = fc
      .tuple(fc.array(step, { maxLength: 5 }), fc.constantFrom('log', 'to-log'))
      .map(([steps, file]) => [...steps, file].join('/'))
    const outcomes = new Set<string>()
    await fc.assert(
      fc.asyncProperty(path, async (given) => {
        const folders = [join(root, 'work'), join(root, 'temp')] as const
        const outcome = await readStackTraceFile(given, folders).then(
          ({ text }) => text,
          (error: Error) => (/is outside of the workspace/.test(error.message) ? 'rejected' : 'no such file'),
        )
        expect(outcome).not.toBe('outside')
        outcomes.add(outcome)
      }),
      { numRuns: runs(500) },
    )
    // Else this would prove nothing.
    expect([...outcomes].sort()).toEqual(['inside', 'no such file', 'rejected'])
  },
)

test.each(['utf-16le', 'utf-16be'] as const)('both ends of a large file in %s are read', async (encoding) => {
  const text = `\ufeffstart${'.'.repeat(1_000_000)}größe at the end`
  const bytes = Buffer.from(text, 'utf16le')
  writeFileSync(join(root, 'work', encoding), encoding === 'utf-16le' ? bytes : bytes.swap16())
  const { text: read, missing } = await readStackTraceFile(encoding, [join(root, 'work')])
  expect(read).toMatch(/^start\.+größe at the end$/)
  // The byte order mark is no character of the text.
  expect(missing + read.length).toBe(text.length - 1)
})
