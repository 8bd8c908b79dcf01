import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** How often an operation on a file that is in use is attempted, and milliseconds between two attempts: 1 s in all. */
const ATTEMPTS = 50
const BETWEEN_ATTEMPTS_MS = 20

/**
 * Repeats a file operation while another program has the file open, as virus scanners on Windows do: for 1 s.
 *
 * @throws what the operation throws for any other reason, or in the end
 */
export function whileInUse<T>(operation: () => T, codes: readonly string[] = IN_USE): T {
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

const IN_USE = ['EPERM', 'EACCES', 'EBUSY']
/** Elsewhere than on Windows a file that may not be read stays so. */
const UNREADABLE_FOR_A_MOMENT = process.platform === 'win32' ? IN_USE : ['EBUSY']

/**
 * The text of a file of ours in a folder that others can write to: only a regular file, only up to a size, and never
 * waiting, as a named pipe in its place would make it.
 *
 * @param limit bytes
 * @returns undefined when there is no such file
 * @throws Error when it is anything else, or can't be read
 */
export function readSmallFile(path: string, limit: number, open = openSync): string | undefined {
  let file: number
  try {
    // Windows has neither flag.
    const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0)
    file = whileInUse(() => open(path, flags), UNREADABLE_FOR_A_MOMENT)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const found = fstatSync(file)
    if (!found.isFile() || found.size > limit) throw new Error(`${path} is not a file of at most ${limit} bytes`)
    const buffer = Buffer.alloc(found.size)
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, found.size, 0))
  } finally {
    closeSync(file)
  }
}
