import { type Field, type PipelineObjects, sampleObjects, sampleTaskId } from './sample-task.ts'
import { ServiceError } from './service-error.ts'

/**
 * waiting → assigned (PollForTask) → running (ReportTaskProgress) → finished, failed, false (SetTaskStatus).
 * An assigned task that is not acknowledged, and a running one that is silent, go back to waiting.
 */
export type TaskState = 'waiting' | 'assigned' | 'running' | 'finished' | 'failed' | 'false' | 'canceled'

export type TaskStatus = 'FINISHED' | 'FAILED' | 'FALSE'

/** A task as the service sees it now. */
export interface Task {
  readonly taskId: string
  readonly pipelineId: string
  readonly attemptId: string
  readonly workerGroup: string
  readonly objects: PipelineObjects
  readonly state: TaskState
  /** Who polled for it last, and when (milliseconds since 1970). */
  readonly assignedTo?: { readonly hostname: string | undefined; readonly at: number }
  /** How often PollForTask assigned it. */
  readonly assignments: number
  readonly progressReports: ReadonlyArray<{ readonly at: number; readonly fields: Field[] }>
  /** The status and error fields of SetTaskStatus. */
  readonly status?: TaskStatus
  readonly errorId?: string
  readonly errorMessage?: string
  readonly errorStackTrace?: string
  readonly endedAt?: number
}

export type NewTask = Partial<Pick<Task, 'taskId' | 'pipelineId' | 'attemptId' | 'workerGroup' | 'objects'>> & {
  /** Fields of its attempt, without `objects`: added to those of the sample, or replacing them. */
  texts?: Readonly<Record<string, string>>
}

export interface Outcome {
  taskStatus: TaskStatus
  errorId?: string
  errorMessage?: string
  errorStackTrace?: string
}

/**
 * The response for a task that has ended or went back to the queue. That of the real service is unknown.
 * `accepted` means: a success, and nothing changes.
 */
export type LostTaskResponse = 'TaskNotFoundException' | 'InvalidRequestException' | 'accepted'

export interface TaskQueueOptions {
  clock: () => number
  /** API reference, ReportTaskProgress: two minutes. */
  acknowledgeWithinMs: number
  /** Off when undefined. API reference, ReportTaskProgress: both 15 and 5 minutes are documented. */
  silentForMs: number | undefined
  lostTask: LostTaskResponse
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }
type OpenTask = Writable<Omit<Task, 'progressReports'>> & { progressReports: Array<{ at: number; fields: Field[] }> }

/** The tasks of one account. */
export class TaskQueue {
  readonly #options: TaskQueueOptions
  readonly #tasks = new Map<string, OpenTask>()
  /** Held polls, the oldest first. Calling one makes it look for a task. */
  readonly #polls = new Set<() => void>()

  constructor(options: TaskQueueOptions) {
    this.#options = options
  }

