import { CallError, type Caller, callWithRetry } from '../aws/call-with-retry.ts'
import type { Task } from '../aws/data-pipeline.ts'
import { type Failure, isTaskGone } from '../aws/errors.ts'
import type { Invocation } from '../github/invocation.ts'
import type { Log } from '../github/log.ts'
import { errorMessage } from '../masking/error-message.ts'
import type { Clock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { formatSeconds } from '../util/format.ts'
import { valuesToMask } from './encrypted-fields.ts'
import { MAX_OUTPUT_CHARACTERS, sizeOfOutputs, sizeOfTask, type TaskSize } from './task-outputs.ts'

/** "The service waits for up to 90 seconds" (API reference, PollForTask), and the response takes some more. */
const POLL_TIMEOUT_MS = 110_000

/** A poll that breaks sooner has failed, and is retried with backoff. One that breaks later was held, and cut off. */
const HELD_MS = 5_000

/** A task has to be acknowledged within two minutes, or another poll gets it (API reference, ReportTaskProgress). */
const ACKNOWLEDGE_BUDGET_MS = 100_000

const HEARTBEAT_EVERY_MS = 15 * 60_000

/** More often than any part of the documentation requires of ReportTaskProgress. */
const PROGRESS_EVERY_MS = 60_000

const MIN_PAUSE_MS = 1_000

/** 2 calls of PollForTask a second are allowed for an account (Developer Guide, dp-limits). */
const POLLS_PER_SECOND = 2

/** What to poll for. */
export interface PollRequest {
  readonly workerGroup: string
  readonly hostname: string | undefined
  /** 1 to 256 */
  readonly maxTasks: number
  /** Milliseconds to keep polling while there is no task; 0 polls once. */
  readonly waitMs: number
  /** How many jobs poll at the same time. Their first polls are spread. */
  readonly pollers: number
  /** For ReportTaskRunnerHeartbeat; undefined sends none. */
  readonly taskrunnerId: string | undefined
}

export interface PollDependencies extends Caller, Pick<Invocation, 'bindToShutdown' | 'isShuttingDown'> {
  readonly clock: Clock
  /** Masks texts in everything that this step and later ones of the job show. */
  readonly mask: (texts: readonly string[]) => void
  /** Called for a task that is handed on, though its acknowledgement got no response. */
  readonly onUnconfirmed?: (task: Task) => void
  /** Milliseconds for all attempts of a poll that fails. */
  readonly budgetMs: number
}

/** The result of polling. */
export interface PolledTasks {
  readonly tasks: readonly Task[]
  /** Why polling ended early; undefined when it did not. */
  readonly failure: PollFailure | undefined
}

/** The call that ended the polling. A task that could not be acknowledged goes to another poll after two minutes. */
export interface PollFailure {
  readonly operation: 'PollForTask' | 'ReportTaskProgress'
  readonly error: CallError
}

/**
 * Polls a worker group for tasks, one call after the other, and acknowledges each task at once. A task that was taken is never
 * lost: a later failure only ends the polling.
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
    const polledAt = clock.now()
    let task: Task | undefined
    try {
      task = await poll(request, dependencies, onCut)
    } catch (error) {
      if (error instanceof CallError) return taken({ operation: 'PollForTask', error })
      throw error
    }
    if (task === undefined) {
      if (held.length > 0 || waiting.remaining() <= 0) break
      // The service usually holds a poll. One that responds at once must not be polled without pause.
      await waiting.sleep(Math.max(0, polledAt + MIN_PAUSE_MS * (1 + random()) - clock.now()))
      continue
    }
    // Before any message that may contain them.
    mask(valuesToMask(task))
    if (isShuttingDown()) {
      log.info('A task arrived while the step was shutting down. It is not acknowledged, and goes to another poll.')
      return taken()
    }
    // The first task is handed on in any case, so its size is computed after its acknowledgement.
    let size = held.length > 0 ? sizeOfTask(task) : undefined
    if (size !== undefined && sizeOfOutputs([...sizes(), size]) > MAX_OUTPUT_CHARACTERS) {
      log.warning(
        'The last task does not fit in the outputs of a job, which may have 1 MB. It was not acknowledged, and goes to another poll after two minutes.',
      )
      break
    }
    const acknowledged = await acknowledge(task, dependencies)
    // The next task could not be acknowledged either, and would be delayed for other task runners.
    if (acknowledged instanceof CallError) return taken({ operation: 'ReportTaskProgress', error: acknowledged })
    const reportedAt = clock.now()
    size ??= sizeOfTask(task)
    largest = Math.max(largest, size.inArrays)
    if (acknowledged) held.push({ task, size, reportedAt })
    if (held.length >= request.maxTasks) break
    if (sizeOfOutputs(sizes()) + largest > MAX_OUTPUT_CHARACTERS) {
      log.warning(`Polling ends after ${held.length} tasks: the outputs of a job may have 1 MB.`)
      break
    }
  }
  await keepAlive(held, dependencies)
  return taken()
}

/**
 * One PollForTask, with retries for transient errors. A poll that is cut off while the service holds it counts as one without
 * a task: with a proxy that closes idle connections, every poll ends so.
 *
 * @param onCut called when a poll was cut off after `heldMs` milliseconds
 */
async function poll(
  request: PollRequest,
  { clock, budgetMs, bindToShutdown, isShuttingDown, ...caller }: PollDependencies,
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
        return caller.dataPipeline.pollForTask(
          { workerGroup, ...(hostname && { hostname }) },
          { signal, onSend: onPollSent },
        )
      },
      {
        ...caller,
        // The budget is for attempts that fail quickly. The one that the service holds has its time beyond that.
        deadline: bindToShutdown(new Deadline(clock, budgetMs + POLL_TIMEOUT_MS, 'timeout-seconds')),
        attemptTimeoutMs: POLL_TIMEOUT_MS,
        lastAttemptMs: POLL_TIMEOUT_MS,
      },
      (failure, sent) => {
        if (isShuttingDown()) return 'fail'
        const heldMs = clock.now() - sentAt
        if (sent && heldMs >= HELD_MS && isCut(failure)) {
          cutAfterMs = heldMs
          return 'fail'
        }
        // The lost response may have had a task, which another poll gets after two minutes.
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

/** Whether something between here and the service ended a call: it closed the connection, or responded itself. */
function isCut({ kind, transient, outcomeUnknown }: Failure): boolean {
  return kind !== 'timeout' && (outcomeUnknown || (kind === 'invalid-response' && transient))
}

function warnOnce(log: Log): (error: CallError, heldMs: number) => void {
  let warned = false
  return ({ failure }, heldMs) => {
    if (warned) return
    warned = true
    log.warning(
      `A poll was cut off after ${formatSeconds(heldMs)} while the service held it: ${failure.message}. It counts as ` +
        'no task. If it had a task, another poll gets that after two minutes. If this happens often, configure the ' +
        'proxy or firewall to keep an idle connection for more than 90 s.',
    )
  }
}

/** A task that was acknowledged, and when its progress was last reported. */
interface HeldTask {
  readonly task: Task
  readonly size: TaskSize
  readonly reportedAt: number
}

/**
 * Reports progress for tasks while others are polled for. Drops those that were canceled, or are gone. All share the budget of
 * one, so that in an outage they are handed on before the job ends.
 */
async function keepAlive(held: HeldTask[], dependencies: PollDependencies): Promise<void> {
  const { clock, log } = dependencies
  const deadline = acknowledgeDeadline(dependencies)
  for (const each of [...held]) {
    if (clock.now() - each.reportedAt < PROGRESS_EVERY_MS) continue
    const progress = await report(each.task, deadline, dependencies)
    const index = held.indexOf(each)
    if (progress === 'held') held[index] = { ...each, reportedAt: clock.now() }
    else if (progress === 'canceled' || isTaskGone(progress.failure)) held.splice(index, 1)
    else {
      // They were acknowledged, so no other task runner gets them soon. Later steps find out whether they still exist.
      log.warning(`Could not report progress of tasks that are handed on: ${progress.message}`)
      return
    }
  }
}

function acknowledgeDeadline({ clock, bindToShutdown }: PollDependencies): Deadline {
  return bindToShutdown(new Deadline(clock, ACKNOWLEDGE_BUDGET_MS))
}

/** Acknowledges a task. Gives whether to hand it on, or why no task can be acknowledged. */
async function acknowledge(task: Task, dependencies: PollDependencies): Promise<boolean | CallError> {
  const { log } = dependencies
  const progress = await report(task, acknowledgeDeadline(dependencies), dependencies)
  if (progress === 'held') return true
  if (progress === 'canceled') {
    log.info('AWS Data Pipeline canceled a task before it was handed on. It is omitted.')
    return false
  }
  if (progress.outcomeUnknown) {
    log.warning(`A task is handed on, though its acknowledgement got no response: ${progress.message}`)
    dependencies.onUnconfirmed?.(task)
    return true
  }
  if (!isTaskGone(progress.failure)) return progress
  log.warning(`A task no longer exists, and is not handed on: ${progress.message}`)
  return false
}

/** One ReportTaskProgress, with retries until the deadline. */
async function report(
  task: Task,
  deadline: Deadline,
  dependencies: PollDependencies,
): Promise<'held' | 'canceled' | CallError> {
  try {
    const { dataPipeline } = dependencies
    const { response } = await callWithRetry((call) => dataPipeline.reportTaskProgress(task.taskId, call), {
      ...dependencies,
      deadline,
    })
    return response.canceled ? 'canceled' : 'held'
  } catch (error) {
    if (error instanceof CallError) return error
    throw error
  }
}

/** Gives a function that sends ReportTaskRunnerHeartbeat when it is due, and gives whether the service wants the runner to end. */
function taskRunnerHeartbeat(request: PollRequest, dependencies: PollDependencies): () => Promise<boolean> {
  const { dataPipeline, clock, log, attemptTimeoutMs, bindToShutdown } = dependencies
  const { taskrunnerId, workerGroup, hostname } = request
  let dueAt = clock.now()
  return async () => {
    if (taskrunnerId === undefined || clock.now() < dueAt) return false
    dueAt = clock.now() + HEARTBEAT_EVERY_MS
    try {
      const { response } = await callWithRetry(
        (call) =>
          dataPipeline.reportTaskRunnerHeartbeat({ taskrunnerId, workerGroup, ...(hostname && { hostname }) }, call),
        { ...dependencies, deadline: bindToShutdown(new Deadline(clock, attemptTimeoutMs)) },
      )
      if (response.terminate) log.warning('AWS Data Pipeline asks this task runner to end. Polling ends.')
      return response.terminate
    } catch (error) {
      log.warning(`Could not send the heartbeat of the task runner: ${errorMessage(error)}`)
      return false
    }
  }
}
