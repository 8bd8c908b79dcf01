import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

// Opening a named pipe waits for a writer, and a terminal may become that of this process. Windows has no such flags.
const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

/**
 * Opens a file for reading. A named pipe, a device, a socket or a directory is rejected without waiting for it. The open
 * file is checked, not the path: the path may name something else by then.
 *
 * @throws Error when there is no such file or it is not a regular file
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  const file = await open(path, READ_FLAGS).catch(rejectSocket)
  try {
    if (!(await file.stat()).isFile()) throw notRegular()
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/**
 * The text of a small UTF-8 file, read with the checks of `openRegularFile`.
 *
 * @throws Error when there is no such file or it is not a regular file
 */
export function readRegularFile(path: string): string {
  const file = openSync(path, READ_FLAGS)
  try {
    if (!fstatSync(file).isFile()) throw notRegular()
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function rejectSocket(error: NodeJS.ErrnoException): never {
  // POSIX, open(): a socket can't be opened, which ENXIO ("no such device or address") does not tell users.
  throw error.code === 'ENXIO' ? notRegular(error) : error
}

function notRegular(cause?: unknown): Error {
  return new Error('it is not a regular file', { cause })
}