  add(settings: NewTask = {}): Task {
    const taskId = settings.taskId ?? sampleTaskId()
    if (this.#tasks.has(taskId)) throw new Error(`there is already a task ${taskId}`)
    const pipelineId = settings.pipelineId ?? 'df-0937003356ZJEXAMPLE'
    const attemptId = settings.attemptId ?? '@SayHello_2026-01-12T00:00:00_Attempt=1'
    const workerGroup = settings.workerGroup ?? 'ci'
    const { texts = {} } = settings
    const objects = settings.objects ?? sampleObjects({ attemptId, pipelineId, workerGroup, texts })
    const task: OpenTask = {
      taskId,
      pipelineId,
      attemptId,
      workerGroup,
      objects,
      state: 'waiting',
      assignments: 0,
      progressReports: [],
    }
    this.#tasks.set(taskId, task)
    this.#offer()
    return task
  }

  get all(): Task[] {
    this.#takeBackOverdue()
    return [...this.#tasks.values()]
  }

  /** @throws Error when there is none with this id */
  get(taskId: string): Task {
    this.#takeBackOverdue()
    const task = this.#tasks.get(taskId)
    if (!task) throw new Error(`there is no task ${taskId}`)
    return task
  }

  /** Later ReportTaskProgress calls for it get `canceled: true`. A task that has ended does not change. */
  cancel(taskId: string): void {
    const task = this.get(taskId) as OpenTask
    if (!hasEnded(task)) task.state = 'canceled'
  }

  /**
   * PollForTask: the oldest waiting task of the worker group, or the next one within `holdMs` (real time).
   * @param signal stops waiting
   */
  async poll(
    workerGroup: string,
    { hostname, holdMs, signal }: { hostname: string | undefined; holdMs: number; signal: AbortSignal },
  ): Promise<Task | undefined> {
    const ready = this.#assign(workerGroup, hostname)
    if (ready || signal.aborted) return ready
    return new Promise((resolve) => {
      const done = (task?: Task) => {
        clearTimeout(end)
        clearInterval(overdue)
        signal.removeEventListener('abort', giveUp)
        this.#polls.delete(attempt)
        resolve(task)
      }
      const attempt = () => {
        const task = this.#assign(workerGroup, hostname)
        if (task) done(task)
      }
      const giveUp = () => done()
      const end = setTimeout(done, holdMs)
      const overdue = setInterval(() => this.#offer(), 20)
      signal.addEventListener('abort', giveUp)
      this.#polls.add(attempt)
    })
  }

  /**
   * ReportTaskProgress: acknowledges the task, or keeps it.
   * @throws ServiceError TaskNotFoundException
   */
  reportProgress(taskId: string, fields: Field[]): { canceled: boolean } {
    const task = this.#held(taskId)
    if (!task) return { canceled: false }
    task.progressReports.push({ at: this.#options.clock(), fields })
    if (task.state === 'canceled') return { canceled: true }
    task.state = 'running'
    return { canceled: false }
  }

  /**
   * SetTaskStatus: ends the task. For a canceled one it is noted, without ending it again.
   * @throws ServiceError TaskNotFoundException
   */
  setStatus(taskId: string, outcome: Outcome): void {
    const task = this.#held(taskId)
    if (!task) return
    task.status = outcome.taskStatus
    if (outcome.errorId !== undefined) task.errorId = outcome.errorId
    if (outcome.errorMessage !== undefined) task.errorMessage = outcome.errorMessage
    if (outcome.errorStackTrace !== undefined) task.errorStackTrace = outcome.errorStackTrace
    task.endedAt = this.#options.clock()
    if (task.state !== 'canceled') task.state = outcome.taskStatus.toLowerCase() as TaskState
  }

  #assign(workerGroup: string, hostname: string | undefined): Task | undefined {
    const task = this.all.find((each) => each.state === 'waiting' && each.workerGroup === workerGroup) as
      | OpenTask
      | undefined
    if (!task) return undefined
    task.state = 'assigned'
    task.assignedTo = { hostname, at: this.#options.clock() }
    task.assignments += 1
    return task
  }

  #offer(): void {
    for (const attempt of [...this.#polls]) attempt()
  }

  #takeBackOverdue(): void {
    const { clock, acknowledgeWithinMs, silentForMs = Number.POSITIVE_INFINITY } = this.#options
    for (const task of this.#tasks.values()) {
      const assignedAt = task.assignedTo?.at ?? 0
      const heardAt = Math.max(assignedAt, task.progressReports.at(-1)?.at ?? 0)
      const unacknowledged = task.state === 'assigned' && clock() - assignedAt > acknowledgeWithinMs
      const silent = task.state === 'running' && clock() - heardAt > silentForMs
      if (unacknowledged || silent) task.state = 'waiting'
    }
  }

  /**
   * The task, when a report on it counts; undefined when it is lost and the response is still a success.
   * A task that was never polled for counts as held, so that its id can be handed out by other means.
   * A holder is known by the task id only: after a reassignment, the former holder is not distinguished.
   */
  #held(taskId: string): OpenTask | undefined {
    this.#takeBackOverdue()
    const task = this.#tasks.get(taskId)
    if (!task) throw new ServiceError('TaskNotFoundException', 'The specified task was not found.')
    const wentBack = task.state === 'waiting' && task.assignments > 0
    if (!hasEnded(task) && !wentBack) return task
    const { lostTask } = this.#options
    if (lostTask === 'accepted') return undefined
    const reasons = {
      TaskNotFoundException: 'was not found',
      InvalidRequestException: 'is not in a state to be reported on',
    }
    throw new ServiceError(lostTask, `The specified task ${reasons[lostTask]}.`)
  }
}

function hasEnded(task: Task): boolean {
  return task.state === 'finished' || task.state === 'failed' || task.state === 'false'
}
