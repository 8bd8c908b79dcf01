import { renewBetweenBeats } from '../activity/credential-renewal.ts'
import { keepBeating } from '../activity/heartbeat-loop.ts'
import type { DataPipeline } from '../aws/data-pipeline.ts'
import type { Log } from '../github/log.ts'
import { systemClock, wakeableSleep } from '../util/clock.ts'

const BEAT_TIMEOUT_MS = 15_000
/** A process that gives no credentials, or a metadata service that hangs, must not stop the heartbeats. */
const RENEWAL_TIMEOUT_MS = 30_000

/** Why a task is not this step's any more. */
export type TaskLoss = 'canceled' | 'gone'

/** A task that is held by heartbeats. */
export interface HeldTask {
  /** Aborted when the task is lost. */
  readonly lost: AbortSignal
  /** Undefined while the task is held. */
  readonly loss: TaskLoss | undefined
  /** Ends the heartbeats. Waits for nothing that is under way. */
  release(): void
}

/**
 * Sends heartbeats for a task that was just acknowledged, until it is released or lost.
 *
 * @param beatsAtOnce whether its acknowledgement got no response
 */
export function holdTask(
  taskId: string,
  intervalMs: number,
  dataPipeline: DataPipeline,
  log: Log,
  beatsAtOnce = false,
): HeldTask {
  const { sleep, wake } = wakeableSleep(systemClock)
  const lost = new AbortController()
  let loss: TaskLoss | undefined
  let isReleased = false
  const line = (text: string): void => log.info(text)
  const beating = keepBeating(
    { pid: process.pid, intervalMs, beatsAtOnce, beatTimeoutMs: BEAT_TIMEOUT_MS, lifetimeMs: Number.POSITIVE_INFINITY },
    {
      clock: systemClock,
      random: Math.random,
      beat: (signal) => dataPipeline.reportTaskProgress(taskId, { signal }),
      renewCredentials: () =>
        renewBetweenBeats(() => dataPipeline.renewCredentials(), {
          clock: systemClock,
          timeoutMs: RENEWAL_TIMEOUT_MS,
          log: line,
        }),
      onCanceled: async () => undefined,
      areActivitiesOver: () => isReleased,
      isBusy: () => false,
      isReported: () => false,
      isJobOver: () => false,
      lookAtRunner: () => 'there',
      sleep,
      wake,
      save: () => undefined,
      log: line,
    },
  )
  void beating.then((end) => {
    if (isReleased || (end !== 'canceled' && end !== 'task-gone')) return
    loss = end === 'canceled' ? 'canceled' : 'gone'
    lost.abort()
  })
  return {
    lost: lost.signal,
    get loss() {
      return loss
    },
    release() {
      isReleased = true
      wake()
    },
  }
}
