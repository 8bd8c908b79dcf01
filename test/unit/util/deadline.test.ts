import { describe, expect, test } from '@jest/globals'
import { Deadline } from '../../../src/util/deadline.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** A deadline of 60 s, of which 10 s are over. */
function deadlineInUse(): { clock: FakeClock; deadline: Deadline } {
  const clock = new FakeClock()
  const deadline = new Deadline(clock, 60_000)
  clock.advance(10_000)
  return { clock, deadline }
}

/** How long work took that never ends by itself. */
async function timeOfEndlessWork(clock: FakeClock, deadline: Deadline, limitMs: number): Promise<number> {
  const started = clock.now()
  const work = deadline.within(
    limitMs,
    () => new Promise(() => undefined),
    (ms) => new Error(`after ${ms} ms`),
  )
  await expect(work).rejects.toThrow(/^after \d+ ms$/)
  return clock.now() - started
}

describe('a deadline', () => {
  test('counts what is over and what is left, which is never below zero', () => {
    const { clock, deadline } = deadlineInUse()
    expect([deadline.elapsed(), deadline.remaining(), deadline.isShortened]).toEqual([10_000, 50_000, false])
    clock.advance(60_000)
    expect([deadline.elapsed(), deadline.remaining()]).toEqual([70_000, 0])
  })

  test.each([
    [7_000, 7_000, true],
    [50_000, 50_000, false],
    [90_000, 50_000, false],
  ])('that is shortened to %i ms has %i ms left: it is never extended', (ms, left, isShortened) => {
    const { deadline } = deadlineInUse()
    deadline.shorten(ms)
    expect([deadline.remaining(), deadline.isShortened]).toEqual([left, isShortened])
  })

  test.each([
    ['the limit of the work', 20_000, 20_000],
    ['its own end', 80_000, 50_000],
  ])('ends work by %s', async (_name, limitMs, tookMs) => {
    const { clock, deadline } = deadlineInUse()
    expect(await timeOfEndlessWork(clock, deadline, limitMs)).toBe(tookMs)
  })

  test('that is shortened leaves work under way a third, and later work the rest', async () => {
    const clock = new FakeClock({ passes: false })
    const deadline = new Deadline(clock, 60_000)
    const underWay = timeOfEndlessWork(clock, deadline, 50_000)
    deadline.shorten(6_000)
    expect(await clock.run(underWay)).toBe(2_000)
    expect(await clock.run(timeOfEndlessWork(clock, deadline, 50_000))).toBe(4_000)
  })
})
