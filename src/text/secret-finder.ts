import type { Range } from './readings.ts'

/** So much of a secret is not shown anywhere; of one that is shorter, the whole. */
const WINDOW = 12

/** What is looked up of a text. Any window has one of every so many of these pieces of a secret in it. */
const PIECE = 6
const STEP = WINDOW - PIECE + 1

// A polynomial hash that rolls over the text (Rabin and Karp).
const { imul } = Math
const BASE = 0x9e3779b1 | 0
const BASE_TO_PIECE = Array.from({ length: PIECE }).reduce<number>((power) => imul(power, BASE), 1)
const TABLE_BITS = 15

/** A piece of a secret, with what decides whether a window of the secret is there. */
interface Piece {
  readonly hash: number
  /** The characters before it. */
  readonly before: string
  /** The piece itself, and the characters behind it. */
  readonly onwards: string
  /** How many of all these must be in a text side by side. */
  readonly needed: number
  /** Whether these are all of a secret that is looked for as a whole. */
  readonly isWhole: boolean
  /** The next one with the same place in the table. */
  readonly next: Piece | undefined
}

/** Finds secrets in texts. The time is proportional to the text, however many secrets there are. */
export class SecretFinder {
  readonly #table: (Piece | undefined)[] = new Array(1 << TABLE_BITS)

  /**
   * Finds it, and each part of it that has 12 characters or more, as a cut may leave it.
   *
   * @param secret of 6 characters or more; in one form, others are secrets of their own
   */
  add(secret: string): void {
    const needed = Math.min(WINDOW, secret.length)
    const last = needed < WINDOW ? 0 : secret.length - PIECE
    for (let start = 0; start <= last; start += STEP) {
      const before = secret.slice(Math.max(0, start - (WINDOW - PIECE)), start)
      this.#addPiece({ before, onwards: secret.slice(start, start + WINDOW), needed, isWhole: false })
    }
  }

  /**
   * Finds it as a whole: a part of it may well be no secret.
   *
   * @param text of 6 characters or more
   */
  addWhole(text: string): void {
    this.#addPiece({ before: '', onwards: text, needed: text.length, isWhole: true })
  }

  #addPiece(piece: Omit<Piece, 'hash' | 'next'>): void {
    const { before, onwards, needed } = piece
    let hash = 0
    for (let index = 0; index < PIECE; index++) hash = (imul(hash, BASE) + onwards.charCodeAt(index)) | 0
    const place = hash >>> (32 - TABLE_BITS)
    const first = this.#table[place]
    // A secret that repeats itself has the same piece many times, and each would be compared with every text.
    for (let other = first; other !== undefined; other = other.next) {
      if (other.before === before && other.onwards === onwards && other.needed === needed) return
    }
    this.#table[place] = { ...piece, hash, next: first }
  }

  /** The parts of a text that are parts of secrets, in their order; those that overlap are one. */
  find(text: string): Range[] {
    const found: Range[] = []
    let hash = 0
    // The end of the last whole text: one that begins within it would make the work endless where texts repeat themselves.
    let covered = 0
    for (let index = 0; index < text.length; index++) {
      const left = index < PIECE ? 0 : text.charCodeAt(index - PIECE)
      hash = (imul(hash, BASE) + text.charCodeAt(index) - imul(left, BASE_TO_PIECE)) | 0
      for (let piece = this.#table[hash >>> (32 - TABLE_BITS)]; piece !== undefined; piece = piece.next) {
        if (piece.hash !== hash || index < PIECE - 1) continue
        const place = index - PIECE + 1
        if (piece.isWhole && place < covered) continue
        const range = around(text, place, piece)
        if (range === undefined) continue
        if (piece.isWhole) covered = range.end
        addRange(found, range)
      }
    }
    return found
  }
}

/** The part of a text around a place that is the same as around a piece of a secret; undefined when that is too small. */
function around(text: string, place: number, { before, onwards, needed }: Piece): Range | undefined {
  let start = place
  while (
    place - start < before.length &&
    start > 0 &&
    text.charCodeAt(start - 1) === before.charCodeAt(before.length - 1 - (place - start))
  )
    start--
  let end = place
  while (end - place < onwards.length && end < text.length && text[end] === onwards[end - place]) end++
  // The hash of another piece may be the same.
  return end - place >= PIECE && end - start >= needed ? { start, end } : undefined
}

/** Adds a range to ranges in their order, and makes one of those that overlap. It begins behind most of them. */
function addRange(ranges: Range[], { start, end }: Range): void {
  let [first, last] = [start, end]
  for (let before = ranges.at(-1); before !== undefined && before.end > first; before = ranges.at(-1)) {
    ranges.pop()
    first = Math.min(first, before.start)
    last = Math.max(last, before.end)
  }
  ranges.push({ start: first, end: last })
}

/** The ranges of several lists, in their order; those that overlap are one. */
export function mergeRanges(lists: readonly (readonly Range[])[]): Range[] {
  const merged: Range[] = []
  for (const range of lists.flat().sort((a, b) => a.start - b.start)) addRange(merged, range)
  return merged
}
