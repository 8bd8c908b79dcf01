import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { keepBeating } from '../../../src/activity/heartbeat-loop.ts'
import type { HeartbeatState } from '../../../src/activity/heartbeat-state.ts'
import { CredentialsError } from '../../../src/aws/errors.ts'
import { wakeableSleep } from '../../../src/util/clock.ts'
import { runs } from '../../properties/runs.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** How a beat goes: what it gives after how many milliseconds. */
interface Beat {
  readonly takesMs?: number
  readonly gives: 'held' | 'canceled' | Error
}

/** The end of a beat is seen this much later at most, so what follows at once follows within it. */
const LOOK_MS = 1_000

const held: Beat = { takesMs: 100, gives: 'held' }
const hangs: Beat = { takesMs: Number.POSITIVE_INFINITY, gives: 'held' }

function refused(name: string): Beat {
  return {
    takesMs: 50,
    gives: Object.assign(new Error(`that is ${name}`), { name, $metadata: { httpStatusCode: 400 } }),
  }
}

interface Course {
  /** The n-th beat, from 0. */
  readonly beats: (index: number) => Beat
  readonly intervalMs?: number
  readonly beatsAtOnce?: boolean
  readonly lifetimeMs?: number
  readonly random?: () => number
  /** When it is asked to stop; by default after an hour. */
  readonly stopAt?: number
  readonly runnerGoneAt?: number
  readonly jobOverAt?: number
  readonly reportedAt?: number
  readonly onCanceled?: (clock: FakeClock) => Promise<void>
  /** Whether renewed credentials differ; by default they do. */
  readonly renew?: () => Promise<boolean>
  readonly save?: (state: HeartbeatState) => void
}

/** Runs the loop to its end, on a clock of its own. */
async function run(course: Course) {
  const clock = new FakeClock()
  const started: number[] = []
  const finished: number[] = []
  const states: HeartbeatState[] = []
  const lines: string[] = []
  const signals: AbortSignal[] = []
  let renewals = 0
  let cancellations = 0
  let underWay = 0
  let maxConcurrent = 0
  const reason = await clock.run(
    keepBeating(
      {
        pid: 42,
        intervalMs: course.intervalMs ?? 60_000,
        ...(course.beatsAtOnce !== undefined && { beatsAtOnce: course.beatsAtOnce }),
        beatTimeoutMs: 15_000,
        lifetimeMs: course.lifetimeMs ?? 1e12,
      },
      {
        clock,
        random: course.random ?? (() => 0.5),
        async beat(signal) {
          const { takesMs = 0, gives } = course.beats(started.length)
          started.push(clock.now())
          signals.push(signal)
          underWay += 1
          maxConcurrent = Math.max(maxConcurrent, underWay)
          try {
            await (Number.isFinite(takesMs) ? clock.sleep(takesMs, signal) : clock.sleep(1e13, signal))
            if (signal.aborted) throw new Error('aborted')
            if (gives instanceof Error) throw gives
            return { canceled: gives === 'canceled' }
          } finally {
            underWay -= 1
            finished.push(clock.now())
          }
        },
        async renewCredentials() {
          renewals += 1
          return course.renew?.() ?? true
        },
        async onCanceled() {
          cancellations += 1
          await course.onCanceled?.(clock)
        },
        isReported: () => clock.now() >= (course.reportedAt ?? Number.POSITIVE_INFINITY),
        isBusy: () => false,
        isJobOver: () => clock.now() >= (course.jobOverAt ?? Number.POSITIVE_INFINITY),
        areActivitiesOver: () => clock.now() >= (course.stopAt ?? 3_600_000),
        lookAtRunner: () => (clock.now() >= (course.runnerGoneAt ?? Number.POSITIVE_INFINITY) ? 'gone' : 'there'),
        ...wakeableSleep(clock),
        save(state) {
          states.push(state)
          course.save?.(state)
        },
        log: (line) => lines.push(line),
      },
    ),
  )
  const last = states.at(-1)
  if (last === undefined) throw new Error('no state was saved')
  const gaps = started.map((at, index) => at - (finished[index - 1] ?? 0))
  return {
    reason,
    started,
    gaps,
    states,
    last,
    log: lines.join('\n'),
    signals,
    renewals,
    cancellations,
    maxConcurrent,
    endedAt: clock.now(),
  }
}

