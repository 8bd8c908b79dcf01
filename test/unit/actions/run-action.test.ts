import { afterAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { Invocation } from '../../../src/github/invocation.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'

const endProcess = jest.fn(async () => undefined)
jest.unstable_mockModule('../../../src/util/end-process.ts', () => ({ endProcess }))

const { runAction } = await import('../../../src/actions/run-action.ts')
const { systemClock } = await import('../../../src/util/clock.ts')
const { Deadline } = await import('../../../src/util/deadline.ts')

// Of this test file's own process object; Jest's is another.
const handlers = new Map<string, (value?: unknown) => void>()
let stdout = ''
Object.defineProperties(process, {
  on: { value: (event: string, handler: () => void) => handlers.set(event, handler) },
  exitCode: { value: undefined, writable: true },
  stdout: {
    value: {
      write(text: string) {
        stdout += text
        return true
      },
    },
  },
})
const env = { ...process.env }

beforeEach(() => {
  handlers.clear()
  stdout = ''
  process.exitCode = undefined
})
afterAll(() => {
  Object.assign(process.env, env)
})

/** Runs an action, and gives what it did with its invocation. */
async function run(action: (invocation: Invocation) => Promise<void>): Promise<void> {
  await runAction(action)
}

function circle(): object {
  const self: { self?: object } = {}
  self.self = self
  return self
}

function circularCause(): Error {
  const error = new Error('round')
  error.cause = error
  return error
}

const fails = (): never => {
  throw new Error('inner')
}
const THROWS = { get: fails }
const REFUSES: ProxyHandler<object> = { get: fails, has: fails, ownKeys: fails, getPrototypeOf: fails }

describe('what is thrown is one error annotation', () => {
  test.each<[string, unknown, string]>([
    ['an error', new Error('oops'), '::error::oops\n'],
    ['an error with a hint', new ConfigurationError('wrong', { hint: 'Do this.' }), '::error::wrong Do this.\n'],
    ['a text', 'oops', '::error::oops\n'],
    ['nothing', undefined, '::error::undefined\n'],
  ])('%s', async (_name, thrown, expected) => {
    await run(async () => {
      throw thrown
    })
    expect(stdout).toBe(expected)
    expect(process.exitCode).toBe(1)
  })

  test.each<[string, () => unknown, RegExp]>([
    ['null', () => null, /null/],
    ['a symbol', () => Symbol('odd'), /odd/],
    ['a bigint', () => 42n, /42/],
    ['an object', () => ({ code: 42 }), /42/],
    ['an object without a prototype', () => Object.create(null), /./],
    ['an object in a circle', circle, /./],
    ['an error whose cause is a circle', circularCause, /round/],
    [
      'an error whose message is a getter that throws',
      () => Object.defineProperty(new Error('x'), 'message', THROWS),
      /./,
    ],
    ['an error with commands in it', () => new Error('a\n::add-path::/tmp/evil\r##[add-path]/tmp'), /^::error::a%0A/],
    ['an error with an empty message', () => new TypeError(''), /TypeError/],
    ['several errors', () => new AggregateError([new Error('one'), new Error('two')]), /one.*two/s],
    ['what refuses everything', () => new Proxy({}, REFUSES), /./],
  ])('%s, uncaught', async (_name, make, words) => {
    await run(async () => handlers.get('uncaughtException')?.(make()))
    expect(stdout).toMatch(words)
    // One line, with a text that tells no stack.
    expect(stdout).toMatch(/^::error::.+\n$/)
    expect(stdout).not.toMatch(/%0A\s+at /)
    expect(process.exitCode).toBe(1)
  })

  test('only once, also when more is thrown outside of it', async () => {
    await run(async () => {
      handlers.get('unhandledRejection')?.(new Error('first'))
      throw new Error('second')
    })
    expect(stdout).toBe('::error::first\n')
  })

  test('with all causes in the debug log', async () => {
    process.env['RUNNER_DEBUG'] = '1'
    await run(async () => {
      throw new Error('outer', { cause: new TypeError('inner') })
    })
    delete process.env['RUNNER_DEBUG']
    expect(stdout).toMatch(/::debug::Error: outer[\s\S]*::debug::TypeError: inner[\s\S]*::error::outer/)
  })
})

test('an action that neither ends nor fails is an error', async () => {
  void run(() => new Promise(() => undefined))
  await systemClock.sleep(20)
  handlers.get('exit')?.()
  expect(stdout).toContain('::error::The action ended before its work was done.')
})

describe('a signal of the runner', () => {
  test.each([
    ['SIGINT', 7_000],
    ['SIGTERM', 2_000],
    ['SIGBREAK', 2_000],
  ])('%s shortens the deadlines that are bound, before it and after', async (signal, leftMs) => {
    let remaining: number[] = []
    await run(async ({ bindToShutdown, isShuttingDown }) => {
      const before = bindToShutdown(new Deadline(systemClock, 60_000))
      const halved = bindToShutdown(new Deadline(systemClock, 60_000), 0.5)
      expect(isShuttingDown()).toBe(false)
      handlers.get(signal)?.()
      expect(isShuttingDown()).toBe(true)
      const after = bindToShutdown(new Deadline(systemClock, 60_000))
      remaining = [before, halved, after].map((deadline) => deadline.remaining())
    })
    for (const [index, share] of [1, 0.5, 1].entries()) {
      expect(remaining[index]).toBeLessThanOrEqual(leftMs * share)
      expect(remaining[index]).toBeGreaterThan(leftMs * share - 1_000)
    }
    expect(stdout).toContain(`Received ${signal}: ending within ${leftMs / 1000} s.`)
  })

  test('a second one never gives more time', async () => {
    await run(async ({ bindToShutdown }) => {
      const deadline = bindToShutdown(new Deadline(systemClock, 60_000))
      handlers.get('SIGTERM')?.()
      handlers.get('SIGINT')?.()
      expect(deadline.remaining()).toBeLessThanOrEqual(2_000)
    })
    expect(process.exitCode).toBeUndefined()
  })
})
