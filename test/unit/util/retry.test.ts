import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Deadline } from '../../../src/util/deadline.ts'
import { backOff, RetriesSpentError, type RetryDecision, type RetryOptions, retry } from '../../../src/util/retry.ts'
import { runs } from '../../properties/runs.ts'
import { FakeClock } from '../../support/fake-clock.ts'

describe('backOff', () => {
  test.each([
    [1, 0, 250],
    [1, 0.999999, 500],
    [2, 0, 500],
    [3, 0, 1000],
    [3, 0.5, 1500],
    [7, 0, 10_000],
    [7, 0.999999, 20_000],
    [100, 0.999999, 20_000],
    [2000, 0, 10_000],
  ])('after try %i, random %f: %i ms', (attempts, random, ms) => {
    expect(backOff(attempts, () => random)).toBeCloseTo(ms, -1)
  })

  test.each([
    [1, 0, 1_000],
    [1, 0.999999, 2_000],
    [2, 0, 2_000],
    [4, 0.5, 12_000],
    [5, 0, 10_000],
    [2000, 0.999999, 20_000],
  ])('where there are too many calls, after try %i, random %f: %i ms', (attempts, random, ms) => {
    expect(backOff(attempts, () => random, true)).toBeCloseTo(ms, -1)
  })

  test('is between half of its longest and its longest, 20 s at most, never shrinking at the same random', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_000 }), random, (attempts, number) => {
        const wait = backOff(attempts, () => number)
        const longest = Math.min(20_000, 500 * 2 ** (attempts - 1))
        expect(wait).toBeGreaterThanOrEqual(Math.floor(longest / 2))
        expect(wait).toBeLessThanOrEqual(longest)
        expect(backOff(attempts + 1, () => number)).toBeGreaterThanOrEqual(wait)
      }),
      { numRuns: runs(100) },
    )
  })
})

interface Attempt {
  readonly takesMs: number
  readonly succeeds: boolean
  readonly decision: RetryDecision
}

/** Runs a script of tries; those after its end fail at once and are to be tried again later. */
async function run(script: readonly Attempt[], budgetMs: number, attemptTimeoutMs: number, random: number) {
  const clock = new FakeClock()
  const started = clock.now()
  const deadline = new Deadline(clock, budgetMs)
  const events: Array<{ kind: 'try' | 'wait'; at: number; ms?: number }> = []
  const options: RetryOptions = {
    deadline,
    random: () => random,
    attemptTimeoutMs,
    onAttemptTimeout: (ms) => new Error(`took ${ms} ms`),
    decide: (_error, attempts) => script[attempts - 1]?.decision ?? 'retry-with-backoff',
    onWait: (_error, _attempts, waitMs) => events.push({ kind: 'wait', at: clock.now() - started, ms: waitMs }),
  }
  const outcome = await retry(async (attempts) => {
    events.push({ kind: 'try', at: clock.now() - started })
    const now = script[attempts - 1]
    clock.advance(Math.min(now?.takesMs ?? 1, attemptTimeoutMs))
    if (now?.succeeds) return 'done'
    throw new Error(`try ${attempts}`)
  }, options).catch((error: unknown) => error)
  return { outcome, events, took: clock.now() - started }
}

const fails: Attempt = { takesMs: 10, succeeds: false, decision: 'retry-with-backoff' }
const works: Attempt = { takesMs: 10, succeeds: true, decision: 'fail' }

