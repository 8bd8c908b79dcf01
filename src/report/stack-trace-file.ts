import { type FileHandle, lstat, readlink, realpath } from 'node:fs/promises'
import { isAbsolute, relative, resolve, sep } from 'node:path'
import { errorMessage } from '../masking/error-message.ts'
import { quoteValue } from '../masking/format.ts'
import { openRegularFile } from '../util/open-regular-file.ts'

/** The text of a stack trace file. */
export interface StackTraceText {
  readonly text: string
  /** The approximate number of characters in the middle of a large file that were not read. */
  readonly missing: number
}

/** Only the start and the end of a stack trace are sent, 4095 characters in all. */
const WINDOW_BYTES = 256 * 1024

// https://github.com/actions/runner/issues/2058
const CONTAINER_HINT =
  'In the container of a job, the github.workspace of expressions is a path outside of it: give the path relative to the workspace'

/**
 * Reads a stack trace file, or the start and end of a large one. In UTF-8, or UTF-16 with a byte order mark, as Windows PowerShell
 * writes it.
 *
 * @param path absolute, or relative to the workspace. A path in one of the folders may not lead out of them
 * @param folders the workspace, and other folders for files
 * @throws Error with a message for the user when it does not exist, is no file, or can't be read
 */
export async function readStackTraceFile(
  path: string,
  folders: readonly [workspace: string, ...others: string[]],
): Promise<StackTraceText> {
  let file: FileHandle | undefined
  try {
    const absolute = resolve(folders[0], path)
    file = await openRegularFile(absolute)
    // An absolute path to another folder is what the workflow's author wants. A link in the workspace may be anyone's.
    const isElsewhere = isAbsolute(path) && !folders.some((folder) => isBelow(folder, absolute))
    if (!isElsewhere) await expectInside(folders, file, absolute)
    const { size } = await file.stat()
    const whole = size <= 2 * WINDOW_BYTES
    const head = await readAt(file, 0, whole ? size : WINDOW_BYTES)
    const encoding = encodingOf(head)
    const decoder = new TextDecoder(encoding)
    if (whole) return { text: decoder.decode(head), missing: 0 }
    // An even offset, which splits no UTF-16 unit. Split characters of UTF-8 are trimmed.
    const tailStart = size - WINDOW_BYTES - (size % 2)
    const tail = await readAt(file, tailStart, size - tailStart)
    const join = (text: string): string => text.replace(/^\ufffd+|\ufffd+$/g, '')
    return {
      text: join(decoder.decode(head)) + join(new TextDecoder(encoding).decode(tail)),
      missing: Math.round((tailStart - WINDOW_BYTES) / (encoding === 'utf-8' ? 1 : 2)),
    }
  } catch (cause) {
    const hint = isMissing(cause) && isAbsolute(path) ? `. ${CONTAINER_HINT}` : ''
    throw new Error(`error-stack-trace-file: ${quoteValue(path, 400)} can't be read: ${errorMessage(cause)}${hint}`, {
      cause,
    })
  } finally {
    await file?.close()
  }
}

async function expectInside(folders: readonly string[], file: FileHandle, path: string): Promise<void> {
  const real = await realPathOf(file, path)
  for (const folder of folders) if (isBelow(await realpath(folder).catch(() => folder), real)) return
  throw new Error(
    `it is outside of the workspace and of RUNNER_TEMP, at ${quoteValue(real, 400)}. If that is the file to send, give this absolute path`,
  )
}

function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way !== '' && !isAbsolute(way) && way.split(sep)[0] !== '..'
}

/** The real path of an open file. The path that opened it may lead to another file by now. */
async function realPathOf(file: FileHandle, path: string): Promise<string> {
  try {
    return await readlink(`/proc/self/fd/${file.fd}`)
  } catch {
    // Only Linux has it.
  }
  const real = await realpath(path)
  const [opened, found] = await Promise.all([file.stat({ bigint: true }), lstat(real, { bigint: true })])
  if (opened.dev !== found.dev || opened.ino !== found.ino) throw new Error('it was replaced while it was opened')
  return real
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

function encodingOf(head: Buffer): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le'
  return head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-8'
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}
