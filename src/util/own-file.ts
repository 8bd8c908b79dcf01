import { randomUUID } from 'node:crypto'
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, type Stats, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readSmallFile } from './regular-file.ts'

/**
 * A file by which processes of this job know of each other. Other users may be able to write to the temporary folder, such as
 * /tmp: a file or link of theirs is neither read nor written.
 */
export interface OwnFile {
  readonly path: string
  /** Whether it is in a folder of `makeOwnFolder`, and not in the temporary folder itself. */
  readonly isInOwnFolder: boolean
}

/**
 * Makes a folder that only this user can use, with an unpredictable name. Makes the temporary folder if it does not exist.
 *
 * @returns its path, which starts with the prefix
 */
export function makeOwnFolder(temp: string, prefix: string): string {
  mkdirSync(temp, { recursive: true, mode: 0o700 })
  return mkdtempSync(join(temp, prefix))
}

/**
 * The text of a file, or of its end if it is larger than `limit` bytes.
 *
 * @returns undefined when the file does not exist
 * @throws Error when it is no file, may be another user's, or can't be read
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
 * Writes a file in place of another one. A reader sees the old one or the new one, and never a part.
 *
 * @throws Error when it can't be written, or its folder may be another user's
 */
export function replaceOwnFile(file: OwnFile, text: string, rename = renameSync): void {
  expectOwnFolder(file)
  // Under an unpredictable name.
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
    // Its folder is no folder.
  }
}

/** How the owners and modes of files in a folder are checked. */
interface Place {
  /** The owner of the temporary folder, who controls it. */
  readonly owner: number
  /** Whether the mode of a file shows who else can write to it. */
  readonly areModesKept: boolean
}

const WRITABLE_BY_OTHERS = 0o022
/** In such a folder, only the owner of a file can remove or rename it. */
const STICKY = 0o1000

/**
 * Checks the folder of a file, if it is one of this job. A network share may give all files the owner of the folder, and the same
 * modes. A folder without the mode that it was made with shows this.
 */
function expectOwnFolder({ path, isInOwnFolder }: OwnFile): Place {
  const folder = dirname(path)
  const { uid: owner, mode } = statSync(isInOwnFolder ? dirname(folder) : folder)
  const isWritable = (mode & WRITABLE_BY_OTHERS) !== 0
  const isSticky = (mode & STICKY) !== 0
  // Others can't add files to a folder that they can't write to, and can replace everything in one that is not sticky.
  if (!isInOwnFolder) return { owner, areModesKept: isWritable && isSticky }
  const found = lstatSync(folder)
  if (!found.isDirectory()) throw new Error(`${folder} is not a folder`)
  // Nobody else can use private folders.
  const place = { owner, areModesKept: (!isWritable || isSticky) && found.mode !== mode }
  expectOwn(folder, found, place)
  return place
}

/** Checks that no other user has made a file or folder, or can write to it. */
function expectOwn(path: string, found: Stats, { owner, areModesKept }: Place): void {
  const user = process.geteuid?.()
  // Windows has neither owners nor modes.
  if (user === undefined) return
  if (found.uid !== user && found.uid !== owner) throw new Error(`${path} belongs to another user`)
  if (areModesKept && (found.mode & WRITABLE_BY_OTHERS) !== 0) throw new Error(`other users can write to ${path}`)
}

/** The attempts of an operation on a file in use, and milliseconds between two of them: 1 s in all. */
const ATTEMPTS = 50
const BETWEEN_ATTEMPTS_MS = 20

const IN_USE = ['EPERM', 'EACCES', 'EBUSY']
/** On other systems than Windows, denied access to a file is final. */
const UNREADABLE_FOR_A_MOMENT = process.platform === 'win32' ? IN_USE : ['EBUSY']

/**
 * Retries a file operation for 1 s while another program has the file open, as virus scanners on Windows do.
 *
 * @throws any other error of the operation, or the last one
 */
function whileInUse<T>(operation: () => T, codes: readonly string[] = IN_USE): T {
  for (let attempt = 1; ; attempt++) {
    try {
      return operation()
    } catch (error) {
      if (attempt >= ATTEMPTS || !codes.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      // Blocks, as the process may end next.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BETWEEN_ATTEMPTS_MS)
    }
  }
}
