import { describe, expect, test } from '@jest/globals'
import type { CommandEnd } from '../../../src/task-runner/command.ts'
import { endOf, falseEnd, isNo, type OwnEnd } from '../../../src/task-runner/task-end.ts'

const exited = (exitCode: number) => ({ kind: 'exited', exitCode }) as const

describe('the end of a command', () => {
  test('that succeeds', () => {
    expect(endOf(exited(0))).toEqual({ status: 'FINISHED', exitCode: 0 })
  })

  test.each([
    [1, '1.'],
    [126, '126.'],
    [127, '127.'],
    [128, '128.'],
    [129, '129 (128 and the number of SIGHUP).'],
    [137, '137 (128 and the number of SIGKILL).'],
    [143, '143 (128 and the number of SIGTERM).'],
    [192, '192 (128 and the number of signal 64).'],
    [193, '193.'],
    [255, '255.'],
    // Windows: the value of a process that is ended by Ctrl+C.
    [3221225786, '3221225786.'],
  ])('with exit code %d', (exitCode, end) => {
    expect(endOf(exited(exitCode))).toEqual({
      status: 'FAILED',
      errorId: 'TaskRunner:ExitCode',
      message: `The command ended with exit code ${end}`,
      exitCode,
    })
  })

  test.each<[string, OwnEnd, object]>([
    [
      'by a signal',
      { kind: 'signal', signal: 'SIGSEGV' },
      { errorId: 'TaskRunner:Signal', message: 'The command was ended by the signal SIGSEGV.' },
    ],
    [
      'that was not started',
      { kind: 'not-started', error: new Error('spawn bash\nENOENT') },
      {
        errorId: 'TaskRunner:CouldNotStart',
        message: expect.stringMatching(/^The .* started: spawn bash\s+ENOENT\.$/),
      },
    ],
  ])('%s has no exit code', (_name, end, expected) => {
    expect(endOf(end)).toEqual({ status: 'FAILED', exitCode: undefined, ...expected })
  })
})

test.each<[CommandEnd, boolean]>([
  [exited(0), false],
  [exited(1), true],
  [exited(125), true],
  [exited(126), false],
  [exited(127), false],
  [exited(128), true],
  [exited(129), false],
  [exited(143), false],
  [exited(192), false],
  [exited(193), true],
  [exited(255), true],
  [{ kind: 'signal', signal: 'SIGTERM' }, false],
  [{ kind: 'not-started', error: new Error('ENOENT') }, false],
  [{ kind: 'stopped' }, false],
])('of a precondition, %j says that it does not hold: %s', (end, expected) => {
  expect(isNo(end)).toBe(expected)
})

test.each([
  [3, 1, 3_600_000, 'within 60 minutes. It was tried once. The last exit code is 3.'],
  [1, 7, 90_000, 'within 1.5 minutes. It was tried 7 times. The last exit code is 1.'],
])('a precondition that did not hold with exit code %d, %d times', (exitCode, attempts, timeoutMs, end) => {
  expect(falseEnd(exitCode, attempts, timeoutMs)).toEqual({
    status: 'FALSE',
    errorId: 'TaskRunner:ExitCode',
    message: `The precondition did not hold ${end}`,
    exitCode,
  })
})