describe('beats', () => {
  test('are sent every interval, each up to a tenth sooner, and none later', async () => {
    let turn = 0
    const random = (): number => [0, 0.999, 0.3, 0.7][turn++ % 4] ?? 0
    const { gaps, last, reason } = await run({ beats: () => held, random })
    expect(gaps.length).toBeGreaterThanOrEqual(59)
    for (const gap of gaps) {
      expect(gap).toBeLessThanOrEqual(60_000)
      expect(gap).toBeGreaterThanOrEqual(54_000)
    }
    expect(new Set(gaps.map((gap) => Math.round(gap / 1000))).size).toBeGreaterThan(2)
    expect(last).toMatchObject({ pid: 42, beats: gaps.length, failures: 0, canceled: false, ended: 'activities-over' })
    expect(reason).toBe('activities-over')
  })

  test.each([
    [false, 57_000],
    [true, 0],
  ])('begin at once (%j) where it is not known that the task was acknowledged', async (beatsAtOnce, first) => {
    const { started } = await run({ beats: () => held, beatsAtOnce, stopAt: 120_000 })
    expect(started[0]).toBe(first)
    expect((started[1] ?? 0) - first).toBeGreaterThanOrEqual(54_000)
  })

  test('say that it is ready before the first of them', async () => {
    const { states } = await run({ beats: () => held, stopAt: 1_000 })
    expect(states[0]).toMatchObject({ pid: 42, beats: 0, failures: 0 })
    expect(states[0]?.ended).toBeUndefined()
  })

  test('that hang are given up, aborted, counted as failed, and tried again; one at a time', async () => {
    const { last, signals, started, maxConcurrent } = await run({
      beats: (index) => (index % 2 === 0 ? hangs : held),
      intervalMs: 5_000,
      stopAt: 200_000,
    })
    expect(maxConcurrent).toBe(1)
    expect(last.failures).toBeGreaterThan(5)
    expect(last.beats).toBeGreaterThan(5)
    expect(signals[0]?.aborted).toBe(true)
    expect((started[1] ?? 0) - (started[0] ?? 0)).toBeLessThanOrEqual(15_000 + 1_000)
  })

  test('that arrive after their limit are not counted', async () => {
    const { last } = await run({ beats: () => ({ takesMs: 16_000, gives: 'held' }), stopAt: 300_000 })
    expect(last.beats).toBe(0)
    expect(last.failures).toBeGreaterThan(3)
  })
})

describe('a beat that fails', () => {
  test.each(['ThrottlingException', 'AccessDeniedException', 'Error'])(
    'by %s, hundreds of times, is no reason to end',
    async (name) => {
      const { last, reason, endedAt } = await run({
        beats: (index) => (index < 300 ? refused(name) : held),
        stopAt: 6 * 3_600_000,
      })
      expect(reason).toBe('activities-over')
      expect(last.failures).toBe(300)
      expect(last.beats).toBeGreaterThan(100)
      expect(endedAt).toBeGreaterThanOrEqual(6 * 3_600_000)
    },
  )

  test.each([
    ['ThrottlingException', 2_000],
    ['InternalServiceError', 500],
  ])('by %s is tried again with growing waits, always sooner than the next beat would be due', async (name, first) => {
    const { gaps } = await run({ beats: (index) => (index > 0 && index < 12 ? refused(name) : held) })
    const waits = gaps.slice(2, 12)
    expect(waits[0]).toBeGreaterThanOrEqual(first / 2)
    expect(waits[0]).toBeLessThanOrEqual(first)
    for (const wait of waits) expect(wait).toBeLessThan(60_000)
    for (const [index, wait] of waits.entries()) expect(wait).toBeGreaterThanOrEqual(waits[index - 1] ?? 0)
    expect(waits.at(-1)).toBeGreaterThan(5_000)
    // Afterwards all is as before.
    expect(gaps[13]).toBeGreaterThanOrEqual(54_000)
  })

  test('with a short interval never waits longer than that', async () => {
    const { gaps } = await run({ beats: () => refused('ThrottlingException'), intervalMs: 5_000, stopAt: 300_000 })
    for (const gap of gaps) expect(gap).toBeLessThanOrEqual(5_000)
  })

  test.each(['TaskNotFoundException', 'PipelineNotFoundException', 'PipelineDeletedException'])(
    'by %s ends it: the task is gone',
    async (name) => {
      const { reason, last, started } = await run({ beats: (index) => (index < 2 ? held : refused(name)) })
      expect(reason).toBe('task-gone')
      expect(started).toHaveLength(3)
      expect(last).toMatchObject({ beats: 2, failures: 1, ended: 'task-gone', message: expect.stringContaining(name) })
    },
  )

  const REJECTIONS = ['ExpiredTokenException', 'UnrecognizedClientException', 'InvalidSignatureException']

  test.each(REJECTIONS)('by %s is tried again at once with renewed credentials', async (name) => {
    const { renewals, gaps, last } = await run({ beats: (index) => (index === 1 ? refused(name) : held) })
    expect(renewals).toBe(1)
    expect(gaps[2]).toBeLessThanOrEqual(LOOK_MS)
    expect(last.failures).toBe(1)
  })

  test('by a rejection in the middle of an outage is tried again at once, too', async () => {
    const { gaps, last } = await run({
      beats: (index) => [held, refused('InternalServiceError'), refused('ExpiredTokenException')][index] ?? held,
    })
    expect(gaps[3]).toBeLessThanOrEqual(LOOK_MS)
    expect(last.failures).toBe(2)
  })

  test('by a rejection of credentials that stay the same is tried again with growing waits', async () => {
    const { gaps, renewals } = await run({
      beats: (index) => (index > 0 && index < 6 ? refused('ExpiredTokenException') : held),
      renew: async () => false,
    })
    expect(renewals).toBe(5)
    expect(gaps[2]).toBeGreaterThanOrEqual(250)
    expect(gaps[6]).toBeGreaterThanOrEqual(4_000)
  })

  test.each(REJECTIONS)('by %s whatever the credentials is tried again at once only the first time', async (name) => {
    const { gaps, renewals } = await run({
      beats: (index) => (index > 0 && index < 100 ? refused(name) : held),
    })
    // Each could be the one whose renewal brings credentials that are accepted.
    expect(renewals).toBe(99)
    expect(gaps[2]).toBeLessThanOrEqual(LOOK_MS)
    for (const gap of gaps.slice(3, 100)) expect(gap).toBeGreaterThanOrEqual(500)
    expect(gaps[99]).toBeGreaterThanOrEqual(10_000)
  })

  test('by a second rejection, after beats that arrived, is tried again at once, too', async () => {
    const { gaps } = await run({ beats: (index) => (index % 3 === 1 ? refused('ExpiredTokenException') : held) })
    expect(gaps[2]).toBeLessThanOrEqual(LOOK_MS)
    expect(gaps[5]).toBeLessThanOrEqual(LOOK_MS)
  })

  test('while it gets credentials does not renew them: the next beat gets them again', async () => {
    const cause = refused('ExpiredTokenException').gives
    const { renewals, gaps } = await run({
      beats: (index) => (index === 1 ? { gives: new CredentialsError('none', { cause }) } : held),
    })
    expect(renewals).toBe(0)
    expect(gaps[2]).toBeGreaterThanOrEqual(250)
  })

  test('as credentials have expired, and no new ones can be had: goes on', async () => {
    const { reason, last, renewals } = await run({
      beats: (index) => (index < 20 ? refused('ExpiredTokenException') : held),
      renew: () => Promise.reject(new Error('STS is away')),
    })
    expect(reason).toBe('activities-over')
    expect(renewals).toBe(20)
    expect(last.beats).toBeGreaterThan(10)
  })

  test('logs once that it succeeded', async () => {
    const { log } = await run({ beats: (i) => (i > 1 && i < 5 ? refused('ThrottlingException') : held) })
    expect(log.match(/heartbeat succeeded after/g)).toHaveLength(1)
    expect(log.match(/failed: ThrottlingException/g)).toHaveLength(3)
  })
})

