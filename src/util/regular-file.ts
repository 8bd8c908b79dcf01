import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

// To open a named pipe would wait for a writer, and a terminal could become that of this process. Windows lacks these flags.
const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)
const READ_FLAGS_OF_NO_LINK = READ_FLAGS | (constants.O_NOFOLLOW ?? 0)

/**
 * Opens a file for reading. Rejects a named pipe, a device, a socket or a directory without waiting for it. Checks the open file and
 * not the path, which may name another file by then.
 *
 * @throws Error when it does not exist, or is not a regular file
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  const file = await open(path, READ_FLAGS).catch(rejectSocket)
  try {
    expectRegular(await file.stat())
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** How a file is read. */
export interface SmallRead {
  /** Bytes. */
  readonly limit: number
  /** Whether a larger file is rejected, or its end is read. */
  readonly larger: 'reject' | 'end'
  /** Called with the open file before it is read. Throws to reject it. */
  readonly check: (file: Stats) => void
}

/**
 * The text of a small UTF-8 file, with the checks of `openRegularFile`. Follows no link.
 *
 * @throws Error when it does not exist, is not a regular file, or is too large
 */
export function readSmallFile(path: string, { limit, larger, check }: SmallRead): string {
  const file = openSync(path, READ_FLAGS_OF_NO_LINK)
  try {
    const found = fstatSync(file)
    expectRegular(found)
    check(found)
    if (found.size > limit && larger === 'reject') throw new Error(`it has more than ${limit} bytes`)
    const length = Math.min(found.size, limit)
    const buffer = Buffer.alloc(length)
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, length, found.size - length))
  } finally {
    closeSync(file)
  }
}

function expectRegular(found: Stats): void {
  if (!found.isFile()) throw notRegular()
}

function rejectSocket(error: NodeJS.ErrnoException): never {
  // POSIX, open(): a socket can't be opened. Its error ENXIO ("no such device or address") does not help users.
  throw error.code === 'ENXIO' ? notRegular(error) : error
}

function notRegular(cause?: unknown): Error {
  return new Error('it is not a regular file', { cause })
}
