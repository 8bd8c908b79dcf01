import { once } from 'node:events'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { errorMessage } from '../masking/error-message.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'

/** A drive that does not respond must not keep the task open. */
const END_WITHIN_MS = 10_000

// With O_NONBLOCK, a named pipe without a reader is an error. Windows lacks the flag.
const WRITE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | (constants.O_NONBLOCK ?? 0)

/** The events of a stream after which a writer need not wait any more. */

/** A file that gets the output of a command. What goes wrong is told once, and ends the writing. */
export class OutputFile {
  readonly #path: string
  readonly #onProblem: (sentence: string) => void
  #stream: Writable | undefined
  #ends: Promise<unknown> = Promise.resolve()
  #hasFailed = false

  private constructor(path: string, onProblem: (sentence: string) => void) {
    this.#path = path
    this.#onProblem = onProblem
  }

  /** Makes the file, in place of an earlier one. */
  static async create(
    path: string,
    { gzip = false, onProblem }: { gzip?: boolean; onProblem: (sentence: string) => void },
  ): Promise<OutputFile> {
    const file = new OutputFile(path, onProblem)
    try {
      const handle = await open(path, WRITE_FLAGS, 0o600)
      const target = handle.createWriteStream()
      const stream = gzip ? createGzip() : target
      if (stream !== target) stream.pipe(target)
      for (const each of new Set([stream, target])) each.on('error', (error: unknown) => file.#fail(error))
      file.#ends = once(target, 'close').catch(() => undefined)
      file.#stream = stream
    } catch (error) {
      file.#fail(error)
    }
    return file
  }

  /** @returns a promise that is resolved when the chunk is not used any more; undefined when it is not used at all */
  write(chunk: Buffer): Promise<void> | undefined {
    const stream = this.#stream
    if (stream === undefined) return undefined
    return new Promise((resolve) => {
      const done = (): void => {
        stream.off('close', done)
        resolve()
      }
      // A stream that is destroyed may forget its callbacks.
      stream.on('close', done)
      stream.write(chunk, done)
    })
  }

  /** Writes what is left. Gives whether the whole output is in the file. */
  async end(): Promise<boolean> {
    this.#stream?.end()
    try {
      await new Deadline(systemClock, END_WITHIN_MS).within(
        END_WITHIN_MS,
        () => this.#ends,
        (ms) => new Error(`not written within ${ms} ms`),
      )
    } catch (error) {
      this.#fail(error)
    }
    return this.#stream !== undefined
  }

  #fail(error: unknown): void {
    this.#stream?.destroy()
    this.#stream = undefined
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#onProblem(`Could not write the output of the command to ${this.#path}: ${errorMessage(error)}.`)
  }
}
