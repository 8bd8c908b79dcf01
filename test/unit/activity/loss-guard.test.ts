import { expect, test } from '@jest/globals'
import { LossGuard } from '../../../src/activity/loss-guard.ts'

/** Looks each second until a time, in seconds; the runner is there. */
function watched() {
  let now = 1_000_000
  const guard = new LossGuard(() => now)
  return {
    guard,
    look(seconds: number, isThere = true) {
      for (let second = 0; second < seconds; second++) {
        now += 1_000
        guard.noteLook(isThere)
      }
    },
    /** The machine is suspended, or the time of day is set. */
    skip(seconds: number) {
      now += seconds * 1_000
    },
    beat(tookSeconds = 0) {
      const startedAt = now
      now += tookSeconds * 1_000
      guard.noteArrival(startedAt)
    },
  }
}

test('a loss may be reported while beats arrive, and for 5 minutes after the last', () => {
  const { guard, look, beat } = watched()
  look(60)
  beat()
  look(299)
  expect(guard.mayReportLoss()).toBe(true)
  look(2)
  expect(guard.mayReportLoss()).toBe(false)
  beat()
  expect(guard.mayReportLoss()).toBe(true)
})

test.each([31, -40, 3_600])(
  'not after %i s without a look, until a beat arrives while the runner is there',
  (seconds) => {
    const { guard, look, skip, beat } = watched()
    look(5)
    skip(seconds)
    look(1)
    expect(guard.mayReportLoss()).toBe(false)
    beat()
    expect(guard.mayReportLoss()).toBe(true)
  },
)

test('30 s without a look are a busy machine', () => {
  const { guard, look, skip } = watched()
  skip(29)
  look(1)
  expect(guard.mayReportLoss()).toBe(true)
})

test('a beat that arrives when the runner was gone already says nothing of whose task it is', () => {
  const { guard, look, skip, beat } = watched()
  skip(40)
  look(1, false)
  beat()
  look(1, false)
  expect(guard.mayReportLoss()).toBe(false)
})

test('nor does one that was sent before the interruption', () => {
  const { guard, look, beat } = watched()
  look(5)
  beat(60)
  look(1)
  expect(guard.mayReportLoss()).toBe(false)
})
