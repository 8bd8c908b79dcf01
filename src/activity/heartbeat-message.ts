import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import type { CredentialSource } from '../aws/environment-credentials.ts'
import type { Failure } from '../aws/errors.ts'
import type { ErrorFields } from '../domain/error-fields.ts'
import type { TaskStatus } from '../domain/task-status.ts'
import type { Decision } from '../report/decision.ts'
import type { HeartbeatState } from './heartbeat-state.ts'

/** Credentials of a step, for a report that is denied to those of the heartbeat process. Never written to a file. */
export interface StaticCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** Messages of a step to the heartbeat process. */
export type StepMessage =
  /** The first message of every step: it proves that the step has the key. The response is `state`. */
  | { readonly kind: 'hello' }
  /** Another activity of this job holds the same task. */
  | { readonly kind: 'join'; readonly report: boolean }
  /** How the task ended. From a post step it also ends the activity. */
  | { readonly kind: 'report'; readonly decision: Decision; readonly budgetMs: number }
  /** The step has to end in `ms` milliseconds. */
  | { readonly kind: 'shorten'; readonly ms: number }
  /** The response to `credentials-request`; undefined when the step has none. */
  | { readonly kind: 'credentials'; readonly credentials: StaticCredentials | undefined }
  /** The activity is over, and has nothing to report. */
  | { readonly kind: 'leave' }

/** Messages of the heartbeat process to a step. */
export type HeartbeatMessage =
  | { readonly kind: 'state'; readonly state: HeartbeatStatus }
  /** Sent every second while a report is under way. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'log'; readonly level: 'info' | 'warning'; readonly text: string }
  | { readonly kind: 'credentials-request' }
  /**
   * Whether a request with the decision may have succeeded: from when it goes out until its response says that it has not.
   */
  | { readonly kind: 'may-have-landed'; readonly value: boolean }
  | { readonly kind: 'result'; readonly result: ReportResult; readonly state: HeartbeatStatus }

/** The state of the heartbeat process, as a step gets it. */
export interface HeartbeatStatus extends HeartbeatState {
  /** The folder of the heartbeat process's files. */
  readonly folder: string
  /** How many activities still hold the task. The process ends with the last one. */
  readonly activities: number
  /** Whether a report is under way. */
  readonly isBusy: boolean
}

/** The result of a decision. */
export type ReportResult =
  | {
      readonly outcome: 'sent'
      readonly status: TaskStatus
      readonly requestId: string | undefined
      readonly attempts: number
      readonly fields: ErrorFields
      readonly origin: string | undefined
      readonly presumed: boolean
      readonly region: string
    }
  /** Nothing was sent: the service already has a report, or has canceled the task. */
  | { readonly outcome: 'not-needed'; readonly reason: 'reported' | 'canceled' }
  /** A later step reports the task. */
  | { readonly outcome: 'superseded' }
  | {
      readonly outcome: 'failed'
      readonly failure: Failure
      readonly attempts: number
      readonly timeSpent: boolean
      readonly outcomeUnknown: boolean
      readonly origin: string | undefined
      /** Undefined for the step's own credentials. */
      readonly source: CredentialSource | undefined
      readonly hint: string | undefined
      readonly region: string
    }

/** Above three versions of texts within the limits of the API, escaped as JSON. */
const MAX_LINE_CHARACTERS = 1024 * 1024
/** What anyone may send before a proof. */
const MAX_HELLO_CHARACTERS = 1024

type Side = 'step' | 'heartbeat'

interface Proof {
  readonly nonce: string
  readonly mac?: string
}

/**
 * A connection between a step and the heartbeat process: lines of JSON, each with an HMAC (RFC 2104) that only the steps of
 * this job can make. Anyone on the machine can connect, and anyone can listen at the address when the process has ended.
 * So each side proves that it has the key before the other one sends anything.
 *
 * The step sends a nonce. The heartbeat process responds with its own and an HMAC over both. Every message has an HMAC over both
 * nonces, its sender and its number, so that it can't be repeated, reordered or reflected.
 */
export class Channel<Sent, Received> {
  readonly #socket: Socket
  readonly #key: Buffer
  readonly #side: Side
  readonly #nonce = randomBytes(16).toString('hex')
  #session = ''
  #sentLines = 0
  #receivedLines = 0
  #buffer = ''
  readonly #onProof: () => void
  readonly #onMessage: (message: Received) => void

  /**
   * @param onProof called in a step when the heartbeat process has proved itself
   * @param onMessage called for each message; an error that it throws ends the connection
   */
  constructor(
    socket: Socket,
    key: Buffer,
    side: Side,
    handlers: { onProof?: () => void; onMessage: (message: Received) => void },
  ) {
    this.#socket = socket
    this.#key = key
    this.#side = side
    this.#onProof = handlers.onProof ?? (() => undefined)
    this.#onMessage = handlers.onMessage
    // How a connection ends does not matter: both sides look at the messages before it.
    socket.on('error', () => undefined)
    socket.setEncoding('utf8').on('data', (text) => this.#receive(String(text)))
    if (side === 'step') this.#write({ nonce: this.#nonce } satisfies Proof)
  }

  /** Sends a message. It is lost when the connection is closed. */
  send(message: Sent): void {
    const body = JSON.stringify(message)
    this.#write({ body, mac: this.#mac(this.#side, `${this.#sentLines++}`, body) })
  }

  /** Ends the connection when everything was sent. */
  end(): void {
    this.#socket.end()
  }

  #write(line: object): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(line)}\n`)
  }

  #receive(text: string): void {
    this.#buffer += text
    try {
      for (let end = this.#buffer.indexOf('\n'); end >= 0; end = this.#buffer.indexOf('\n')) {
        const line = this.#buffer.slice(0, end)
        this.#buffer = this.#buffer.slice(end + 1)
        this.#accept(JSON.parse(line))
      }
      const isProved = this.#receivedLines > 0 || this.#side === 'step'
      if (this.#buffer.length > (isProved ? MAX_LINE_CHARACTERS : MAX_HELLO_CHARACTERS))
        throw new Error('the line is too long')
    } catch {
      // It does not belong to this job.
      this.#socket.destroy()
    }
  }

  #accept(line: unknown): void {
    if (this.#session === '') {
      this.#handshake(line as Proof)
      return
    }
    const { body, mac } = line as { body: string; mac: string }
    const other: Side = this.#side === 'step' ? 'heartbeat' : 'step'
    this.#expect(mac, this.#mac(other, `${this.#receivedLines++}`, body))
    this.#onMessage(JSON.parse(body) as Received)
  }

  #handshake({ nonce, mac }: Proof): void {
    if (this.#side === 'step') {
      this.#session = `${this.#nonce} ${nonce}`
      this.#expect(mac, this.#mac('heartbeat', 'hello', ''))
      this.#onProof()
    } else {
      this.#session = `${nonce} ${this.#nonce}`
      this.#write({ nonce: this.#nonce, mac: this.#mac('heartbeat', 'hello', '') } satisfies Proof)
    }
  }

  #mac(from: Side, place: string, body: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([this.#session, from, place, body]))
      .digest('hex')
  }

  #expect(given: string | undefined, expected: string): void {
    const mac = Buffer.from(String(given))
    if (mac.length !== expected.length || !timingSafeEqual(mac, Buffer.from(expected))) throw new Error('no proof')
  }
}
