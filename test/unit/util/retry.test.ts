import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Deadline } from '../../../src/util/deadline.ts'
import { backOff, type Decision, RetriesSpentError, type RetryOptions, retry } from '../../../src/util/retry.ts'
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
  ])('after try %i, random %f: %i ms', (tries, random, ms) => {
    expect(backOff(tries, () => random)).toBeCloseTo(ms, -1)
  })

  test.each([
    [1, 0, 1_000],
    [1, 0.999999, 2_000],
    [2, 0, 2_000],
    [4, 0.5, 12_000],
    [5, 0, 10_000],
    [2000, 0.999999, 20_000],
  ])('where there are too many calls, after try %i, random %f: %i ms', (tries, random, ms) => {
    expect(backOff(tries, () => random, true)).toBeCloseTo(ms, -1)
  })

  test('is between half of its longest and its longest, 20 s at most, never shrinking at the same random', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_000 }), random, (tries, number) => {
        const wait = backOff(tries, () => number)
        const longest = Math.min(20_000, 500 * 2 ** (tries - 1))
        expect(wait).toBeGreaterThanOrEqual(Math.floor(longest / 2))
        expect(wait).toBeLessThanOrEqual(longest)
        expect(backOff(tries + 1, () => number)).toBeGreaterThanOrEqual(wait)
      }),
      { numRuns: runs(100) },
    )
  })
})

interface Try {
  readonly takesMs: number
  readonly succeeds: boolean
  readonly decision: Decision
}

/** Runs a script of tries; those after its end fail at once and are to be tried again later. */
async function run(script: readonly Try[], budgetMs: number, tryLimitMs: number, random: number) {
  const clock = new FakeClock()
  const started = clock.now()
  const deadline = new Deadline(clock, budgetMs)
  const events: Array<{ kind: 'try' | 'wait'; at: number; ms?: number }> = []
  const options: RetryOptions = {
    deadline,
    random: () => random,
    tryLimitMs,
    onTryTimeout: (ms) => new Error(`took ${ms} ms`),
    decide: (_error, tries) => script[tries - 1]?.decision ?? 'again-later',
    onWait: (_error, _tries, waitMs) => events.push({ kind: 'wait', at: clock.now() - started, ms: waitMs }),
  }
  const outcome = await retry(async (tries) => {
    events.push({ kind: 'try', at: clock.now() - started })
    const now = script[tries - 1]
    clock.advance(Math.min(now?.takesMs ?? 1, tryLimitMs))
    if (now?.succeeds) return 'done'
    throw new Error(`try ${tries}`)
  }, options).catch((error: unknown) => error)
  return { outcome, events, took: clock.now() - started }
}

const fails: Try = { takesMs: 10, succeeds: false, decision: 'again-later' }
const works: Try = { takesMs: 10, succeeds: true, decision: 'stop' }

