import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import type { CommandEnd } from '../../../src/task-runner/command.ts'
import type { PreconditionRetry } from '../../../src/task-runner/definition.ts'
import { tryPrecondition } from '../../../src/task-runner/precondition.ts'
import { type Clock, systemClock } from '../../../src/util/clock.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const MINUTE = 60_000
const exited = (exitCode: number): CommandEnd => ({ kind: 'exited', exitCode })

/** More attempts than any test has. */
const TOO_MANY = 100

/** Tries a precondition whose command ends so, the last for all further attempts. Gives its end, and when it was tried. */
async function tryWith(retry: PreconditionRetry, ends: readonly CommandEnd[], takesMs = 0) {
  const clock = new FakeClock()
  const at: number[] = []
  const lines: string[] = []
  const attempt = async (): Promise<CommandEnd> => {
    at.push(clock.now())
    if (at.length > TOO_MANY) throw new Error('it is tried again and again')
    await clock.sleep(takesMs)
    return ends[at.length - 1] ?? (ends.at(-1) as CommandEnd)
  }
  const log = (line: string): void => void lines.push(line)
  const end = await clock.run(tryPrecondition(retry, attempt, { clock, stop: new AbortController().signal, log }))
  return { end, at, lines }
}

describe('a precondition', () => {
  const RETRY = { delayMs: 10 * MINUTE, timeoutMs: 25 * MINUTE }

  test('that holds is finished, and not tried again', async () => {
    const { end, at, lines } = await tryWith(RETRY, [exited(0)])
    expect(end).toEqual({ status: 'FINISHED', exitCode: 0 })
    expect(at).toEqual([0])
    expect(lines).toEqual([])
  })

  test('that holds at the third attempt is finished, and the log tells the waits', async () => {
    const { end, at, lines } = await tryWith(RETRY, [exited(1), exited(2), exited(0)])
    expect(end).toEqual({ status: 'FINISHED', exitCode: 0 })
    expect(at).toEqual([0, 10 * MINUTE, 20 * MINUTE])
    expect(lines).toEqual([
      'The precondition does not hold (exit code 1). It is tried again in 600 s.',
      'The precondition does not hold (exit code 2). It is tried again in 600 s.',
    ])
  })

  test.each<[string, PreconditionRetry, number, number[]]>([
    ['is tried last at the end of its time', RETRY, 0, [0, 10, 20, 25]],
    ['whose time is a multiple of the delay', { ...RETRY, timeoutMs: 20 * MINUTE }, 0, [0, 10, 20]],
    ['whose delay is longer than its time', { ...RETRY, timeoutMs: 3 * MINUTE }, 0, [0, 3]],
    ['without any time is tried once', { ...RETRY, timeoutMs: 0 }, 0, [0]],
    ['whose attempts take their time', RETRY, 4 * MINUTE, [0, 14, 25]],
    ['whose attempts take longer than its time', RETRY, 26 * MINUTE, [0]],
    ['without a delay is tried every second', { delayMs: 0, timeoutMs: 3_000 }, 0, [0, 1 / 60, 2 / 60, 3 / 60]],
  ])('that never holds %s', async (_name, retry, takesMs, minutes) => {
    const { end, at } = await tryWith(retry, [exited(1), exited(3)], takesMs)
    expect(at).toEqual(minutes.map((each) => each * MINUTE))
    const last = at.length === 1 ? 1 : 3
    expect(end).toMatchObject({ status: 'FALSE', errorId: 'TaskRunner:ExitCode', exitCode: last })
    expect(end).toHaveProperty(
      'message',
      expect.stringContaining(`tried ${at.length === 1 ? 'once' : `${at.length} times`}`),
    )
  })

  test.each<[CommandEnd, string]>([
    [exited(126), 'TaskRunner:ExitCode'],
    [exited(127), 'TaskRunner:ExitCode'],
    [exited(137), 'TaskRunner:ExitCode'],
    [{ kind: 'signal', signal: 'SIGKILL' }, 'TaskRunner:Signal'],
    [{ kind: 'not-started', error: new Error('ENOENT') }, 'TaskRunner:CouldNotStart'],
  ])('with no answer, %j, is FAILED at once', async (noAnswer, errorId) => {
    const { end, at } = await tryWith(RETRY, [exited(1), noAnswer])
    expect(end).toMatchObject({ status: 'FAILED', errorId })
    expect(at).toHaveLength(2)
  })

  test('that is stopped during an attempt has no end', async () => {
    const { end, at } = await tryWith(RETRY, [exited(1), { kind: 'stopped' }])
    expect(end).toBeUndefined()
    expect(at).toHaveLength(2)
  })

  test('that is stopped while it waits has no end, at once', async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const { attempt, attempts } = noes()
    const trying = tryPrecondition(RETRY, attempt, { clock, stop: stop.signal, log: () => undefined })
    const stopping = clock.sleep(MINUTE).then(() => stop.abort())
    expect(await clock.run(Promise.all([trying, stopping]))).toEqual([undefined, undefined])
    expect(clock.now()).toBe(MINUTE)
    expect(attempts()).toBe(1)
  })

  // A timer of Node of more than 2^31 - 1 ms, 24.8 days, ends at once.
  test('whose delay is longer than a timer can have is not tried again and again', async () => {
    const stop = new AbortController()
    const { attempt, attempts } = noes()
    const retry = { delayMs: 30 * 86_400_000, timeoutMs: 60 * 86_400_000 }
    const clock: Clock = { now: systemClock.now, sleep: (ms) => systemClock.sleep(ms, stop.signal) }
    const trying = tryPrecondition(retry, attempt, { clock, stop: stop.signal, log: () => undefined })
    await delay(50)
    stop.abort()
    await trying
    expect(attempts()).toBe(1)
  })

  /** A command that always says no. */
  function noes() {
    let count = 0
    const attempt = async (): Promise<CommandEnd> => {
      count += 1
      if (count > TOO_MANY) throw new Error('it is tried again and again')
      return exited(1)
    }
    return { attempt, attempts: () => count }
  }
})
