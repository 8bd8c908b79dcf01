import { constants } from 'node:os'
import { TASK_RUNNER_ERROR_IDS, type TaskRunnerErrorId } from '../domain/error-id.ts'
import { errorMessage } from '../masking/error-message.ts'
import { formatSeconds } from '../util/format.ts'
import type { CommandEnd } from './command.ts'

/** How a task ended. */
export type TaskEnd =
  | { readonly status: 'FINISHED'; readonly exitCode: 0 }
  | {
      readonly status: 'FAILED' | 'FALSE'
      readonly errorId: TaskRunnerErrorId
      /** One sentence. */
      readonly message: string
      /** Undefined when no command has ended by itself. */
      readonly exitCode: number | undefined
    }

/** A command that ended by itself, or could not be started. */
export type OwnEnd = Exclude<CommandEnd, { kind: 'stopped' }>

/** Exit codes of a shell: not executable, and not found (POSIX, "Exit Status for Commands"). */
const NOT_RUN = [126, 127]

/** The signal that an exit code of a shell stands for: 128 and the number of the signal; undefined for others. */
function signalIn(exitCode: number): string | undefined {
  const number = exitCode - 128
  if (number < 1 || number > 64) return undefined
  return Object.entries(constants.signals).find(([, each]) => each === number)?.[0] ?? `signal ${number}`
}

/** Whether the command of a precondition says that it does not hold. What could not be run, or was killed, says nothing. */
export function isNo(end: CommandEnd): boolean {
  if (end.kind !== 'exited' || end.exitCode === 0) return false
  return !NOT_RUN.includes(end.exitCode) && signalIn(end.exitCode) === undefined
}

/** The end of the task of a command. */
export function endOf(end: OwnEnd): TaskEnd {
  switch (end.kind) {
    case 'not-started':
      return failed(
        TASK_RUNNER_ERROR_IDS.couldNotStart,
        `The command could not be started: ${errorMessage(end.error)}.`,
      )
    case 'signal':
      return failed(TASK_RUNNER_ERROR_IDS.signal, `The command was ended by the signal ${end.signal}.`)
    case 'exited': {
      const { exitCode } = end
      if (exitCode === 0) return { status: 'FINISHED', exitCode }
      const signal = signalIn(exitCode)
      const meaning = signal === undefined ? '' : ` (128 and the number of ${signal})`
      return {
        ...failed(TASK_RUNNER_ERROR_IDS.exitCode, `The command ended with exit code ${exitCode}${meaning}.`),
        exitCode,
      }
    }
  }
}

/** The end of a precondition that did not hold in its time. */
export function falseEnd(exitCode: number, attempts: number, timeoutMs: number): TaskEnd {
  const times = attempts === 1 ? 'once' : `${attempts} times`
  const time = timeoutMs < 60_000 ? formatSeconds(timeoutMs) : minutesOf(timeoutMs)
  return {
    status: 'FALSE',
    errorId: TASK_RUNNER_ERROR_IDS.exitCode,
    message: `The precondition did not hold within ${time}. It was tried ${times}. The last exit code is ${exitCode}.`,
    exitCode,
  }
}

function minutesOf(ms: number): string {
  const minutes = Number((ms / 60_000).toFixed(1))
  return minutes === 1 ? '1 minute' : `${minutes} minutes`
}

/** A task that failed for another reason than its command. */
export function failed(errorId: TaskRunnerErrorId, message: string): Extract<TaskEnd, { status: 'FAILED' | 'FALSE' }> {
  return { status: 'FAILED', errorId, message, exitCode: undefined }
}

/** A task that an earlier job has taken, and whose acknowledgement failed. */
export const NOT_ACKNOWLEDGED: TaskEnd = failed(
  TASK_RUNNER_ERROR_IDS.couldNotStart,
  'The job of the task could not acknowledge it, so its command was not run.',
)

/** What GitHub tells a step is the same for both. */
export const CANCELLED_END: TaskEnd = failed(
  TASK_RUNNER_ERROR_IDS.jobCancelled,
  'The job was cancelled, or its step ran out of time, before the task ended.',
)
