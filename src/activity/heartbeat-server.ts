import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { Arbiter, Session } from './arbiter.ts'
import type { HeartbeatAddress } from './heartbeat-address.ts'
import {
  Channel,
  type HeartbeatMessage,
  type HeartbeatStatus,
  type ReportResult,
  type StaticCredentials,
  type StepMessage,
} from './heartbeat-message.ts'

/** Anyone on the machine can connect. These limit how many do at once, and for how long without a proof. */
const MAX_CONNECTIONS = 100
const PROOF_WITHIN_MS = 5_000
/** A step that waits for a report gets a message at this interval. */
const ALIVE_EVERY_MS = 1_000

export interface HeartbeatServerDependencies {
  readonly arbiter: Arbiter
  readonly state: () => Omit<HeartbeatStatus, 'activities' | 'isBusy'>
  /** Called when something changed that may end the process. */
  readonly onChange: () => void
  /** Redacts the secrets of this process: the step that shows the text does not know them. */
  readonly redact: (text: string) => string
}

/** The local socket at which the steps of a job find the heartbeat process of their task. */
export class HeartbeatServer {
  readonly #address: HeartbeatAddress
  readonly #dependencies: HeartbeatServerDependencies
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Activities that hold the task and are not over. */
  #activities = 1
  #wantsReport: boolean
  /** Decisions that are being reported. */
  #working = 0
  #turns = 0

  /** @param wantsReport whether the activity that started the process reports the end of the job */
  constructor(address: HeartbeatAddress, wantsReport: boolean, dependencies: HeartbeatServerDependencies) {
    this.#wantsReport = wantsReport
    this.#address = address
    this.#dependencies = dependencies
    this.#server = createServer((socket) => this.#serve(socket))
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  /** @throws Error when nothing can listen at the address */
  async listen(): Promise<void> {
    const { path } = this.#address
    const listening = new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).once('listening', resolve)
    })
    if (path.startsWith('/')) listenPrivately(this.#server, path)
    else this.#server.listen(path)
    await listening
    this.#server.on('error', () => undefined)
  }

  /** Whether every activity that holds the task is over, and no report is under way. */
  get isDone(): boolean {
    return this.#activities <= 0 && this.#working === 0
  }

  /** Whether one of the activities reports the end of the job. */
  get wantsReport(): boolean {
    return this.#wantsReport
  }

  /** Ends all connections, after what was sent to them. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.end()
    await new Promise((resolve) => {
      this.#server.close(resolve)
      // A step that is frozen must not keep this process alive.
      setTimeout(() => {
        for (const socket of this.#sockets) socket.destroy()
      }, ALIVE_EVERY_MS).unref()
    })
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    const session = new StepSession(socket, ++this.#turns)
    const channel: Channel<HeartbeatMessage, StepMessage> = new Channel(socket, this.#address.key, 'heartbeat', {
      onMessage: (message) => {
        clearTimeout(unproved)
        this.#handle(message, channel, session)
      },
    })
    const unproved = setTimeout(() => socket.destroy(), PROOF_WITHIN_MS).unref()
    session.channel = channel
  }

  #handle(message: StepMessage, channel: Channel<HeartbeatMessage, StepMessage>, session: StepSession): void {
    const { onChange } = this.#dependencies
    switch (message.kind) {
      case 'hello':
        channel.send({ kind: 'state', state: this.#state() })
        break
      case 'join':
        this.#activities += 1
        this.#wantsReport ||= message.report
        channel.send({ kind: 'state', state: this.#state() })
        break
      case 'leave':
        this.#leave(session)
        // Confirms the message.
        channel.send({ kind: 'state', state: this.#state() })
        onChange()
        break
      case 'shorten':
        this.#dependencies.arbiter.shorten(message.ms)
        break
      case 'credentials':
        session.response(message.credentials)
        break
      case 'report':
        void this.#report(message, channel, session)
    }
  }

  /** Counts the end of an activity once. */
  #leave(session: StepSession): void {
    if (!session.hasLeft) this.#activities -= 1
    session.hasLeft = true
  }

  #state(): HeartbeatStatus {
    return { ...this.#dependencies.state(), activities: this.#activities, isBusy: this.#working > 0 }
  }

  async #report(
    { decision, budgetMs }: Extract<StepMessage, { kind: 'report' }>,
    channel: Channel<HeartbeatMessage, StepMessage>,
    session: StepSession,
  ): Promise<void> {
    const { arbiter, onChange, redact } = this.#dependencies
    this.#working += 1
    // The report is made even if the post step is killed meanwhile.
    if (decision.by === 'post') this.#leave(session)
    const alive = setInterval(() => channel.send({ kind: 'alive' }), ALIVE_EVERY_MS)
    try {
      const result = await arbiter.decide(decision, budgetMs, session).finally(() => {
        this.#working -= 1
      })
      channel.send({ kind: 'result', result: redacted(result, redact), state: this.#state() })
    } finally {
      clearInterval(alive)
      onChange()
    }
  }
}

function redacted(result: ReportResult, redact: (text: string) => string): ReportResult {
  if (result.outcome !== 'failed') return result
  const { failure, hint } = result
  return { ...result, failure: { ...failure, message: redact(failure.message) }, hint: hint && redact(hint) }
}

/** A connection of a step, as the arbiter sees it. */
class StepSession implements Session {
  readonly turn: number
  hasLeft = false
  channel: Channel<HeartbeatMessage, StepMessage> | undefined
  readonly #socket: Socket
  #response: ((credentials: StaticCredentials | undefined) => void) | undefined

  constructor(socket: Socket, turn: number) {
    this.#socket = socket
    this.turn = turn
    socket.once('close', () => this.response(undefined))
  }

  log(level: 'info' | 'warning', text: string): void {
    this.channel?.send({ kind: 'log', level, text })
  }

  mayHaveLanded(value: boolean): void {
    this.channel?.send({ kind: 'may-have-landed', value })
  }

  async credentials(): Promise<StaticCredentials | undefined> {
    if (this.#socket.destroyed) return undefined
    return new Promise((resolve) => {
      this.#response = resolve
      this.channel?.send({ kind: 'credentials-request' })
    })
  }

  response(credentials: StaticCredentials | undefined): void {
    this.#response?.(credentials)
    this.#response = undefined
  }
}

/** Listens at a socket in a folder that others can write to. No other user can connect, and no link is followed. */
function listenPrivately(server: Server, path: string): void {
  // A process that was killed leaves its socket. Other systems remove it.
  rmSync(path, { force: true })
  // Not by a later chmod, which could change another file with this name.
  const before = process.umask(0o177)
  try {
    // Makes the socket before it returns, though the event comes later (Node, net.Server).
    server.listen(path)
  } finally {
    process.umask(before)
  }
}
