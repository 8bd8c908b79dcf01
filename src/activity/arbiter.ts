import { callErrorFrom } from '../aws/classify.ts'
import { needsOtherCredentials } from '../aws/errors.ts'
import { type Decision, prevailing } from '../report/decision.ts'
import type { ReportedStatus } from '../report/send-status.ts'
import type { Clock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { ConfigurationError, causesOf } from '../util/errors.ts'
import type { ReportResult, StaticCredentials } from './heartbeat-message.ts'
import type { HeartbeatState } from './heartbeat-state.ts'

/** The step that made a decision. It may end before there is a result. */
export interface Session {
  /** Of two sessions, the one that began later has the greater number. */
  readonly turn: number
  log(level: 'info' | 'warning', text: string): void
  /** Gives the step's own credentials; undefined when it has none, or has ended. */
  credentials(): Promise<StaticCredentials | undefined>
  /** Called when it changes whether the report may have succeeded. The step needs it if this process stops responding. */
  mayHaveLanded(value: boolean): void
}

/** How a decision is sent. */
export interface SendOptions {
  readonly deadline: Deadline
  /** Whether no later decision has replaced it. Called before each attempt. */
  readonly isStillWanted: () => boolean
  /** An earlier attempt at the same report had no response. */
  readonly mayHaveLanded: boolean
  readonly session: Session | undefined
}

export interface ArbiterDependencies {
  readonly clock: Clock
  readonly region: string
  /** Sends a decision until the service has it. @throws CallError, or SupersededError when a later one has replaced it */
  readonly send: (decision: Decision, options: SendOptions) => Promise<ReportedStatus>
  /** Whether the service has canceled the task. */
  readonly isCanceled: () => boolean
  /** The report that a step made by itself when this process did not respond. */
  readonly reportedElsewhere: () => HeartbeatState['reported']
  /** Called when the service has a report. */
  readonly onReported: (reported: NonNullable<HeartbeatState['reported']>) => void
}

/** A decision that the service may not have, and has not refused for good. */
interface OpenDecision {
  readonly decision: Decision
  readonly mayHaveLanded: boolean
}

/**
 * Decides which report of a task is sent when several steps of a job make one, and sends it. The decision of the root action
 * is always sent. That of a post step is sent only when nothing else was. A decision outlives its step.
 */
export class Arbiter {
  readonly #dependencies: ArbiterDependencies
  #reported: HeartbeatState['reported']
  #open: OpenDecision | undefined
  #sending: Deadline | undefined
  /** How many decisions have arrived, including the one for a lost runner. */
  #arrivals = 0
  #latestTurn = 0
  #queue: Promise<unknown> = Promise.resolve()

  constructor(dependencies: ArbiterDependencies) {
    this.#dependencies = dependencies
  }

  /** The report that the service has. */
  get reported(): HeartbeatState['reported'] {
    this.#reported ??= this.#dependencies.reportedElsewhere()
    return this.#reported
  }

  /** Whether a decision is being sent. */
  get isBusy(): boolean {
    return this.#sending !== undefined
  }

  /** Takes the decision of a step, and sends what follows from it within `budgetMs` milliseconds. */
  async decide(decision: Decision, budgetMs: number, session: Session): Promise<ReportResult> {
    // A step that the runner has ended may go on, as in a container, and arrive after the step that follows it.
    if (decision.by === 'step' && session.turn < this.#latestTurn) return { outcome: 'superseded' }
    this.#latestTurn = Math.max(this.#latestTurn, session.turn)
    return this.#inTurn(async (isLatest) => {
      if (decision.by === 'step') return this.#send(decision, budgetMs, isLatest, session)
      if (this.reported !== undefined) return { outcome: 'not-needed', reason: 'reported' }
      if (this.#dependencies.isCanceled()) return { outcome: 'not-needed', reason: 'canceled' }
      return this.#send(prevailing(this.#open?.decision, decision), budgetMs, isLatest, session)
    })
  }

  /** The step has to end in `ms` milliseconds. An attempt without a response leaves time for another one. */
  shorten(ms: number): void {
    this.#sending?.nudge(ms / 3)
  }

  /**
   * Reports after the loss of the runner: the decision that the service may not have, or else the loss.
   *
   * @param loss undefined when only an open decision is to be sent
   * @returns undefined when there is nothing to send
   */
  async decideLoss(loss: Decision | undefined, budgetMs: number): Promise<ReportResult | undefined> {
    // A request under way is not aborted, as it may succeed.
    this.#sending?.shorten(budgetMs / 2)
    const turn = this.#queue.then(async () => {
      if (this.reported !== undefined) return undefined
      const arrival = this.#arrivals
      const decision = this.#open?.decision ?? (this.#dependencies.isCanceled() ? undefined : loss)
      return decision && this.#send(decision, budgetMs / 2, () => arrival === this.#arrivals, undefined)
    })
    this.#queue = turn.catch(() => undefined)
    return turn
  }

  /** Works on one decision after the other. A later one replaces the one that is being sent. */
  async #inTurn<T>(work: (isLatest: () => boolean) => Promise<T>): Promise<T> {
    this.#arrivals += 1
    const arrival = this.#arrivals
    this.#sending?.shorten(0)
    const turn = this.#queue.then(() => work(() => arrival === this.#arrivals))
    this.#queue = turn.catch(() => undefined)
    return turn
  }

  async #send(
    decision: Decision,
    budgetMs: number,
    isLatest: () => boolean,
    session: Session | undefined,
  ): Promise<ReportResult> {
    const { clock, region, send, onReported } = this.#dependencies
    const mayHaveLanded = this.#open?.decision === decision && this.#open.mayHaveLanded
    this.#open = { decision, mayHaveLanded }
    if (!isLatest()) return { outcome: 'superseded' }
    const deadline = new Deadline(clock, budgetMs)
    this.#sending = deadline
    try {
      const sent = await send(decision, { deadline, isStillWanted: isLatest, mayHaveLanded, session })
      this.#open = undefined
      this.#reported = { by: decision.by, status: decision.status }
      onReported(this.#reported)
      return { outcome: 'sent', status: decision.status, region, ...sent }
    } catch (error) {
      const { failure, attempts, timeSpent, outcomeUnknown, origin, source } = callErrorFrom(error)
      // With other credentials, which the next step may have, the service may take it.
      const isFinal = !timeSpent && isLatest() && !needsOtherCredentials(failure)
      this.#open = isFinal ? undefined : { decision, mayHaveLanded: mayHaveLanded || outcomeUnknown }
      if (!isLatest()) return { outcome: 'superseded' }
      const hint = causesOf(error).find((cause) => cause instanceof ConfigurationError)?.hint
      return { outcome: 'failed', failure, attempts, timeSpent, outcomeUnknown, origin, source, hint, region }
    } finally {
      this.#sending = undefined
    }
  }
}
