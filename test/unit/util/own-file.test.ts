import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { makeOwnFolder, type OwnFile, readOwnFile, replaceOwnFile } from '../../../src/util/own-file.ts'

const onPosix = process.platform === 'win32' ? describe.skip : describe
/** Only the superuser can make files that belong to others. */
const asSuperuser = process.getuid?.() === 0 ? test : test.skip
const ANOTHER_USER = 4242
const LIMIT = 1_000

let temp = ''
beforeEach(() => {
  temp = mkdtempSync(join(tmpdir(), 'own file-'))
  // As the runner makes it.
  chmodSync(temp, 0o755)
})
afterEach(() => rmSync(temp, { recursive: true, force: true }))

const inTemp = (): OwnFile => ({ path: join(temp, 'marker.json'), isInOwnFolder: false })
const inFolder = (): OwnFile => ({ path: join(makeOwnFolder(temp, 'activity-'), 'state.json'), isInOwnFolder: true })

describe('a folder of our own', () => {
  test('is a new one each time, in a temporary folder that may not be there yet', () => {
    const parent = join(temp, 'not', 'there')
    const folders = [makeOwnFolder(parent, 'x-'), makeOwnFolder(parent, 'x-')]
    expect(new Set(folders).size).toBe(2)
    for (const folder of folders) expect(folder.startsWith(join(parent, 'x-'))).toBe(true)
    if (process.platform !== 'win32') expect(folders.map((each) => statSync(each).mode & 0o077)).toEqual([0, 0])
  })
})

describe('a file', () => {
  test.each([
    ['in the temporary folder', inTemp],
    ['in a folder of our own', inFolder],
  ])('%s: what is written can be read, by nobody else, and nothing else is left', (_name, place) => {
    const file = place()
    expect(readOwnFile(file, LIMIT)).toBeUndefined()
    replaceOwnFile(file, 'first')
    replaceOwnFile(file, 'größer')
    expect(readOwnFile(file, LIMIT)).toBe('größer')
    expect(readdirSync(dirname(file.path)).filter((name) => name.includes('json'))).toHaveLength(1)
    if (process.platform !== 'win32') expect(statSync(file.path).mode & 0o077).toBe(0)
  })

  test('of exactly the limit is read; of one more it is rejected, or its end is read', () => {
    const file = inTemp()
    replaceOwnFile(file, 'x'.repeat(LIMIT))
    expect(readOwnFile(file, LIMIT)).toHaveLength(LIMIT)
    replaceOwnFile(file, `${'x'.repeat(LIMIT)}y`)
    expect(() => readOwnFile(file, LIMIT)).toThrow('1000 bytes')
    expect(readOwnFile(file, LIMIT, 'end')).toBe(`${'x'.repeat(LIMIT - 1)}y`)
  })

  test('that can not take its place leaves nothing beside it', () => {
    const file = inTemp()
    mkdirSync(file.path)
    expect(() => replaceOwnFile(file, 'text')).toThrow()
    expect(readdirSync(temp)).toEqual(['marker.json'])
  })
})

onPosix('what is not ours', () => {
  const MADE: [string, (file: OwnFile) => void][] = [
    ['a link', ({ path }) => symlinkSync(join(temp, 'elsewhere'), path)],
    ['a folder', ({ path }) => mkdirSync(path)],
    ['a named pipe', ({ path }) => execFileSync('mkfifo', [path])],
    [
      'a file that others can write to',
      ({ path }) => {
        writeFileSync(path, 'forged')
        chmodSync(path, 0o666)
      },
    ],
  ]

  // As /tmp is.
  const share = (): void => chmodSync(temp, 0o1777)

  test.each(MADE)('%s in its place is not read', (_name, make) => {
    share()
    for (const file of [inTemp(), inFolder()]) {
      writeFileSync(join(temp, 'elsewhere'), 'forged')
      make(file)
      expect(() => readOwnFile(file, LIMIT)).toThrow()
    }
  })

  test('a link in its place is replaced, and what it leads to stays as it is', () => {
    const file = inTemp()
    writeFileSync(join(temp, 'elsewhere'), 'theirs')
    symlinkSync(join(temp, 'elsewhere'), file.path)
    replaceOwnFile(file, 'ours')
    expect(readFileSync(join(temp, 'elsewhere'), 'utf8')).toBe('theirs')
    expect(readOwnFile(file, LIMIT)).toBe('ours')
  })

  const SWAPPED: [string, (folder: string) => void][] = [
    [
      'is a link',
      (folder) => {
        renameSync(folder, `${folder}-elsewhere`)
        symlinkSync(`${folder}-elsewhere`, folder)
      },
    ],
    ['can be written to by others', (folder) => chmodSync(folder, 0o777)],
  ]

  test.each(SWAPPED)('its folder %s: it is neither read nor written', (_name, swap) => {
    const file = inFolder()
    replaceOwnFile(file, 'before')
    swap(dirname(file.path))
    expect(() => readOwnFile(file, LIMIT)).toThrow()
    expect(() => replaceOwnFile(file, 'after')).toThrow()
    expect(readFileSync(file.path, 'utf8')).toBe('before')
  })

  test('a temporary folder that all users share does no harm', () => {
    share()
    for (const file of [inTemp(), inFolder()]) {
      replaceOwnFile(file, 'ours')
      expect(readOwnFile(file, LIMIT)).toBe('ours')
    }
  })

  asSuperuser("another user's file is not read, and in another user's folder nothing is written", () => {
    share()
    const [single, inside] = [inTemp(), inFolder()]
    for (const file of [single, inside]) {
      replaceOwnFile(file, 'before')
      chownSync(file.path, ANOTHER_USER, ANOTHER_USER)
      expect(() => readOwnFile(file, LIMIT)).toThrow('belongs to another user')
    }
    chownSync(dirname(inside.path), ANOTHER_USER, ANOTHER_USER)
    expect(() => replaceOwnFile(inside, 'after')).toThrow('belongs to another user')
    expect(readFileSync(inside.path, 'utf8')).toBe('before')
  })

  // Mount options, such as dir_mode and file_mode.
  asSuperuser.each([
    ['777', '777'],
    ['1777', '777'],
    ['775', '664'],
    ['755', '777'],
    ['755', '664'],
    ['700', '777'],
  ])(
    'a network share that gives each folder one owner and mode %s, each file %s: ours are ours',
    (ofFolders, ofFiles) => {
      const file = inFolder()
      replaceOwnFile(file, 'ours')
      for (const path of [temp, dirname(file.path), file.path]) {
        chownSync(path, ANOTHER_USER, ANOTHER_USER)
        chmodSync(path, path === file.path ? ofFiles : ofFolders)
      }
      expect(readOwnFile(file, LIMIT)).toBe('ours')
      replaceOwnFile(file, 'still')
      expect(readOwnFile(file, LIMIT)).toBe('still')
    },
  )

  test('where others can not write to the temporary folder, a file in it may have any mode', () => {
    const file = inTemp()
    replaceOwnFile(file, 'ours')
    chmodSync(file.path, 0o666)
    expect(readOwnFile(file, LIMIT)).toBe('ours')
  })
})
