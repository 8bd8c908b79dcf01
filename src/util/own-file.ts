import { randomUUID } from 'node:crypto'
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, type Stats, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readSmallFile } from './regular-file.ts'

/**
 * A file by which processes of this job know of each other. Other users may be able to write to the temporary folder, as
 * to /tmp: what they put in the file's place is not read, and what a link of theirs leads to is not written.
 */
export interface OwnFile {
  readonly path: string
  /** Whether it is in a folder that `makeOwnFolder` made; else it is in the temporary folder itself. */
  readonly isInOwnFolder: boolean
}

/**
 * Makes a folder that only this user can use, with a name that nobody can have taken before. The temporary folder is made,
 * too, where it is not there.
 *
 * @returns its path, which begins with the prefix
 */
export function makeOwnFolder(temp: string, prefix: string): string {
  mkdirSync(temp, { recursive: true, mode: 0o700 })
  return mkdtempSync(join(temp, prefix))
}

/**
 * The text of a file, or of its end where it is larger than `limit` bytes and only that is wanted.
 *
 * @returns undefined when there is no such file
 * @throws Error when it is anything else, it may be another user's, or it can't be read
 */
export function readOwnFile(file: OwnFile, limit: number, larger: 'reject' | 'end' = 'reject'): string | undefined {
  try {
    const place = expectOwnFolder(file)
    const check = (found: Stats): void => expectOwn(file.path, found, place)
    return whileInUse(() => readSmallFile(file.path, { limit, larger, check }), UNREADABLE_FOR_A_MOMENT)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Writes a file, in place of one that may be there, such that a reader sees the old one or the new one, and never a part.
 *
 * @throws Error when it can't be written, or its folder may be another user's
 */
export function replaceOwnFile(file: OwnFile, text: string, rename = renameSync): void {
  expectOwnFolder(file)
  // Under a name that nobody can have taken before.
  const aside = `${file.path}.${randomUUID()}`
  try {
    writeFileSync(aside, text, { flag: 'wx', mode: 0o600 })
    whileInUse(() => rename(aside, file.path))
  } catch (error) {
    removeIfThere(aside)
    throw error
  }
}

function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // Its folder is none.
  }
}

/** What the files in a place are judged by. */
interface Place {
  /** The owner of the temporary folder, who can do anything in it. */
  readonly owner: number
  /** Whether the mode of a file tells who else can write to it. */
  readonly areModesKept: boolean
}

const WRITABLE_BY_OTHERS = 0o022
/** Of a folder: only who owns a file in it can remove it, or give it another name. */
const STICKY = 0o1000

/**
 * Checks the folder of a file, where it is one of this job. A network share may give every file the owner of the folder,
 * whoever makes it, and all of them the same modes: that is seen by a folder that does not have the mode it was made with.
 */
function expectOwnFolder({ path, isInOwnFolder }: OwnFile): Place {
  const folder = dirname(path)
  const { uid: owner, mode } = statSync(isInOwnFolder ? dirname(folder) : folder)
  const isWritable = (mode & WRITABLE_BY_OTHERS) !== 0
  const isSticky = (mode & STICKY) !== 0
  // Others can put nothing into a folder that they can't write to, and can replace everything in one that is not sticky.
  if (!isInOwnFolder) return { owner, areModesKept: isWritable && isSticky }
  const found = lstatSync(folder)
  if (!found.isDirectory()) throw new Error(`${folder} is not a folder`)
  // Where both are private, nobody else gets in.
  const place = { owner, areModesKept: (!isWritable || isSticky) && found.mode !== mode }
  expectOwn(folder, found, place)
  return place
}

/** Checks that no other user can have made a file or folder, or can write to it. */
function expectOwn(path: string, found: Stats, { owner, areModesKept }: Place): void {
  const user = process.geteuid?.()
  // Windows has neither owners nor modes.
  if (user === undefined) return
  if (found.uid !== user && found.uid !== owner) throw new Error(`${path} belongs to another user`)
  if (areModesKept && (found.mode & WRITABLE_BY_OTHERS) !== 0) throw new Error(`other users can write to ${path}`)
}

/** How often an operation on a file that is in use is attempted, and milliseconds between two attempts: 1 s in all. */
const ATTEMPTS = 50
const BETWEEN_ATTEMPTS_MS = 20

const IN_USE = ['EPERM', 'EACCES', 'EBUSY']
/** Elsewhere than on Windows a file that may not be read stays so. */
const UNREADABLE_FOR_A_MOMENT = process.platform === 'win32' ? IN_USE : ['EBUSY']

/**
 * Repeats a file operation while another program has the file open, as virus scanners on Windows do: for 1 s.
 *
 * @throws what the operation throws for any other reason, or in the end
 */
function whileInUse<T>(operation: () => T, codes: readonly string[] = IN_USE): T {
  for (let attempt = 1; ; attempt++) {
    try {
      return operation()
    } catch (error) {
      if (attempt >= ATTEMPTS || !codes.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      // Nothing else is to be done in between: what comes next may be the end of the process.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BETWEEN_ATTEMPTS_MS)
    }
  }
}
