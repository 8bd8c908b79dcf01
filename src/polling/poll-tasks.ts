import { CallError, callWithRetry } from '../aws/call-with-retry.ts'
import type { DataPipeline, Task } from '../aws/client.ts'
import { type Failure, isTaskGone } from '../aws/errors.ts'
import type { Log } from '../github/log.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Clock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { valuesToMask } from './encrypted-fields.ts'
import { MAX_OUTPUT_CHARACTERS, sizeOfOutputs, sizeOfTask, type TaskSize } from './task-outputs.ts'

/** "The service waits for up to 90 seconds" (API reference, PollForTask), and an answer takes a while. */
const POLL_LIMIT_MS = 110_000

/** A poll that breaks sooner has failed, and is made again with waits; one that breaks later was held, and cut off. */
const HELD_MS = 5_000

/** A task has to be acknowledged within two minutes, or it is given to another poll (API reference, ReportTaskProgress). */
const ACKNOWLEDGE_LIMIT_MS = 100_000

const HEARTBEAT_EVERY_MS = 15 * 60_000

/** Safe under all that the documentation says of how often ReportTaskProgress is due. */
const BEAT_EVERY_MS = 60_000

const MIN_PAUSE_MS = 1_000

/** 2 calls of PollForTask a second are allowed for an account (Developer Guide, dp-limits). */
const POLLS_PER_SECOND = 2

/** What to take tasks for. */
export interface PollRequest {
  readonly workerGroup: string
  readonly hostname: string | undefined
  /** 1 to 256 */
  readonly maxTasks: number
  /** How long to go on asking while there is none; 0 asks once. */
  readonly waitMs: number
  /** How many jobs poll at the same time: their first calls are spread. */
  readonly pollers: number
  /** Undefined: no heartbeat of a task runner is sent. */
  readonly taskrunnerId: string | undefined
}

export interface PollDependencies {
  readonly dataPipeline: DataPipeline
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  /** Keeps texts out of all that is said from now on, by this step and by later ones of the job. */
  readonly mask: (texts: readonly string[]) => void
  /** For calls other than the poll itself, and for a poll that fails: the total of all tries. */
  readonly budgetMs: number
  readonly attemptTimeoutMs: number
  /** Gives the deadline back, which is made shorter when the runner wants the step to end. */
  readonly bindToShutdown: (deadline: Deadline) => Deadline
  /** Whether the runner wants the step to end: no task is taken then that nobody would go on with. */
  readonly isShuttingDown: () => boolean
}

/** What polling came to. */
export interface PolledTasks {
  readonly tasks: readonly Task[]
  /** Why polling ended before it was due; undefined when it went as it should. */
  readonly failure: PollFailure | undefined
}

/** What ended the taking: a poll, or the acknowledgement of a task, which then goes to another poll after two minutes. */
export interface PollFailure {
  readonly operation: 'PollForTask' | 'ReportTaskProgress'
  readonly error: CallError
}

/**
 * Takes tasks from a worker group, one call after the other, and acknowledges each at once. Tasks that were taken are
 * never lost: what goes wrong later only ends the taking.
 */
