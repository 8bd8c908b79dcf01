import { describe, expect, test } from '@jest/globals'
import { CallError, callWithRetry } from '../../../src/aws/call-with-retry.ts'
import type { Call, DataPipeline } from '../../../src/aws/data-pipeline.ts'
import { CredentialsError } from '../../../src/aws/errors.ts'
import { Deadline } from '../../../src/util/deadline.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const BUDGET_MS = 60_000
const ATTEMPT_MS = 15_000

function failing(name: string): Error {
  return Object.assign(new Error(`that is ${name}`), { name, $metadata: { httpStatusCode: 400 } })
}

function noCredentials(cause: Error): Error {
  return new CredentialsError('none', { cause })
}

interface Course {
  /** What the n-th attempt of the call throws, from 0; undefined succeeds. */
  readonly attempts: (index: number) => Error | undefined
  /** What the n-th renewal gives, from 0; by default the credentials differ. */
  readonly renewals?: (index: number) => Promise<boolean>
  /** Whether the credentials are a session that AWS may not know yet. */
  readonly isNew?: boolean
  /** Milliseconds that an attempt takes. */
  readonly attemptMs?: number
}

/** Makes a call on a clock of its own. */
async function run({ attempts, renewals = async () => true, isNew = false, attemptMs = 0 }: Course) {
  const clock = new FakeClock()
  const started: number[] = []
  const lines: string[] = []
  let renewed = 0
  const say = (line: string): void => {
    lines.push(line)
  }
  const result = await clock.run(
    callWithRetry(
      async ({ onSend }: Call) => {
        const failure = attempts(started.length)
        started.push(clock.now())
        if (attemptMs > 0) await clock.sleep(attemptMs)
        if (failure instanceof CredentialsError) throw failure
        onSend?.()
        if (failure !== undefined) throw failure
      },
      {
        dataPipeline: {
          renewCredentials: () => renewals(renewed++),
          hasNewSession: () => isNew,
        } as unknown as DataPipeline,
        deadline: new Deadline(clock, BUDGET_MS, 'timeout-seconds'),
        attemptTimeoutMs: ATTEMPT_MS,
        random: () => 0.5,
        log: { info: say, debug: say, notice: say, warning: say, group: say },
      },
    ).catch((error: unknown) => error),
  )
  const error = result instanceof CallError ? result : undefined
  if (error === undefined && result instanceof Error) throw result
  const gaps = started.slice(1).map((at, index) => at - (started[index] ?? 0))
  return { error, renewed, started, gaps, log: lines.join('\n'), endedAt: clock.now() }
}

describe.each(['ExpiredTokenException', 'UnrecognizedClientException', 'InvalidSignatureException'])(
  'a call that is rejected with %s',
  (name) => {
    const once = (index: number) => (index === 0 ? failing(name) : undefined)

    test('is made again at once with renewed credentials', async () => {
      const { error, renewed, gaps } = await run({ attempts: once })
      expect(error).toBeUndefined()
      expect(renewed).toBe(1)
      expect(gaps).toEqual([0])
    })

    test('ends when the credentials stay the same', async () => {
      const { error, renewed, started } = await run({ attempts: once, renewals: async () => false })
      expect(error?.message).toContain(name)
      expect(error?.timeSpent).toBe(false)
      expect([renewed, started.length]).toEqual([1, 1])
    })

    test('ends when the renewed credentials are rejected, too', async () => {
      const { error, renewed, started } = await run({ attempts: () => failing(name) })
      expect(error?.message).toContain(name)
      expect([renewed, started.length]).toEqual([1, 2])
    })

    test('is made again after a wait when the renewal met a passing fault', async () => {
      const { error, renewed, gaps, log } = await run({
        attempts: (index) => (index < 2 ? failing(name) : undefined),
        renewals: async (index) => {
          if (index === 0) throw noCredentials(failing('InternalFailure'))
          return true
        },
      })
      expect(error).toBeUndefined()
      expect(renewed).toBe(2)
      expect(gaps).toEqual([375, 0])
      expect(log).toContain('InternalFailure')
    })

    test('ends when the renewal is denied', async () => {
      const { error, renewed, started } = await run({
        attempts: () => failing(name),
        renewals: () => Promise.reject(noCredentials(failing('SignatureDoesNotMatch'))),
      })
      expect(error?.message).toContain(name)
      expect([renewed, started.length]).toEqual([1, 1])
    })

    test('ends in time when the renewal never does', async () => {
      const { error, endedAt } = await run({ attempts: () => failing(name), renewals: () => new Promise(() => {}) })
      expect(error?.message).toContain(name)
      // What was rejected had no effect, whatever became of the renewal.
      expect(error?.outcomeUnknown).toBe(false)
      expect(endedAt).toBeLessThanOrEqual(BUDGET_MS)
    })

    test('while it gets credentials does not renew them', async () => {
      const { renewed } = await run({ attempts: (index) => (index === 0 ? noCredentials(failing(name)) : undefined) })
      expect(renewed).toBe(0)
    })
  },
)