describe('retry', () => {
  test('gives what the first success gives', async () => {
    const { outcome, events } = await run([fails, { ...fails, decision: 'again-now' }, works], 60_000, 15_000, 0)
    expect(outcome).toBe('done')
    expect(events.map(({ kind }) => kind)).toEqual(['try', 'wait', 'try', 'try'])
  })

  test('waits longer where there are too many calls, and only after such a try', async () => {
    const crowded: Try = { ...fails, decision: 'again-much-later' }
    const { outcome, events } = await run([crowded, fails, crowded, works], 60_000, 15_000, 0)
    expect(outcome).toBe('done')
    expect(events.flatMap(({ ms = [] }) => ms)).toEqual([1_000, 500, 4_000])
  })

  test('stops when it is told to, without a sleep', async () => {
    const { outcome, events } = await run([{ ...fails, decision: 'stop' }], 60_000, 15_000, 0)
    expect(outcome).toBeInstanceOf(RetriesSpentError)
    expect(outcome).toMatchObject({ tries: 1, timeSpent: false, cause: new Error('try 1') })
    expect(events).toHaveLength(1)
  })

  test('says how it ended: told to stop, or out of time, after so many tries', async () => {
    const stopped = await run([fails, { ...fails, decision: 'stop' }], 60_000, 15_000, 0)
    expect(stopped.outcome).toMatchObject({ name: 'RetriesSpentError', message: 'gave up', tries: 2, timeSpent: false })
    const spent = await run([], 2_000, 1_000, 0)
    const { tries } = spent.outcome as RetriesSpentError
    expect(tries).toBe(spent.events.filter(({ kind }) => kind === 'try').length)
    expect(spent.outcome).toMatchObject({ message: `gave up after ${tries} tries`, timeSpent: true })
  })

  test('gives each try half as much time again as the one before', async () => {
    const clock = new FakeClock()
    const limits: number[] = []
    await retry(() => new Promise<never>(() => {}), {
      deadline: new Deadline(clock, 120_000),
      random: () => 0,
      tryLimitMs: 4_000,
      onTryTimeout(ms) {
        limits.push(ms)
        return new Error('time')
      },
      decide: () => (limits.length < 4 ? 'again-now' : 'stop'),
      onWait: () => {},
    }).catch(() => undefined)
    expect(limits).toEqual([4_000, 6_000, 9_000, 13_500])
  })

  test.each<[string, number, Decision, number]>([
    ['a wait and a try of a second', 2_000, 'again-later', 2],
    ['no more than the second of a try', 1_010, 'again-later', 1],
    ['less than that, and no wait is wanted', 1_000, 'again-now', 2],
    ['nothing', 10, 'again-now', 1],
  ])('with time left for %s', async (_name, budgetMs, decision, tries) => {
    const script: Try[] = [
      { takesMs: 10, succeeds: false, decision },
      { takesMs: 10, succeeds: false, decision: 'stop' },
    ]
    const { outcome } = await run(script, budgetMs, 1_000, 0)
    expect(outcome).toMatchObject({ tries })
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
    const answer = await retry<string>(
      (tries, signal) => {
        signals.push(signal)
        return tries === 1 ? new Promise<string>(() => {}) : Promise.resolve('done')
      },
      {
        deadline: new Deadline(clock, 60_000),
        random: () => 0,
        tryLimitMs: 5_000,
        onTryTimeout: (ms) => new Error(`took ${ms} ms`),
        decide: (error) => {
          expect(error).toEqual(new Error('took 5000 ms'))
          return 'again-later'
        },
        onWait: () => {},
      },
    )
    expect(answer).toBe('done')
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
      tryLimitMs: 500,
      onTryTimeout: () => new Error('time'),
      decide: () => 'stop',
      onWait: () => {},
    }).catch((error: unknown) => error)
    expect(outcome).toMatchObject({ cause: new Error('time') })
    fail(new Error('too late'))
    await new Promise((resolve) => setImmediate(resolve))
  })

  test('ends in time for any course of things', async () => {
    const anyTry = fc.record({
      takesMs: fc.integer({ min: 0, max: 40_000 }),
      succeeds: fc.boolean(),
      decision: fc.constantFrom<Decision>('stop', 'again-now', 'again-later', 'again-much-later'),
    })
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyTry, { maxLength: 12 }),
        fc.integer({ min: 1_000, max: 300_000 }),
        fc.integer({ min: 250, max: 15_000 }),
        random,
        async (script, budgetMs, tryLimitMs, number) => {
          const { events } = await run(script, budgetMs, tryLimitMs, number)
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
    let tries = 0
    const outcome = await retry(
      async () => {
        tries += 1
        throw new Error('again')
      },
      {
        deadline,
        random: () => 0,
        tryLimitMs: 15_000,
        onTryTimeout: () => new Error('time'),
        decide: () => 'again-later',
        onWait: () => deadline.hurry(2_000),
      },
    ).catch((error: unknown) => error)
    expect(outcome).toMatchObject({ timeSpent: true })
    expect(tries).toBeGreaterThan(1)
    expect(clock.now() - 1_000_000).toBeLessThan(120_000)
  })
})

describe('Deadline', () => {
  test('is made shorter, never longer', () => {
    const clock = new FakeClock()
    const deadline = new Deadline(clock, 10_000)
    expect(deadline.remaining()).toBe(10_000)
    deadline.hurry(20_000)
    expect(deadline.remaining()).toBe(10_000)
    deadline.hurry(2_000)
    expect(deadline.remaining()).toBe(2_000)
    clock.advance(5_000)
    expect(deadline.remaining()).toBe(0)
  })
})
