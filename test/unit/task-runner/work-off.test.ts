import { describe, expect, test } from '@jest/globals'
import type { Task } from '../../../src/aws/data-pipeline.ts'
import { type WorkOffOptions, workOff } from '../../../src/task-runner/work-off.ts'

const taskOf = (taskId: string): Task => ({ taskId, pipelineId: '', attemptId: '', objects: {}, encrypted: [] })

/** Lets everything happen that can happen. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Tasks a, b, c … that are worked off, and end when they are told to. */
class Work {
  /** What happened, in order. */
  readonly events: string[] = []
  readonly #ends = new Map<string, () => void>()
  readonly #queue: string[]
  peak = 0
  isDone = false
  readonly done: Promise<void>

  constructor(names: string, options: Partial<WorkOffOptions>) {
    this.#queue = [...names]
    const all: WorkOffOptions = {
      maxTasks: 0,
      parallel: 1,
      isEnding: () => false,
      next: async () => {
        this.events.push('next')
        const name = this.#queue.shift()
        return name === undefined ? undefined : taskOf(name)
      },
      run: ({ taskId }) => {
        this.events.push(taskId)
        return new Promise((resolve) => {
          this.#ends.set(taskId, resolve)
          this.peak = Math.max(this.peak, this.#ends.size)
        })
      },
    }
    this.done = workOff({ ...all, ...options }).finally(() => {
      this.isDone = true
    })
    this.done.catch(() => undefined)
  }

  /** The tasks that run. */
  get running(): string {
    return [...this.#ends.keys()].join('')
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.()
    this.#ends.delete(name)
    await settle()
  }

  /** Ends all that run, one after the other, until it is done. */
  async endAll(): Promise<void> {
    await settle()
    for (;;) {
      const [first] = this.#ends.keys()
      if (first === undefined) return this.done
      await this.end(first)
    }
  }

  get taken(): string {
    return this.events.filter((event) => event !== 'next').join('')
  }
}

describe('tasks are worked off', () => {
  test.each([
    ['one', 1, 'a', 1],
    ['three', 3, 'abc', 3],
    ['all, as there is no limit', 0, 'abcde', 6],
    ['all, as there are no more', 9, 'abcde', 6],
  ])('%s', async (_name, maxTasks, taken, asked) => {
    const work = new Work('abcde', { maxTasks })
    await work.endAll()
    expect(work.taken).toBe(taken)
    // None is asked for that would not be run.
    expect(work.events.filter((event) => event === 'next')).toHaveLength(asked)
  })

  test('none', async () => {
    const work = new Work('', {})
    await work.done
    expect(work.events).toEqual(['next'])
  })

  test.each([1, 2, 4])('%d at a time, and never more', async (parallel) => {
    const work = new Work('abcdefg', { parallel })
    await work.endAll()
    expect(work.peak).toBe(parallel)
    expect(work.taken).toBe('abcdefg')
  })
})

test('the next is asked for only when there is a place, whichever task has left it', async () => {
  const work = new Work('abcd', { parallel: 2 })
  await settle()
  expect(work.events).toEqual(['next', 'a', 'next', 'b'])
  await work.end('b')
  expect(work.running).toBe('ac')
  await work.end('c')
  expect(work.running).toBe('ad')
  await work.endAll()
})

test('it is done when all that were taken have ended', async () => {
  const work = new Work('ab', { parallel: 4 })
  await settle()
  await work.end('b')
  expect([work.running, work.isDone]).toEqual(['a', false])
  await work.end('a')
  expect(work.isDone).toBe(true)
})

describe('no more can be taken', () => {
  test('those that run end first', async () => {
    const failure = new Error('no credentials')
    let asked = 0
    const next = async (): Promise<Task> => {
      asked += 1
      if (asked > 2) throw failure
      return taskOf(String(asked))
    }
    const work = new Work('', { parallel: 3, next })
    await settle()
    await work.end('2')
    expect([asked, work.running, work.isDone]).toEqual([3, '1', false])
    await work.end('1')
    await expect(work.done).rejects.toBe(failure)
  })
})

describe('no more are to be taken', () => {
  test('from the start', async () => {
    const work = new Work('a', { isEnding: () => true })
    await work.done
    expect(work.events).toEqual([])
  })

  test('while tasks run: these end first', async () => {
    let isEnding = false
    const work = new Work('abc', { parallel: 2, isEnding: () => isEnding })
    await settle()
    isEnding = true
    await work.end('a')
    expect([work.running, work.isDone]).toEqual(['b', false])
    await work.endAll()
    expect(work.taken).toBe('ab')
  })

  // It is acknowledged already: somebody has to report it.
  test('while the next is asked for: it is run', async () => {
    let isEnding = false
    const next = async (): Promise<Task> => {
      await settle()
      isEnding = true
      return taskOf('a')
    }
    const work = new Work('', { next, isEnding: () => isEnding })
    await settle()
    await work.endAll()
    expect(work.taken).toBe('a')
  })
})
