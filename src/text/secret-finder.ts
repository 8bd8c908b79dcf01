import type { Range } from './readings.ts'

/** No part of a secret with this many characters is shown; of a shorter secret, the whole is not. */
const WINDOW = 12

/** The pieces of a text that are looked up. Every window of a secret has one of its pieces, which start at every STEP. */
const PIECE = 6
const STEP = WINDOW - PIECE + 1

// A rolling polynomial hash (Rabin and Karp).
const { imul } = Math
const BASE = 0x9e3779b1 | 0
const BASE_TO_PIECE = Array.from({ length: PIECE }).reduce<number>((power) => imul(power, BASE), 1)
const FILTER_BITS = 15

/** A piece of a secret, with the characters around it. */
interface Piece {
  /** The characters before it. */
  readonly before: string
  /** The piece itself, and the characters after it. */
  readonly onwards: string
  /** How many of these characters must be in a text, in a row. */
  readonly needed: number
  /** Whether these are all characters of a text that is found as a whole only. */
  readonly isWhole: boolean
}

/** Finds secrets in texts. The time is proportional to the text, with any number of secrets that are not all alike. */
export class SecretFinder {
  readonly #pieces = new Map<number, Piece[]>()
  /** Whether there may be a piece, by the first bits of its hash. Most of a text has none. */
  readonly #filter = new Uint8Array(1 << FILTER_BITS)

  /**
   * Finds it, and each part of it with 12 characters or more, as truncation may leave.
   *
   * @param secret of 6 characters or more, in one form: other forms are added on their own
   */
  add(secret: string): void {
    const needed = Math.min(WINDOW, secret.length)
    const last = needed < WINDOW ? 0 : secret.length - PIECE
    for (let start = 0; start <= last; start += STEP) {
      const before = secret.slice(Math.max(0, start - (WINDOW - PIECE)), start)
      const onwards = secret.slice(start, start + WINDOW)
      const hash = hashOf(secret, start)
      // A secret that repeats itself has the same piece many times, which is added once.
      const isKnown = this.#pieces.get(hash)?.some((other) => other.before === before && other.onwards === onwards)
      if (!isKnown) this.#addPiece(hash, { before, onwards, needed, isWhole: false })
    }
  }

  /**
   * Finds it as a whole only: a part of it need not be secret.
   *
   * @param text of 6 characters or more, not added before
   */
  addWhole(text: string): void {
    // Texts may all start alike. With the piece that the fewest others have, few are compared at each place.
    let [start, fewest] = [0, Number.POSITIVE_INFINITY]
    for (let next = 0; next <= text.length - PIECE && fewest > 0; next++) {
      const others = this.#pieces.get(hashOf(text, next))?.length ?? 0
      if (others < fewest) [start, fewest] = [next, others]
    }
    const [before, onwards] = [text.slice(0, start), text.slice(start)]
    this.#addPiece(hashOf(text, start), { before, onwards, needed: text.length, isWhole: true })
  }

  #addPiece(hash: number, piece: Piece): void {
    const others = this.#pieces.get(hash)
    if (others === undefined) this.#pieces.set(hash, [piece])
    else others.push(piece)
    this.#filter[hash >>> (32 - FILTER_BITS)] = 1
  }

  /** The parts of a text that are parts of secrets, in their order. Those that overlap are one. */
  find(text: string): Range[] {
    const found: Range[] = []
    let hash = 0
    // The end of each whole text that was found last. To look within it would take too long for texts that repeat themselves.
    const ends = new Map<Piece, number>()
    for (let index = 0; index < text.length; index++) {
      const left = index < PIECE ? 0 : text.charCodeAt(index - PIECE)
      hash = (imul(hash, BASE) + text.charCodeAt(index) - imul(left, BASE_TO_PIECE)) | 0
      if (this.#filter[hash >>> (32 - FILTER_BITS)] === 0 || index < PIECE - 1) continue
      const place = index - PIECE + 1
      for (const piece of this.#pieces.get(hash) ?? []) {
        if (piece.isWhole && place - piece.before.length < (ends.get(piece) ?? 0)) continue
        const range = around(text, place, piece)
        if (range === undefined) continue
        if (piece.isWhole) ends.set(piece, range.end)
        addRange(found, range)
      }
    }
    return found
  }
}

function hashOf(text: string, start: number): number {
  let hash = 0
  for (let index = start; index < start + PIECE; index++) hash = (imul(hash, BASE) + text.charCodeAt(index)) | 0
  return hash
}

/** The part of a text around a place that equals a part of a secret; undefined when it is too short. */
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
  // Another piece may have the same hash.
  return end - place >= PIECE && end - start >= needed ? { start, end } : undefined
}

/** Adds a range to sorted ranges, and joins those that overlap. It starts after most of them. */
function addRange(ranges: Range[], { start, end }: Range): void {
  let [first, last] = [start, end]
  for (let before = ranges.at(-1); before !== undefined && before.end > first; before = ranges.at(-1)) {
    ranges.pop()
    first = Math.min(first, before.start)
    last = Math.max(last, before.end)
  }
  ranges.push({ start: first, end: last })
}

/** The ranges of several lists, sorted. Those that overlap are one. */
export function mergeRanges(lists: readonly (readonly Range[])[]): Range[] {
  const merged: Range[] = []
  for (const range of lists.flat().sort((a, b) => a.start - b.start)) addRange(merged, range)
  return merged
}