describe('retry', () => {
  test('gives what the first success gives', async () => {
    const { outcome, events } = await run(
      [fails, { ...fails, decision: 'retry-immediately' }, works],
      60_000,
      15_000,
      0,
    )
    expect(outcome).toBe('done')
    expect(events.map(({ kind }) => kind)).toEqual(['try', 'wait', 'try', 'try'])
  })

  test('waits longer where there are too many calls, and only after such a try', async () => {
    const crowded: Attempt = { ...fails, decision: 'retry-throttled' }
    const { outcome, events } = await run([crowded, fails, crowded, works], 60_000, 15_000, 0)
    expect(outcome).toBe('done')
    expect(events.flatMap(({ ms = [] }) => ms)).toEqual([1_000, 500, 4_000])
  })

  test('stops when it is told to, without a sleep', async () => {
    const { outcome, events } = await run([{ ...fails, decision: 'fail' }], 60_000, 15_000, 0)
    expect(outcome).toBeInstanceOf(RetriesSpentError)
    expect(outcome).toMatchObject({ attempts: 1, timeSpent: false, cause: new Error('try 1') })
    expect(events).toHaveLength(1)
  })

  test('gives the attempts, and whether there was no more time', async () => {
    const stopped = await run([fails, { ...fails, decision: 'fail' }], 60_000, 15_000, 0)
    expect(stopped.outcome).toMatchObject({
      name: 'RetriesSpentError',
      message: 'gave up',
      attempts: 2,
      timeSpent: false,
    })
    const spent = await run([], 2_000, 1_000, 0)
    const { attempts } = spent.outcome as RetriesSpentError
    expect(attempts).toBe(spent.events.filter(({ kind }) => kind === 'try').length)
    expect(spent.outcome).toMatchObject({ message: `gave up after ${attempts} attempts`, timeSpent: true })
  })

  test('gives each try half as much time again as the one before', async () => {
    const clock = new FakeClock()
    const limits: number[] = []
    await retry(() => new Promise<never>(() => {}), {
      deadline: new Deadline(clock, 120_000),
      random: () => 0,
      attemptTimeoutMs: 4_000,
      onAttemptTimeout(ms) {
        limits.push(ms)
        return new Error('time')
      },
      decide: () => (limits.length < 4 ? 'retry-immediately' : 'fail'),
      onWait: () => {},
    }).catch(() => undefined)
    expect(limits).toEqual([4_000, 6_000, 9_000, 13_500])
  })

  test.each<[string, number, RetryDecision, number]>([
    ['a wait and a try of a second', 2_000, 'retry-with-backoff', 2],
    ['no more than the second of a try', 1_010, 'retry-with-backoff', 1],
    ['less than that, and no wait is wanted', 1_000, 'retry-immediately', 2],
    ['nothing', 10, 'retry-immediately', 1],
  ])('with time left for %s', async (_name, budgetMs, decision, attempts) => {
    const script: Attempt[] = [
      { takesMs: 10, succeeds: false, decision },
      { takesMs: 10, succeeds: false, decision: 'fail' },
    ]
    const { outcome } = await run(script, budgetMs, 1_000, 0)
    expect(outcome).toMatchObject({ attempts })
  })

  test('goes on until the time is spent, and its last act is a try', async () => {
    const { outcome, events, took } = await run([], 120_000, 15_000, 0.5)
    expect(outcome).toMatchObject({ timeSpent: true })
    expect(events.length).toBeGreaterThan(10)
    expect(events.at(-1)?.kind).toBe('try')
    expect(events.at(-1)?.at).toBeGreaterThan(100_000)
    expect(took).toBeLessThanOrEqual(120_000)
  })

  test('gives up a try that does not end, and makes another', async () => {
    const clock = new FakeClock()
    const signals: AbortSignal[] = []
    const response = await retry<string>(
      (attempts, signal) => {
        signals.push(signal)
        return attempts === 1 ? new Promise<string>(() => {}) : Promise.resolve('done')
      },
      {
        deadline: new Deadline(clock, 60_000),
        random: () => 0,
        attemptTimeoutMs: 5_000,
        onAttemptTimeout: (ms) => new Error(`took ${ms} ms`),
        decide: (error) => {
          expect(error).toEqual(new Error('took 5000 ms'))
          return 'retry-with-backoff'
        },
        onWait: () => {},
      },
    )
    expect(response).toBe('done')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  })

  test('a try that fails after it was given up comes back as nothing', async () => {
    const clock = new FakeClock()
    let fail: (error: Error) => void = () => {}
    const late = new Promise<never>((_, reject) => {
      fail = reject
    })
    const outcome = await retry(() => late, {
      deadline: new Deadline(clock, 2_000),
      random: () => 0,
      attemptTimeoutMs: 500,
      onAttemptTimeout: () => new Error('time'),
      decide: () => 'fail',
      onWait: () => {},
    }).catch((error: unknown) => error)
    expect(outcome).toMatchObject({ cause: new Error('time') })
    fail(new Error('too late'))
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('ends in time for any course of things', async () => {
    const anyAttempt = fc.record({
      takesMs: fc.integer({ min: 0, max: 40_000 }),
      succeeds: fc.boolean(),
      decision: fc.constantFrom<RetryDecision>('fail', 'retry-immediately', 'retry-with-backoff', 'retry-throttled'),
    })
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyAttempt, { maxLength: 12 }),
        fc.integer({ min: 1_000, max: 300_000 }),
        fc.integer({ min: 250, max: 15_000 }),
        random,
        async (script, budgetMs, attemptTimeoutMs, number) => {
          const { events } = await run(script, budgetMs, attemptTimeoutMs, number)
          for (const [index, { kind, at, ms = 0 }] of events.entries()) {
            expect(at).toBeLessThanOrEqual(budgetMs)
            if (kind !== 'wait') continue
            // Never a sleep past the deadline, and a try behind each.
            expect(ms).toBeGreaterThan(0)
            expect(at + ms).toBeLessThan(budgetMs)
            expect(events[index + 1]?.kind).toBe('try')
          }
          expect(events.at(-1)?.kind).toBe('try')
        },
      ),
      { numRuns: runs(300) },
    )
  })

  test('a signal wakes it from its sleep, and the try that follows has the time that is left', async () => {
    const clock = new FakeClock()
    const deadline = new Deadline(clock, 120_000)
    let attempts = 0
    const outcome = await retry(
      async () => {
        attempts += 1
        throw new Error('again')
      },
      {
        deadline,
        random: () => 0,
        attemptTimeoutMs: 15_000,
        onAttemptTimeout: () => new Error('time'),
        decide: () => 'retry-with-backoff',
        onWait: () => deadline.shorten(2_000),
      },
    ).catch((error: unknown) => error)
    expect(outcome).toMatchObject({ timeSpent: true })
    expect(attempts).toBeGreaterThan(1)
    expect(clock.now() - 1_000_000).toBeLessThan(120_000)
  })
})

describe('Deadline', () => {
  test('is made shorter, never longer', () => {
    const clock = new FakeClock()
    const deadline = new Deadline(clock, 10_000)
    expect(deadline.remaining()).toBe(10_000)
    deadline.shorten(20_000)
    expect(deadline.remaining()).toBe(10_000)
    deadline.shorten(2_000)
    expect(deadline.remaining()).toBe(2_000)
    clock.advance(5_000)
    expect(deadline.remaining()).toBe(0)
  })
})
