import { connect, type Socket } from 'node:net'
import type { Decision } from '../report/decision.ts'
import type { Clock } from '../util/clock.ts'
import type { HolderAddress } from './heartbeat-address.ts'
import {
  Channel,
  type HolderMessage,
  type HolderResult,
  type HolderState,
  type StaticCredentials,
  type StepMessage,
} from './heartbeat-message.ts'

/** A process that gives no word for so long is frozen, or swapped out; milliseconds. */
const SILENT_AFTER_MS = 5_000
/** The silence is measured in pieces: where this step did not run, either, no more than one of them counts. */
const PIECE_MS = 500

/** Thrown when the process that holds the task gives no word any more. */
export class HolderSilentError extends Error {
  override readonly name = 'HolderSilentError'

  constructor() {
    super('the heartbeat process gives no word')
  }
}

/** What a step does for the process while that makes the report. */
export interface ReportHandlers {
  readonly onLog: (level: 'info' | 'warning', text: string) => void
  /** The step's own credentials; undefined when it has none. */
  readonly credentials: () => Promise<StaticCredentials | undefined>
  /** Told whenever it changes whether the report may have landed. */
  readonly onMayHaveLanded: (value: boolean) => void
  /** Aborted when the step has to end; the process goes on without it. */
  readonly signal: AbortSignal
}

/** A connection to the process that holds the task. */
export interface Holder {
  /** How the task stands, as far as it was heard. */
  readonly state: HolderState
  /** Says that one more activity holds the task, and whether it reports. @throws HolderSilentError */
  join(report: boolean): Promise<void>
  /** Says that the activity is over. @throws HolderSilentError */
  leave(): Promise<void>
  /**
   * Hands a decision over.
   *
   * @returns undefined when the signal was aborted first
   * @throws HolderSilentError
   */
  report(decision: Decision, budgetMs: number, handlers: ReportHandlers): Promise<HolderResult | undefined>
  /** Says that this step has to end in so many milliseconds. */
  hasten(ms: number): void
  close(): void
}

/**
 * Connects to the process that holds a task.
 *
 * @returns `absent` when nobody listens, `silent` when who listens does not prove within 5 s to be of this job
 */
export async function connectHolder(address: HolderAddress, clock: Clock): Promise<Holder | 'absent' | 'silent'> {
  const socket = connect(address.path)
  const isConnected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  })
  if (!isConnected) return 'absent'
  const connection = new Connection(socket, address, clock)
  try {
    return await connection.open()
  } catch (error) {
    connection.close()
    if (error instanceof HolderSilentError) return 'silent'
    throw error
  }
}

type Take = (message: HolderMessage) => boolean

class Connection {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #channel: Channel<StepMessage, HolderMessage>
  #state: HolderState | undefined
  #silentMs = 0
  #take: Take = () => false
  #wake = (): void => undefined

  constructor(socket: Socket, { key }: HolderAddress, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    socket.once('close', () => this.#wake())
    this.#channel = new Channel(socket, key, 'step', {
      onProof: () => this.#channel.send({ kind: 'hello' }),
      onMessage: (message) => {
        this.#silentMs = 0
        if (this.#take(message)) this.#wake()
      },
    })
  }

  async open(): Promise<Holder> {
    await this.#hear(() => undefined)
    const connection = this
    return {
      get state() {
        return connection.#state as HolderState
      },
      join: (report) => this.#hear(() => this.#channel.send({ kind: 'join', report })),
      leave: () => this.#hear(() => this.#channel.send({ kind: 'leave' })),
      report: (decision, budgetMs, handlers) => this.#report(decision, budgetMs, handlers),
      hasten: (ms) => this.#channel.send({ kind: 'hasten', ms }),
      close: () => this.close(),
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  async #hear(ask: () => void): Promise<void> {
    await this.#until(ask, (message) => {
      if (message.kind === 'state') this.#state = message.state
      return message.kind === 'state'
    })
  }

  async #report(
    decision: Decision,
    budgetMs: number,
    { onLog, credentials, onMayHaveLanded, signal }: ReportHandlers,
  ): Promise<HolderResult | undefined> {
    let result: HolderResult | undefined
    const take: Take = (message) => {
      if (message.kind === 'log') onLog(message.level, message.text)
      if (message.kind === 'may-have-landed') onMayHaveLanded(message.value)
      if (message.kind === 'credentials-wanted')
        void credentials().then((found) => this.#channel.send({ kind: 'credentials', credentials: found }))
      if (message.kind === 'result') {
        result = message.result
        this.#state = message.state
      }
      return result !== undefined
    }
    await this.#until(() => this.#channel.send({ kind: 'report', decision, budgetMs }), take, signal)
    return result
  }

  /**
   * Asks, and waits until `take` has taken what it waits for, or the signal is aborted.
   *
   * @throws HolderSilentError when no word comes for too long, or the connection breaks
   */
  async #until(ask: () => void, take: Take, signal?: AbortSignal): Promise<void> {
    let isDone = false
    this.#silentMs = 0
    this.#take = (message) => {
      isDone = take(message)
      return isDone
    }
    ask()
    while (!isDone && !signal?.aborted) {
      if (this.#silentMs >= SILENT_AFTER_MS || this.#socket.destroyed) throw new HolderSilentError()
      const woken = new AbortController()
      this.#wake = () => woken.abort()
      await this.#clock.sleep(PIECE_MS, signal ? AbortSignal.any([woken.signal, signal]) : woken.signal)
      if (!woken.signal.aborted) this.#silentMs += PIECE_MS
    }
  }
}