describe('the longest gap', () => {
  test('is that of an outage', async () => {
    const { last, started } = await run({
      beats: (index) => (index > 2 && index < 20 ? refused('InternalServiceError') : held),
    })
    const outage = (started[20] ?? 0) - (started[2] ?? 0)
    expect(last.longestGapMs).toBeGreaterThanOrEqual(outage - 500)
    expect(last.longestGapMs).toBeLessThanOrEqual(outage + 500)
  })

  test('counts from the start, and the time since the last beat', async () => {
    const { last } = await run({ beats: (index) => (index < 3 ? held : hangs), stopAt: 1_000_000 })
    expect(last.longestGapMs).toBeGreaterThan(800_000)
    const never = await run({ beats: () => refused('ThrottlingException'), stopAt: 500_000 })
    expect(never.last.longestGapMs).toBeGreaterThanOrEqual(500_000)
  })

  test('is the interval when all goes well', async () => {
    const { last } = await run({ beats: () => held, random: () => 0 })
    expect(last.longestGapMs).toBeGreaterThanOrEqual(60_000)
    expect(last.longestGapMs).toBeLessThan(61_000)
  })
})

describe('ends', () => {
  test.each([
    ['between beats', held],
    ['while a beat hangs', hangs],
    ['while beats fail', refused('ThrottlingException')],
  ])('within a second when it is asked to, %s', async (_name, beat) => {
    const { reason, endedAt, last, signals } = await run({ beats: () => beat, stopAt: 65_000 })
    expect(reason).toBe('activities-over')
    expect(endedAt).toBeLessThanOrEqual(66_000)
    expect(last.ended).toBe('activities-over')
    if (beat === hangs) expect(signals.at(-1)?.aborted).toBe(true)
  })

  test('while it gets new credentials, which hangs', async () => {
    const { endedAt, reason } = await run({
      beats: () => refused('ExpiredTokenException'),
      renew: () => new Promise(() => {}),
      stopAt: 100_000,
    })
    expect(reason).toBe('activities-over')
    expect(endedAt).toBeLessThanOrEqual(101_000)
  })

  test('before the first beat', async () => {
    const { reason, started, endedAt } = await run({ beats: () => held, stopAt: 0 })
    expect(reason).toBe('activities-over')
    expect(started).toEqual([])
    expect(endedAt).toBeLessThanOrEqual(1_000)
  })

  test.each([
    ['between beats', held],
    ['while every beat hangs', hangs],
  ])('within ten seconds after the runner is gone, %s', async (_name, beat) => {
    const { reason, endedAt } = await run({ beats: () => beat, runnerGoneAt: 100_000 })
    expect(reason).toBe('runner-gone')
    expect(endedAt).toBeLessThanOrEqual(110_000)
  })

  test.each([
    ['between beats', held],
    ['while every beat hangs', hangs],
    ['while every beat fails', refused('ThrottlingException')],
  ])('at the end of its lifetime, %s', async (_name, beat) => {
    const { reason, endedAt } = await run({ beats: () => beat, lifetimeMs: 600_000 })
    expect(reason).toBe('lifetime-over')
    expect(endedAt).toBeGreaterThanOrEqual(600_000)
    expect(endedAt).toBeLessThanOrEqual(601_000)
  })

  test('when the service has cancelled the task: acts on it once, and sends no more beats', async () => {
    const { reason, cancellations, started, last } = await run({
      beats: (index) => (index === 3 ? { gives: 'canceled' } : held),
    })
    expect(reason).toBe('canceled')
    expect(cancellations).toBe(1)
    expect(started).toHaveLength(4)
    expect(last).toMatchObject({ canceled: true, ended: 'canceled' })
  })

  test('as cancelled also when it is asked to stop while it acts on that', async () => {
    const { states, last, started } = await run({
      beats: () => ({ gives: 'canceled' }),
      onCanceled: (clock) => clock.sleep(25_000),
      stopAt: 65_000,
    })
    expect(started).toHaveLength(1)
    expect(last.canceled).toBe(true)
    // It is known before it is acted on: the post step may come at any time from then on.
    expect(states.findIndex(({ canceled }) => canceled)).toBeLessThan(states.length - 1)
  })

  test('as cancelled also when the lifetime is over meanwhile, or the runner is gone', async () => {
    for (const more of [{ lifetimeMs: 65_000 }, { runnerGoneAt: 65_000 }]) {
      const { last } = await run({
        beats: () => ({ gives: 'canceled' }),
        onCanceled: (clock) => clock.sleep(25_000),
        ...more,
      })
      expect(last.canceled).toBe(true)
    }
  })

  test('acts on the cancelling to its end when only the task is cancelled', async () => {
    const { endedAt, reason } = await run({
      beats: () => ({ gives: 'canceled' }),
      onCanceled: (clock) => clock.sleep(25_000),
    })
    expect(reason).toBe('canceled')
    expect(endedAt).toBeGreaterThanOrEqual(54_000 + 25_000)
  })
})

