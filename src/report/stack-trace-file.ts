import type { FileHandle } from 'node:fs/promises'
import { isAbsolute, resolve } from 'node:path'
import { messageOf } from '../errors.ts'
import { openRegularFile } from '../util/regular-file.ts'

/** What was read of a stack trace file. */
export interface StackTraceText {
  readonly text: string
  /** About how many characters in the middle of a large file were not read; exact where each is a byte. */
  readonly missing: number
}

/** Only the beginning and the end of a trace are sent, 4095 characters in all; this is ample for both. */
const WINDOW_BYTES = 256 * 1024

// https://github.com/actions/runner/issues/2058
const CONTAINER_HINT =
  'In the container of a job, the github.workspace of expressions is a path outside of it: give the path relative to the workspace'

/**
 * Reads a stack trace file, or its beginning and end where it is large. UTF-8, or UTF-16 with a byte order mark, as
 * Windows PowerShell writes it.
 *
 * @param path relative to the workspace, or absolute
 * @throws Error with a message for the user when there is no such file, or it is no file
 */
export async function readStackTraceFile(path: string, workspace: string): Promise<StackTraceText> {
  let file: FileHandle | undefined
  try {
    file = await openRegularFile(resolve(workspace, path))
    const { size } = await file.stat()
    const whole = size <= 2 * WINDOW_BYTES
    const head = await readAt(file, 0, whole ? size : WINDOW_BYTES)
    const encoding = encodingOf(head)
    const decoder = new TextDecoder(encoding)
    if (whole) return { text: decoder.decode(head), missing: 0 }
    // An even offset, so that no UTF-16 unit is cut in two; what is cut of UTF-8 is trimmed away.
    const tailStart = (size - WINDOW_BYTES) & ~1
    const tail = await readAt(file, tailStart, size - tailStart)
    const join = (text: string): string => text.replace(/^\ufffd+|\ufffd+$/g, '')
    return {
      text: join(decoder.decode(head)) + join(new TextDecoder(encoding).decode(tail)),
      missing: Math.round((tailStart - WINDOW_BYTES) / (encoding === 'utf-8' ? 1 : 2)),
    }
  } catch (cause) {
    const hint = isMissing(cause) && isAbsolute(path) ? `. ${CONTAINER_HINT}` : ''
    throw new Error(`error-stack-trace-file: ${JSON.stringify(path)} can't be read: ${messageOf(cause)}${hint}`, {
      cause,
    })
  } finally {
    await file?.close()
  }
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
