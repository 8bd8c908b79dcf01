import { withoutCommands } from '../github/log.ts'
import { freeBuffer } from '../util/free-buffer.ts'

export type OutputStream = 'stdout' | 'stderr'

/**
 * Longer lines are not shown, so that memory is bounded. Nor is a part of them: the runner masks a secret only as a whole, and does
 * not recognize what a cut leaves of it.
 */
const MAX_LINE_BYTES = 64 * 1024

const [LINE_FEED, CARRIAGE_RETURN] = [0x0a, 0x0d]
/** What has to be changed is changed in pieces: the garbage of short strings takes less memory than that of long ones. */
const PIECE_BYTES = 4 * 1024
/** Without one of these, a text has no workflow commands. */
const MARKS_OF_COMMANDS = ['::', '##[']

/**
 * Shows the output of a command in the log of the step, line by line. No line is a workflow command: those that would be one get
 * an invisible character. The runner's command `stop-commands` would do that, too, but would also stop the commands of the
 * action, such as to mask credentials that are renewed while the command runs.
 */
export class CommandLog {
  readonly #print: (lines: string | Buffer) => Promise<void> | undefined
  readonly #prefix: string
  /** Whether it is not a command, and makes none with the start of a line. */
  readonly #isPlainPrefix: boolean
  readonly #lines: Readonly<Record<OutputStream, LineBuffer>>

  /**
   * @param print writes whole lines to the log. Gives a promise when the writer has to wait
   * @param prefix of each line
   */
  constructor(print: (lines: string | Buffer) => Promise<void> | undefined, prefix = '') {
    this.#print = print
    this.#prefix = prefix
    this.#isPlainPrefix = withoutCommands(prefix) === prefix && /[^\s:#] $/.test(prefix)
    this.#lines = { stdout: new LineBuffer(), stderr: new LineBuffer() }
  }

  add(stream: OutputStream, chunk: Buffer): Promise<void> | undefined {
    return all(this.#lines[stream].add(chunk).map((lines) => this.#show(lines)))
  }

  /** Shows what is left without a line end. */
  end(): void {
    for (const buffer of [this.#lines.stdout, this.#lines.stderr]) for (const lines of buffer.end()) this.#show(lines)
  }

  #show(lines: Buffer): Promise<void> | undefined {
    // Most output needs no change. To make no strings of it saves most of the time and of the memory.
    const isPlain = !lines.includes(CARRIAGE_RETURN) && !MARKS_OF_COMMANDS.some((mark) => lines.includes(mark))
    if (isPlain && this.#prefix === '') return this.#print(lines)
    if (isPlain && this.#isPlainPrefix) return this.#printOnce(withPrefix(lines, Buffer.from(this.#prefix)))
    const waits: (Promise<void> | undefined)[] = []
    for (let start = 0; start < lines.length; ) {
      const end = endOfPiece(lines, start + PIECE_BYTES)
      waits.push(this.#print(this.#safe(lines.toString('utf8', start, end))))
      start = end
    }
    return all(waits)
  }

  #printOnce(lines: Buffer): Promise<void> | undefined {
    const wait = this.#print(lines)
    if (wait !== undefined) return wait.finally(() => freeBuffer(lines))
    freeBuffer(lines)
    return undefined
  }

  #safe(lines: string): string {
    const text = lines.replace(/\r\n?/g, '\n')
    return withoutCommands(this.#prefix === '' ? text : text.replace(/[^\n]*\n/g, (line) => this.#prefix + line))
  }
}

/** Waits for those that have to be waited for; undefined when there is none. */
export function all(waits: readonly (Promise<void> | undefined)[]): Promise<void> | undefined {
  const pending = waits.filter((wait) => wait !== undefined)
  return pending.length === 0 ? undefined : Promise.all(pending).then(() => undefined)
}

/** @param lines with an end after each */
function withPrefix(lines: Buffer, prefix: Buffer): Buffer {
  let count = 0
  for (let at = 0; at < lines.length; at = lines.indexOf(LINE_FEED, at) + 1) count += 1
  const prefixed = Buffer.allocUnsafeSlow(lines.length + count * prefix.length)
  let length = 0
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf(LINE_FEED, at) + 1
    length += prefix.copy(prefixed, length)
    length += lines.copy(prefixed, length, at, end)
    at = end
  }
  return prefixed
}

/** The end of the line that is at a place. */
function endOfPiece(lines: Buffer, at: number): number {
  const end = lines.indexOf(LINE_FEED, at)
  return end < 0 ? lines.length : end + 1
}

/** Gives whole lines of output, with their ends, in order. A carriage return ends a line, as for the runner. */
class LineBuffer {
  /** The start of a line. */
  #parts: Buffer[] = []
  #bytes = 0
  #endsWithReturn = false

  add(chunk: Buffer): Buffer[] {
    if (chunk.length === 0) return []
    // A line feed after the carriage return that ended the last lines.
    const isRest = this.#endsWithReturn && chunk[0] === LINE_FEED
    const bytes = isRest ? chunk.subarray(1) : chunk
    const end = Math.max(bytes.lastIndexOf(LINE_FEED), bytes.lastIndexOf(CARRIAGE_RETURN)) + 1
    this.#endsWithReturn = end > 0 && end === bytes.length && bytes[end - 1] === CARRIAGE_RETURN
    const lines = this.#take(bytes.subarray(0, end))
    this.#keep(bytes.subarray(end))
    return lines
  }

  end(): Buffer[] {
    return this.#bytes === 0 ? [] : this.#take(Buffer.from('\n'))
  }

  /** The kept start of a line with its rest, and the lines after it, which are not copied. */
  #take(lines: Buffer): Buffer[] {
    if (lines.length === 0) return []
    const hasStart = this.#bytes > 0
    const length = hasStart ? lengthOfLine(lines) : 0
    this.#keep(lines.subarray(0, length))
    const first = this.#bytes > MAX_LINE_BYTES ? leftOut(this.#bytes) : Buffer.concat(this.#parts)
    this.#parts = []
    this.#bytes = 0
    const end = lines.subarray(length, hasStart ? length + lengthOfEnd(lines, length) : 0)
    const others = lines.subarray(length + end.length)
    return [
      Buffer.concat([first, end]),
      ...(others.length > MAX_LINE_BYTES ? withoutLongLines(others) : [others]),
    ].filter((each) => each.length > 0)
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return
    this.#bytes += part.length
    // A copy, so that the whole chunk can be freed.
    if (this.#bytes <= MAX_LINE_BYTES) this.#parts.push(Buffer.from(part))
    else this.#parts = []
  }
}

function isLineEnd(byte: number): boolean {
  return byte === LINE_FEED || byte === CARRIAGE_RETURN
}

function lengthOfLine(lines: Buffer): number {
  return lines.findIndex(isLineEnd)
}

function lengthOfEnd(lines: Buffer, at: number): number {
  return lines[at] === CARRIAGE_RETURN && lines[at + 1] === LINE_FEED ? 2 : 1
}

/** @param lines with an end after each */
function withoutLongLines(lines: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let start = 0; start < lines.length; ) {
    const rest = lines.subarray(start)
    const length = lengthOfLine(rest)
    const end = length + lengthOfEnd(rest, length)
    parts.push(
      length > MAX_LINE_BYTES ? Buffer.concat([leftOut(length), rest.subarray(length, end)]) : rest.subarray(0, end),
    )
    start += end
  }
  return parts
}

function leftOut(bytes: number): Buffer {
  return Buffer.from(`[a line of ${bytes} bytes is left out]`)
}