export async function pollTasks(request: PollRequest, dependencies: PollDependencies): Promise<PolledTasks> {
  const { clock, random, log, mask, isShuttingDown } = dependencies
  const waiting = dependencies.bindToShutdown(new Deadline(clock, request.waitMs))
  const heartbeat = taskRunnerHeartbeat(request, dependencies)
  const held: HeldTask[] = []
  const taken = (failure?: PollFailure): PolledTasks => ({ tasks: held.map(({ task }) => task), failure })
  const sizes = (): TaskSize[] => held.map(({ size }) => size)
  const onCut = warnOnce(log)
  let largest = 0

  // Jobs that start together would all poll at once.
  if (request.pollers > 1) await waiting.sleep(((random() * request.pollers) / POLLS_PER_SECOND) * 1000)
  for (;;) {
    await keepAlive(held, dependencies)
    if (isShuttingDown() || (await heartbeat())) return taken()
    const asked = clock.now()
    let task: Task | undefined
    try {
      task = await poll(request, dependencies, onCut)
    } catch (error) {
      if (error instanceof CallError) return taken({ operation: 'PollForTask', error })
      throw error
    }
    if (task === undefined) {
      if (held.length > 0 || waiting.remaining() <= 0) break
      // The service holds a poll for long; one that answers at once must not be asked all the time.
      await waiting.sleep(Math.max(0, asked + MIN_PAUSE_MS * (1 + random()) - clock.now()))
      continue
    }
    // Before anything is said that may have them in it.
    mask(valuesToMask(task))
    if (isShuttingDown()) {
      log.info('A task came while the step was being stopped. It is not acknowledged, and goes to another poll.')
      return taken()
    }
    // The first one is handed on in any case, so its size has time until it is acknowledged.
    let size = held.length > 0 ? sizeOfTask(task) : undefined
    if (size !== undefined && sizeOfOutputs([...sizes(), size]) > MAX_OUTPUT_CHARACTERS) {
      log.warning(
        'The outputs of a job may have 1 MB, and the last task does not fit. It was not acknowledged: after two minutes it goes to another poll.',
      )
      break
    }
    const acknowledged = await acknowledge(task, dependencies)
    // The next task could not be acknowledged, either, and would be kept from others.
    if (acknowledged instanceof CallError) return taken({ operation: 'ReportTaskProgress', error: acknowledged })
    const beatAt = clock.now()
    size ??= sizeOfTask(task)
    largest = Math.max(largest, size.inArrays)
    if (acknowledged) held.push({ task, size, beatAt })
    if (held.length >= request.maxTasks) break
    if (sizeOfOutputs(sizes()) + largest > MAX_OUTPUT_CHARACTERS) {
      log.warning(`No more tasks are taken after ${held.length}: the outputs of a job may have 1 MB.`)
      break
    }
  }
  await keepAlive(held, dependencies)
  return taken()
}

/**
 * One PollForTask; passing faults are tried again. One that the service held and that was then cut off counts as none
 * yet: with a proxy that ends idle connections, every poll ends so.
 *
 * @param onCut told of a poll that was cut off after so many milliseconds
 */
async function poll(
  request: PollRequest,
  { dataPipeline, clock, random, log, budgetMs, bindToShutdown, isShuttingDown }: PollDependencies,
  onCut: (error: CallError, heldMs: number) => void,
): Promise<Task | undefined> {
  const { workerGroup, hostname } = request
  let sentAt = clock.now()
  let cutAfterMs: number | undefined
  try {
    const { response } = await callWithRetry(
      ({ signal, onSend }) => {
        const onPollSent = (): void => {
          sentAt = clock.now()
          onSend?.()
        }
        return dataPipeline.pollForTask({ workerGroup, ...(hostname && { hostname }) }, { signal, onSend: onPollSent })
      },
      {
        dataPipeline,
        // Tries that fail quickly have the budget; the one that is held has the time that the service may hold it.
        deadline: bindToShutdown(new Deadline(clock, budgetMs + POLL_LIMIT_MS, 'timeout-seconds')),
        attemptTimeoutMs: POLL_LIMIT_MS,
        lastAttemptMs: POLL_LIMIT_MS,
        random,
        log,
      },
      (failure, sent) => {
        if (isShuttingDown()) return 'fail'
        const heldMs = clock.now() - sentAt
        if (sent && heldMs >= HELD_MS && isCut(failure)) {
          cutAfterMs = heldMs
          return 'fail'
        }
        // The service may have answered that poll with a task, which comes back after two minutes.
        return failure.kind === 'timeout' && failure.outcomeUnknown && sent ? 'fail' : undefined
      },
    )
    return response
  } catch (error) {
    if (cutAfterMs === undefined || !(error instanceof CallError)) throw error
    onCut(error, cutAfterMs)
    return undefined
  }
}

/** Whether something on the way ended a call: it broke the connection, or answered in the place of the service. */
function isCut({ kind, transient, outcomeUnknown }: Failure): boolean {
  return kind !== 'timeout' && (outcomeUnknown || (kind === 'invalid-response' && transient))
}

function warnOnce(log: Log): (error: CallError, heldMs: number) => void {
  let warned = false
  return ({ failure }, heldMs) => {
    if (warned) return
    warned = true
    log.warning(
      `A poll was cut off after ${Math.round(heldMs / 1000)} s, while the service held it: ${failure.message}. It counts as ` +
        'no task yet. Where it was given a task, that one comes back after two minutes. If polls are cut off ' +
        'again and again, let the proxy or firewall on the way keep an idle connection for more than 90 s.',
    )
  }
}

