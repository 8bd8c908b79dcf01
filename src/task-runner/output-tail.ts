import { withoutSecrets } from '../masking/known-secrets.ts'
import { sanitize } from '../text/sanitize.ts'
import { fits } from '../text/truncate.ts'
import { freeBuffer } from '../util/free-buffer.ts'
import type { Limit } from '../util/limit.ts'

/** Far more than a report takes, so that a secret before the cut is recognized. */
const KEPT_BYTES = 64 * 1024

/**
 * This much behind a cut is not shown: it may begin with a part of a secret of which only the whole is recognized. It is left out
 * after the secrets, so that this is no cut of its own.
 */
const HELD_BACK_CHARACTERS = 4 * 1024

/** API reference, SetTaskStatus: 4095 characters; Developer Guide, dp-limits: 10,240 bytes. With room for the mark. */
const SHOWN: Limit = { characters: 4_000, bytes: 10_000 }

const MARK = '[... earlier output left out ...]\n'

/** The end of an output of any size, in bounded memory. */
export class OutputTail {
  /** Made for the first output. When it is full, its second half moves to its start. */
  #buffer: Buffer | undefined
  #bytes = 0
  #isCut = false

  add(chunk: Buffer): void {
    this.#buffer ??= Buffer.allocUnsafeSlow(2 * KEPT_BYTES)
    const end = chunk.subarray(-KEPT_BYTES)
    this.#isCut ||= end.length < chunk.length
    if (this.#bytes + end.length > this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#bytes - KEPT_BYTES, this.#bytes)
      this.#bytes = KEPT_BYTES
      this.#isCut = true
    }
    this.#bytes += end.copy(this.#buffer, this.#bytes)
  }

  /** Frees its memory at once. It is empty then. */
  free(): void {
    if (this.#buffer !== undefined) freeBuffer(this.#buffer)
    this.#buffer = undefined
    this.#bytes = 0
    this.#isCut = false
  }

  /** Its end within the limits of a stack trace, sanitized and without secrets; empty when there is no text. */
  text(): string {
    const bytes = this.#buffer?.subarray(Math.max(0, this.#bytes - KEPT_BYTES), this.#bytes)
    const isCut = this.#isCut || this.#bytes > KEPT_BYTES
    const decoded = new TextDecoder().decode(bytes)
    const text = withoutSecrets(sanitize(withoutSecrets(decoded)).text.replace(/^\ufffd+/, ''))
      .slice(isCut ? HELD_BACK_CHARACTERS : 0)
      // A progress bar overwrites its line.
      .split('\n')
      .map(lastState)
      .join('\n')
      .trim()
    const end = lastLines(text, SHOWN)
    return end.length < text.length || (isCut && end !== '') ? MARK + end : end
  }
}

/** What a line shows whose start was overwritten. Carriage returns at its end overwrite nothing. */
function lastState(line: string): string {
  let end = line.length
  while (line[end - 1] === '\r') end -= 1
  return line.slice(line.lastIndexOf('\r', end - 1) + 1)
}

/** The end of a text within the limit, from the start of a line if there is one in its first half. */
function lastLines(text: string, limit: Limit): string {
  let end = text.slice(-limit.characters)
  while (!fits(end, limit)) end = end.slice(Math.ceil(end.length / 10))
  if (end.length === text.length) return end
  const line = end.indexOf('\n')
  const start = line >= 0 && line < end.length / 2 ? line + 1 : 0
  // Not inside of a surrogate pair.
  return end.slice(start).replace(/^[\udc00-\udfff]/, '')
}
