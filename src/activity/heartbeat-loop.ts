import { classify, isTaskGone, rejectsCredentials, TryTimeoutError } from '../aws/failure.ts'
import { type Clock, Deadline } from '../clock.ts'
import { messageOf } from '../errors.ts'
import { backOff } from '../retry.ts'
import type { EndReason, HeartbeatState } from './heartbeat-state.ts'

export interface HeartbeatOptions {
  readonly pid: number
  readonly intervalMs: number
  /** How long a single beat may take. */
  readonly beatLimitMs: number
  readonly lifetimeMs: number
}

export interface HeartbeatDependencies {
  readonly clock: Clock
  readonly random: () => number
  /** One ReportTaskProgress. */
  readonly beat: (signal: AbortSignal) => Promise<{ canceled: boolean }>
  /** Reads the source of the credentials again. Whether they differ from those of the last beat. */
  readonly renewCredentials: () => Promise<boolean>
  /** What is done when the service has cancelled the task, before the heartbeats end. */
  readonly onCanceled: () => Promise<void>
  readonly isStopAsked: () => boolean
  /** Whether a signal wants the process to end. */
  readonly isTerminated: () => boolean
  readonly isRunnerGone: () => boolean
  readonly save: (state: HeartbeatState) => void
  readonly log: (text: string) => void
}

/** How often it is looked whether to stop: a stop is seen at once, and costs nearly nothing. */
const LOOK_EVERY_MS = 250
const LOOK_FOR_RUNNER_EVERY_MS = 5_000

/**
 * Sends beats until there is a reason to end: it is asked to, the service cancelled the task or does not know it, the
 * runner is gone, or the lifetime is over. A beat that fails is tried again, sooner than the next one is due; however
 * often it fails, the task may still be held.
 */
export async function keepBeating(options: HeartbeatOptions, dependencies: HeartbeatDependencies): Promise<EndReason> {
  const { clock, random, log } = dependencies
  const startedAt = clock.now()
  // The step that started this has just sent one.
  let arrivedAt = startedAt
  let dueAt = startedAt + jittered(options.intervalMs, random)
  let lookForRunnerAt = startedAt
  let failuresInARow = 0
  /** Only once in a row: a service that rejects all credentials must not be asked without a wait. */
  let triedRenewedAtOnce = false
  let beating: AbortController | undefined
  let state: HeartbeatState = {
    pid: options.pid,
    beats: 0,
    failures: 0,
    longestGapMs: 0,
    canceled: false,
    ended: undefined,
    message: undefined,
  }
  const save = (changes: Partial<HeartbeatState>): void => {
    const longestGapMs = Math.max(state.longestGapMs, Math.floor(clock.now() - arrivedAt))
    state = { ...state, longestGapMs, ...changes }
    try {
      dependencies.save(state)
    } catch (error) {
      // A full disk is no reason to let the task go.
      log(`The state could not be written: ${messageOf(error)}`)
    }
  }
  let end: EndReason | undefined

  async function beat(abort: AbortController): Promise<void> {
    try {
      const { canceled } = await new Deadline(clock, options.beatLimitMs).within(
        options.beatLimitMs,
        (late) => dependencies.beat(AbortSignal.any([late, abort.signal])),
        (ms) => new TryTimeoutError(`no answer within ${Math.round(ms / 1000)} s`),
      )
      if (abort.signal.aborted) return
      if (failuresInARow > 0) log(`Arrived again after ${failuresInARow} failed.`)
      failuresInARow = 0
      triedRenewedAtOnce = false
      save({ beats: state.beats + 1 })
      arrivedAt = clock.now()
      dueAt = arrivedAt + jittered(options.intervalMs, random)
      if (!canceled) return
      log('The service has cancelled the task.')
      // At once: cancelling the run makes the post step come, and it must know before it asks to stop.
      save({ canceled: true })
      await dependencies.onCanceled()
      end = 'canceled'
    } catch (error) {
      if (end !== undefined) return
      const failure = classify(error)
      failuresInARow += 1
      log(`A beat failed: ${failure.message}`)
      save({ failures: state.failures + 1, message: failure.message })
      if (isTaskGone(failure)) {
        end = 'task-gone'
        return
      }
      const renewed = rejectsCredentials(failure) && (await dependencies.renewCredentials().catch(() => false))
      const atOnce = renewed && !triedRenewedAtOnce
      triedRenewedAtOnce ||= atOnce
      const wait = atOnce ? 0 : backOff(failuresInARow, random, failure.kind === 'throttled')
      dueAt = clock.now() + Math.min(options.intervalMs, wait)
    }
  }

  save({})
  while (end === undefined) {
    const now = clock.now()
    if (dependencies.isStopAsked()) end = state.canceled ? 'canceled' : 'asked'
    else if (dependencies.isTerminated()) end = 'terminated'
    else if (now - startedAt >= options.lifetimeMs) end = 'lifetime-over'
    else if (now >= lookForRunnerAt) {
      lookForRunnerAt = now + LOOK_FOR_RUNNER_EVERY_MS
      if (dependencies.isRunnerGone()) end = 'runner-gone'
    }
    if (end !== undefined) break
    if (beating === undefined && now >= dueAt) {
      const abort = new AbortController()
      beating = abort
      void beat(abort).finally(() => {
        beating = undefined
      })
    }
    await clock.sleep(Math.min(LOOK_EVERY_MS, Math.max(1, beating === undefined ? dueAt - clock.now() : LOOK_EVERY_MS)))
  }
  beating?.abort()
  log(`Ending: ${end}.`)
  save({ ended: end })
  return end
}

/** Up to a tenth sooner, so that jobs which began together spread out, and nobody is late. */
function jittered(intervalMs: number, random: () => number): number {
  return intervalMs * (1 - random() / 10)
}
