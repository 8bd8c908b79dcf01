import { type FileHandle, open } from 'node:fs/promises'
import { expectRegular, notRegular, READ_FLAGS } from './regular-file.ts'

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

function rejectSocket(error: NodeJS.ErrnoException): never {
  // POSIX, open(): a socket can't be opened. Its error ENXIO ("no such device or address") does not help users.
  throw error.code === 'ENXIO' ? notRegular(error) : error
}