describe('a refusal that may pass', () => {
  const refused = (): Error => noCredentials(failing('AccessDenied'))

  test('is tried again', async () => {
    const { error, gaps } = await run({ attempts: (index) => (index < 4 ? refused() : undefined) })
    expect(error).toBeUndefined()
    expect(gaps).toEqual([375, 750, 1500, 3000])
  })

  test('ends with the fifth attempt', async () => {
    const { error, started } = await run({ attempts: refused })
    expect(error?.message).toBe('AccessDenied: that is AccessDenied')
    expect(error?.timeSpent).toBe(false)
    expect(started).toHaveLength(5)
  })

  test('ends after 30 s', async () => {
    const { started } = await run({ attempts: refused, attemptMs: 12_000 })
    expect(started).toHaveLength(4)
    expect(started.at(-1)).toBeLessThanOrEqual(12_000 + 30_000)
  })

  test('is counted from the first one, not from the first attempt', async () => {
    const { started } = await run({ attempts: (index) => (index < 3 ? failing('InternalFailure') : refused()) })
    expect(started).toHaveLength(3 + 5)
  })

  test('of a session that may be new: waits for that one, after it was renewed once', async () => {
    const { error, renewed, gaps } = await run({
      attempts: (index) => (index < 4 ? failing('UnrecognizedClientException') : undefined),
      isNew: true,
    })
    expect(error).toBeUndefined()
    expect(renewed).toBe(1)
    expect(gaps).toEqual([0, 750, 1500, 3000])
  })

  test('of a session that stays unknown ends with the fifth attempt', async () => {
    const { error, started } = await run({ attempts: () => failing('UnrecognizedClientException'), isNew: true })
    expect(error?.message).toContain('UnrecognizedClientException')
    expect(started).toHaveLength(5)
  })

  test.each(['ExpiredTokenException', 'InvalidSignatureException'])(
    'is not %s, of a new session or not',
    async (name) => {
      const { started } = await run({ attempts: () => failing(name), renewals: async () => false, isNew: true })
      expect(started).toHaveLength(1)
    },
  )
})

describe('a call that had no more time', () => {
  test('says the time and the input that gave it', async () => {
    const { error, started } = await run({ attempts: () => failing('InternalFailure') })
    expect(error?.message).toBe(
      `gave up after ${started.length} attempts in 60 s (timeout-seconds). Last error: InternalFailure: that is InternalFailure`,
    )
  })
})

test('credentials that expire again after other failures end the call', async () => {
  const names = ['ExpiredTokenException', 'ThrottlingException', 'ExpiredTokenException']
  const { error, renewed, started } = await run({ attempts: (index) => failing(names[index] ?? 'Error') })
  expect(error?.message).toContain('ExpiredTokenException')
  expect([renewed, started.length]).toEqual([1, 3])
})