/** A task that was acknowledged, and when the service last heard of it. */
interface HeldTask {
  readonly task: Task
  readonly size: TaskSize
  readonly beatAt: number
}

/**
 * Reports progress for tasks that wait long for others to be taken; those cancelled or gone meanwhile are let go. All of
 * them have the time that one has: in an outage, they have to be handed on before the job is over.
 */
async function keepAlive(held: HeldTask[], dependencies: PollDependencies): Promise<void> {
  const { clock, log } = dependencies
  const deadline = acknowledgeDeadline(dependencies)
  for (const each of [...held]) {
    if (clock.now() - each.beatAt < BEAT_EVERY_MS) continue
    const progress = await report(each.task, deadline, dependencies)
    const index = held.indexOf(each)
    if (progress === 'held') held[index] = { ...each, beatAt: clock.now() }
    else if (progress === 'canceled' || isTaskGone(progress.failure)) held.splice(index, 1)
    else {
      // They were acknowledged, so nobody else gets them soon: who goes on with them finds out whether they are still there.
      log.warning(`Tasks are handed on though their progress could not be reported: ${progress.message}`)
      return
    }
  }
}

function acknowledgeDeadline({ clock, bindToShutdown }: PollDependencies): Deadline {
  return bindToShutdown(new Deadline(clock, ACKNOWLEDGE_LIMIT_MS))
}

/** Acknowledges a task. Whether it is ours to hand on, or why no task can be acknowledged. */
async function acknowledge(task: Task, dependencies: PollDependencies): Promise<boolean | CallError> {
  const { log } = dependencies
  const progress = await report(task, acknowledgeDeadline(dependencies), dependencies)
  if (progress === 'held') return true
  if (progress === 'canceled') {
    log.info('A task was cancelled before it was handed on; it is left out.')
    return false
  }
  if (progress.outcomeUnknown) {
    log.warning(`A task is handed on though its acknowledgement had no answer: ${progress.message}`)
    return true
  }
  if (!isTaskGone(progress.failure)) return progress
  log.warning(`A task could not be acknowledged, as it is gone, and is not handed on: ${progress.message}`)
  return false
}

/** One ReportTaskProgress, tried until it is nearly too late. */
async function report(
  task: Task,
  deadline: Deadline,
  { dataPipeline, random, log, attemptTimeoutMs }: PollDependencies,
): Promise<'held' | 'canceled' | CallError> {
  try {
    const { response } = await callWithRetry((call) => dataPipeline.reportTaskProgress(task.taskId, call), {
      dataPipeline,
      deadline,
      attemptTimeoutMs,
      random,
      log,
    })
    return response.canceled ? 'canceled' : 'held'
  } catch (error) {
    if (error instanceof CallError) return error
    throw error
  }
}

/** A function that sends the heartbeat of the task runner when it is due, and gives whether the service wants it to end. */
function taskRunnerHeartbeat(request: PollRequest, dependencies: PollDependencies): () => Promise<boolean> {
  const { dataPipeline, clock, random, log, attemptTimeoutMs, bindToShutdown } = dependencies
  const { taskrunnerId, workerGroup, hostname } = request
  let dueAt = clock.now()
  return async () => {
    if (taskrunnerId === undefined || clock.now() < dueAt) return false
    dueAt = clock.now() + HEARTBEAT_EVERY_MS
    try {
      const { response } = await callWithRetry(
        (call) =>
          dataPipeline.reportTaskRunnerHeartbeat({ taskrunnerId, workerGroup, ...(hostname && { hostname }) }, call),
        {
          dataPipeline,
          deadline: bindToShutdown(new Deadline(clock, attemptTimeoutMs)),
          attemptTimeoutMs,
          random,
          log,
        },
      )
      if (response.terminate) log.warning('Data Pipeline asks this task runner to end: no more tasks are taken.')
      return response.terminate
    } catch (error) {
      log.warning(`The heartbeat of the task runner failed: ${errorMessage(error)}`)
      return false
    }
  }
}