test('a state that can not be written is told, and the beats go on', async () => {
  const { reason, started, log } = await run({
    beats: () => held,
    save: () => {
      throw new Error('no space left')
    },
  })
  expect(reason).toBe('activities-over')
  expect(started.length).toBeGreaterThan(50)
  expect(log).toContain('no space left')
})

test('any course of things: one beat at a time, soon enough, and an end in time', async () => {
  const anyBeat = fc.record<Beat>({
    takesMs: fc.integer({ min: 0, max: 20_000 }),
    gives: fc.constantFrom<Beat['gives']>(
      'held',
      'held',
      refused('ThrottlingException').gives,
      refused('ExpiredTokenException').gives,
      new Error('anything'),
    ),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyBeat, { minLength: 1, maxLength: 10 }),
      fc.integer({ min: 5_000, max: 300_000 }),
      fc.integer({ min: 0, max: 1_000_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      async (beats, intervalMs, stopAt, number) => {
        const { started, gaps, last, reason, endedAt, maxConcurrent } = await run({
          beats: (index) => beats[index % beats.length] ?? held,
          intervalMs,
          stopAt,
          random: () => number,
        })
        expect(reason).toBe('activities-over')
        expect(endedAt).toBeLessThanOrEqual(stopAt + 1_000)
        expect(maxConcurrent).toBeLessThanOrEqual(1)
        for (const gap of gaps) expect(gap).toBeLessThanOrEqual(intervalMs + 1)
        expect(last.beats + last.failures).toBeGreaterThanOrEqual(started.length - 1)
        expect(last.beats + last.failures).toBeLessThanOrEqual(started.length)
        expect(last.longestGapMs).toBeLessThanOrEqual(endedAt)
      },
    ),
    { numRuns: runs(60) },
  )
})
