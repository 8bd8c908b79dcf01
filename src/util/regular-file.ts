import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'

// To open a named pipe would wait for a writer, and a terminal could become that of this process. Windows lacks these flags.
export const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)
const READ_FLAGS_OF_NO_LINK = READ_FLAGS | (constants.O_NOFOLLOW ?? 0)

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

/** @throws Error when it is not a regular file */
export function expectRegular(found: Stats): void {
  if (!found.isFile()) throw notRegular()
}

/** The error for anything that is no regular file. */
export function notRegular(cause?: unknown): Error {
  return new Error('it is not a regular file', { cause })
}
