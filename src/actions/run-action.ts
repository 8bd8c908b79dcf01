import { prepareAwsEnvironment } from '../aws/prepare-environment.ts'
import type { Invocation } from '../github/invocation.ts'
import { ANNOTATION_CHARACTERS, currentRunner } from '../github/runner.ts'
import { errorMessage, errorMessageWithHint } from '../masking/error-message.ts'
import { systemClock } from '../util/clock.ts'
import type { Deadline } from '../util/deadline.ts'
import { endProcess } from '../util/end-process.ts'
import { causesOf } from '../util/errors.ts'
import { formatSeconds } from '../util/format.ts'

/**
 * The runner sends SIGINT, after 7.5 s SIGTERM, and kills 2.5 s later. All work has to end before that. On Windows, these are Ctrl+C
 * and Ctrl+Break (actions/runner, ProcessInvoker.cs), which Node names SIGINT and SIGBREAK.
 */
const LEFT_AFTER_SIGNAL_MS = { SIGINT: 7_000, SIGTERM: 2_000, SIGBREAK: 2_000 } as const

/** A process that is no step may have to send the last messages to steps. */
const END_AFTER_MS = 250

/** Options for a process that is no step. */
export interface RunOptions {
  /** The signals of the runner, and the milliseconds that are left after each. */
  readonly signals?: Readonly<Record<string, number>>
  /** Who reads the standard output. Default: the runner. */
  readonly reader?: 'runner' | 'file'
}

/**
 * Runs an action as the main program of a step. Anything that is thrown, Error or not, now or later, becomes one error annotation
 * and exit code 1.
 */
export async function runAction(
  action: (invocation: Invocation) => Promise<void>,
  { signals = LEFT_AFTER_SIGNAL_MS, reader = 'runner' }: RunOptions = {},
): Promise<void> {
  const environment = { ...process.env }
  prepareAwsEnvironment(process.env)
  const runner = currentRunner(reader)
  let failed = false
  const fail = (thrown: unknown): void => {
    if (failed) return
    failed = true
    try {
      for (const cause of causesOf(thrown)) {
        runner.log.debug(cause instanceof Error ? (cause.stack ?? cause.message) : errorMessage(cause))
      }
      runner.fail(errorMessageWithHint(thrown, ANNOTATION_CHARACTERS))
    } catch {
      // Anything can be thrown, even something that throws when it is read.
      runner.fail('An error occurred that can not be shown.')
    }
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)

  // Only those that are not over: a job may poll for days.
  let deadlines: Array<{ deadline: Deadline; share: number }> = []
  let stopAt = Number.POSITIVE_INFINITY
  const shutdown = new AbortController()
  const shorten = ({ deadline, share }: { deadline: Deadline; share: number }): void =>
    deadline.shorten(Math.max(0, stopAt - systemClock.now()) * share)
  for (const [signal, leftMs] of Object.entries(signals)) {
    process.on(signal, () => {
      runner.log.info(`Received ${signal}: ending within ${formatSeconds(leftMs)}.`)
      stopAt = Math.min(stopAt, systemClock.now() + leftMs)
      deadlines.forEach(shorten)
      shutdown.abort()
    })
  }

  // Work that waits for something that never happens leaves the event loop empty, and Node would end with exit code 0.
  let settled = false
  process.on('exit', () => {
    if (!settled) fail(new Error('The action ended before its work was done.'))
  })

  const isShuttingDown = (): boolean => shutdown.signal.aborted
  const bindToShutdown = (deadline: Deadline, share = 1): Deadline => {
    const limited = { deadline, share }
    deadlines = [...deadlines.filter((each) => each.deadline.remaining() > 0), limited]
    if (isShuttingDown()) shorten(limited)
    return deadline
  }

  try {
    await action({ runner, environment, isShuttingDown, shutdown: shutdown.signal, bindToShutdown })
  } catch (thrown) {
    fail(thrown)
  }
  settled = true
  // Whatever is still open (a credential process, a socket, a read that hangs) must not keep the step from ending. Rejections that
  // nobody handles come first.
  if (reader === 'runner') setImmediate(endProcess)
  else setTimeout(endProcess, END_AFTER_MS).unref()
}
