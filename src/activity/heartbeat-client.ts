import type { Socket } from 'node:net'
import type { Decision } from '../report/decision.ts'
import type { Clock } from '../util/clock.ts'
import type { HeartbeatAddress } from './heartbeat-address.ts'
import {
  Channel,
  type HeartbeatMessage,
  type HeartbeatStatus,
  type ReportResult,
  type StaticCredentials,
  type StepMessage,
} from './heartbeat-message.ts'

/** A process that sends nothing for this long is frozen, or swapped out. */
const SILENT_AFTER_MS = 5_000
/** The silence is measured in slices: while this step itself does not run, at most one of them counts. */
const SLICE_MS = 500

/** Thrown when the heartbeat process does not respond. */
export class HeartbeatSilentError extends Error {
  override readonly name = 'HeartbeatSilentError'

  constructor() {
    super('the heartbeat process does not respond')
  }
}

/** What a step does for the heartbeat process while that makes the report. */
export interface ReportHandlers {
  readonly onLog: (level: 'info' | 'warning', text: string) => void
  /** Gives the step's own credentials; undefined when it has none. */
  readonly credentials: () => Promise<StaticCredentials | undefined>
  /** Called when it changes whether the report may have succeeded. */
  readonly onMayHaveLanded: (value: boolean) => void
  /** Aborted when the step has to end. The process goes on without it. */
  readonly signal: AbortSignal
}

/** A step's connection to the heartbeat process that holds the task. */
export interface HeartbeatClient {
  /** The last state that the process sent. */
  readonly state: HeartbeatStatus
  /** Adds an activity that holds the task, and whether it reports. @throws HeartbeatSilentError */
  join(report: boolean): Promise<void>
  /** Ends the activity. @throws HeartbeatSilentError */
  leave(): Promise<void>
  /**
   * Hands a decision over.
   *
   * @returns undefined when the signal was aborted first
   * @throws HeartbeatSilentError
   */
  report(decision: Decision, budgetMs: number, handlers: ReportHandlers): Promise<ReportResult | undefined>
  /** This step has to end in `ms` milliseconds. */
  shorten(ms: number): void
  close(): void
}

/**
 * Opens a connection to the heartbeat process of a task.
 *
 * @param socket connected to the address
 * @returns `silent` when the listener does not prove within 5 s that it belongs to this job
 */
export async function openHeartbeat(
  socket: Socket,
  address: HeartbeatAddress,
  clock: Clock,
): Promise<HeartbeatClient | 'silent'> {
  const connection = new Connection(socket, address, clock)
  try {
    return await connection.open()
  } catch (error) {
    connection.close()
    if (error instanceof HeartbeatSilentError) return 'silent'
    throw error
  }
}

/** Takes a message. Gives whether it is the one that was waited for. */
type Receive = (message: HeartbeatMessage) => boolean

class Connection {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #channel: Channel<StepMessage, HeartbeatMessage>
  #state: HeartbeatStatus | undefined
  #silentMs = 0
  #receive: Receive = () => false
  #wake = (): void => undefined

  constructor(socket: Socket, { key }: HeartbeatAddress, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    socket.once('close', () => this.#wake())
    this.#channel = new Channel(socket, key, 'step', {
      onProof: () => this.#channel.send({ kind: 'hello' }),
      onMessage: (message) => {
        this.#silentMs = 0
        if (this.#receive(message)) this.#wake()
      },
    })
  }

  async open(): Promise<HeartbeatClient> {
    await this.#exchange(() => undefined)
    const connection = this
    return {
      get state() {
        return connection.#state as HeartbeatStatus
      },
      join: (report) => this.#exchange(() => this.#channel.send({ kind: 'join', report })),
      leave: () => this.#exchange(() => this.#channel.send({ kind: 'leave' })),
      report: (decision, budgetMs, handlers) => this.#report(decision, budgetMs, handlers),
      shorten: (ms) => this.#channel.send({ kind: 'shorten', ms }),
      close: () => this.close(),
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  async #exchange(send: () => void): Promise<void> {
    await this.#until(send, (message) => {
      if (message.kind === 'state') this.#state = message.state
      return message.kind === 'state'
    })
  }

  async #report(
    decision: Decision,
    budgetMs: number,
    { onLog, credentials, onMayHaveLanded, signal }: ReportHandlers,
  ): Promise<ReportResult | undefined> {
    let result: ReportResult | undefined
    const receive: Receive = (message) => {
      if (message.kind === 'log') onLog(message.level, message.text)
      if (message.kind === 'may-have-landed') onMayHaveLanded(message.value)
      if (message.kind === 'credentials-request')
        void credentials().then((found) => this.#channel.send({ kind: 'credentials', credentials: found }))
      if (message.kind === 'result') {
        result = message.result
        this.#state = message.state
      }
      return result !== undefined
    }
    await this.#until(() => this.#channel.send({ kind: 'report', decision, budgetMs }), receive, signal)
    return result
  }

  /**
   * Sends a request, and waits until `receive` has got its message, or the signal is aborted.
   *
   * @throws HeartbeatSilentError when nothing comes for too long, or the connection breaks
   */
  async #until(send: () => void, receive: Receive, signal?: AbortSignal): Promise<void> {
    let isDone = false
    this.#silentMs = 0
    this.#receive = (message) => {
      isDone = receive(message)
      return isDone
    }
    send()
    while (!isDone && !signal?.aborted) {
      if (this.#silentMs >= SILENT_AFTER_MS || this.#socket.destroyed) throw new HeartbeatSilentError()
      const woken = new AbortController()
      this.#wake = () => woken.abort()
      await this.#clock.sleep(SLICE_MS, signal ? AbortSignal.any([woken.signal, signal]) : woken.signal)
      if (!woken.signal.aborted) this.#silentMs += SLICE_MS
    }
  }
}
