import type { Limit } from '../util/limit.ts'

/** The size of a text in both units. */
export function sizeOf(text: string): Limit {
  return { characters: text.length, bytes: Buffer.byteLength(text, 'utf8') }
}

/** Whether the text is within the limit in both units. */
export function fits(text: string, limit: Limit): boolean {
  const size = sizeOf(text)
  return size.characters <= limit.characters && size.bytes <= limit.bytes
}

function mark(missing: number): string {
  return `\n[... ${missing} characters left out ...]\n`
}

function bytesOf(codePoint: number): number {
  if (codePoint < 0x80) return 1
  if (codePoint < 0x800) return 2
  return codePoint < 0x10000 ? 3 : 4
}

/** The longest start of the text within the limit, as an index into it. Never inside a surrogate pair. */
function beginning(text: string, room: Limit): number {
  let end = 0
  let bytes = 0
  while (end < text.length) {
    const codePoint = text.codePointAt(end) as number
    const next = end + (codePoint > 0xffff ? 2 : 1)
    bytes += bytesOf(codePoint)
    if (next > room.characters || bytes > room.bytes) break
    end = next
  }
  return end
}

/** The longest end of the text within the limit, as an index into it. Never inside a surrogate pair. */
function ending(text: string, from: number, room: Limit): number {
  let start = text.length
  let bytes = 0
  while (start > from) {
    const unit = text.charCodeAt(start - 1)
    const width = unit >= 0xdc00 && unit <= 0xdfff && start - 2 >= from ? 2 : 1
    const next = start - width
    bytes += bytesOf(text.codePointAt(next) as number)
    if (text.length - next > room.characters || bytes > room.bytes) break
    start = next
  }
  return start
}

/**
 * The text within the limit. A text that is too long keeps its start and its end, around a mark with the number of missing
 * characters: a Java trace has its error first, and a log last.
 *
 * @param text well-formed (no lone surrogates)
 * @param alreadyMissing characters that were missing in the middle before (of a file that was read in part). The mark counts
 *   them, and is there even if the text fits
 */
export function truncateMiddle(text: string, limit: Limit, alreadyMissing = 0): string {
  if (alreadyMissing === 0 && fits(text, limit)) return text
  const reserved = sizeOf(mark(text.length + alreadyMissing))
  const room = { characters: limit.characters - reserved.characters, bytes: limit.bytes - reserved.bytes }
  if (room.characters < 0 || room.bytes < 0) return text.slice(0, beginning(text, limit))
  const half = { characters: Math.ceil(room.characters / 2), bytes: Math.ceil(room.bytes / 2) }
  const headEnd = beginning(text, half)
  const headSize = sizeOf(text.slice(0, headEnd))
  const tailStart = ending(text, headEnd, {
    characters: room.characters - headSize.characters,
    bytes: room.bytes - headSize.bytes,
  })
  const missing = tailStart - headEnd + alreadyMissing
  return text.slice(0, headEnd) + mark(missing) + text.slice(tailStart)
}
