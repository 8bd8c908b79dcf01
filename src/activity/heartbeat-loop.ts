import { classify } from '../aws/classify.ts'
import { AttemptTimeoutError, isTaskGone, rejectsCredentials } from '../aws/errors.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Clock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'
import { backOff } from '../util/retry.ts'
import type { EndReason, HeartbeatState } from './heartbeat-state.ts'
import type { RunnerSight } from './runner-watch.ts'

export interface HeartbeatOptions {
  readonly pid: number
  readonly intervalMs: number
  /** Whether the first one is sent at once, as it is not known whether the task was acknowledged. Default false. */
  readonly beatsAtOnce?: boolean
  /** Milliseconds that one heartbeat may take. */
  readonly beatTimeoutMs: number
  readonly lifetimeMs: number
}

export interface HeartbeatDependencies {
  readonly clock: Clock
  readonly random: () => number
  /** One ReportTaskProgress. */
  readonly beat: (signal: AbortSignal) => Promise<{ canceled: boolean }>
  /** Reads the source of the credentials again. Gives whether they differ from those of the last heartbeat. */
  readonly renewCredentials: () => Promise<boolean>
  /** Called when the service has canceled the task, before the heartbeats end. */
  readonly onCanceled: () => Promise<void>
  /** Whether every activity that holds the task is over. */
  readonly areActivitiesOver: () => boolean
  /** Whether a report is under way. */
  readonly isBusy: () => boolean
  /** Whether the end of the task was reported. */
  readonly isReported: () => boolean
  /** Whether GitHub says that the job is over. */
  readonly isJobOver: () => boolean
  readonly lookAtRunner: () => RunnerSight
  /** Sleeps `ms` milliseconds, or until `wake` is called. */
  readonly sleep: (ms: number) => Promise<void>
  readonly wake: () => void
  readonly save: (state: HeartbeatState) => void
  readonly log: (text: string) => void
}

/** Often, as a hosted machine is gone soon after its runner. */
const LOOK_EVERY_MS = 1_000

/** What reasons to end are found by, while heartbeats are sent and after that. */
type Reasons = Pick<HeartbeatDependencies, 'isBusy' | 'isJobOver' | 'areActivitiesOver' | 'lookAtRunner'>

/**
 * Sends heartbeats until there is a reason to end: the activities are over, the task was reported, the service canceled it
 * or does not know it, the runner or the job is gone, or the lifetime is over. A heartbeat that fails is sent again before
 * the next one is due. The task may still be held, however often it fails.
 */
export async function keepBeating(options: HeartbeatOptions, dependencies: HeartbeatDependencies): Promise<EndReason> {
  const { clock, random, log } = dependencies
  const startedAt = clock.now()
  // The main step has just sent one.
  let arrivedAt = startedAt
  let dueAt = startedAt + (options.beatsAtOnce === true ? 0 : jittered(options.intervalMs, random))
  let failuresInARow = 0
  /** Once in a row: a service that rejects all credentials must not be called without a wait. */
  let retriedAtOnce = false
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
      // A full disk is no reason to give up the task.
      log(`Could not save the state: ${errorMessage(error)}`)
    }
  }
  let end: EndReason | undefined

  async function beat(abort: AbortController): Promise<void> {
    try {
      const { canceled } = await new Deadline(clock, options.beatTimeoutMs).within(
        options.beatTimeoutMs,
        (late) => dependencies.beat(AbortSignal.any([late, abort.signal])),
        (ms) => new AttemptTimeoutError(`no response within ${formatSeconds(ms)}`),
      )
      if (abort.signal.aborted) return
      if (failuresInARow > 0) log(`A heartbeat succeeded after ${failuresInARow} failed.`)
      failuresInARow = 0
      retriedAtOnce = false
      save({ beats: state.beats + 1 })
      arrivedAt = clock.now()
      dueAt = arrivedAt + jittered(options.intervalMs, random)
      if (!canceled) return
      log('AWS Data Pipeline canceled the task.')
      // Before the run is canceled: its post step has to know.
      save({ canceled: true })
      await dependencies.onCanceled()
      end = 'canceled'
    } catch (error) {
      if (end !== undefined) return
      const failure = classify(error)
      failuresInARow += 1
      log(`A heartbeat failed: ${failure.message}`)
      save({ failures: state.failures + 1, message: failure.message })
      if (isTaskGone(failure)) {
        end = 'task-gone'
        return
      }
      const renewed = rejectsCredentials(failure) && (await dependencies.renewCredentials().catch(() => false))
      const atOnce = renewed && !retriedAtOnce
      retriedAtOnce ||= atOnce
      const wait = atOnce ? 0 : backOff(failuresInARow, random, failure.kind === 'throttled')
      dueAt = clock.now() + Math.min(options.intervalMs, wait)
    }
  }

  save({})
  while (end === undefined) {
    const now = clock.now()
    if (dependencies.isReported()) end = 'reported'
    else end = reasonToEnd(now - startedAt, options.lifetimeMs, dependencies)
    if (end === 'activities-over' && state.canceled) end = 'canceled'
    if (end !== undefined) break
    if (beating === undefined && now >= dueAt) {
      const abort = new AbortController()
      beating = abort
      void beat(abort).finally(() => {
        beating = undefined
        dependencies.wake()
      })
    }
    const untilDue = beating === undefined ? dueAt - clock.now() : LOOK_EVERY_MS
    await dependencies.sleep(Math.min(LOOK_EVERY_MS, Math.max(1, untilDue)))
  }
  beating?.abort()
  save({ ended: end })
  return end
}

/**
 * Waits without heartbeats, so that later steps learn that the task was reported or canceled.
 *
 * @returns why the wait ended
 */
export async function remember(
  lifetimeMs: number,
  { clock, sleep, ...ends }: Reasons & Pick<HeartbeatDependencies, 'clock' | 'sleep'>,
): Promise<EndReason> {
  const startedAt = clock.now()
  for (;;) {
    const end = reasonToEnd(clock.now() - startedAt, lifetimeMs, ends)
    if (end !== undefined) return end
    await sleep(LOOK_EVERY_MS)
  }
}

function reasonToEnd(
  ageMs: number,
  lifetimeMs: number,
  { isBusy, isJobOver, areActivitiesOver, lookAtRunner }: Reasons,
): EndReason | undefined {
  if (areActivitiesOver()) return 'activities-over'
  if (ageMs >= lifetimeMs && !isBusy()) return 'lifetime-over'
  const sight = lookAtRunner()
  if (sight === 'lost') return 'runner-lost'
  if (sight === 'gone') return 'runner-gone'
  return isJobOver() ? 'job-over' : undefined
}

/** Up to a tenth sooner, so that jobs that start together spread out, and none is late. */
function jittered(intervalMs: number, random: () => number): number {
  return intervalMs * (1 - random() / 10)
}
