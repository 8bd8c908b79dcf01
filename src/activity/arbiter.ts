import { CallError } from '../aws/call-with-retry.ts'
import { needsOtherCredentials } from '../aws/errors.ts'
import { type Decision, prevailing } from '../report/decision.ts'
import type { ReportedStatus } from '../report/send-status.ts'
import type { Clock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { ConfigurationError, causesOf } from '../util/errors.ts'
import type { HolderResult, StaticCredentials } from './heartbeat-message.ts'
import type { HeartbeatState } from './heartbeat-state.ts'

/** The step that brought a decision. It may be gone before there is a result. */
export interface Session {
  /** Of two sessions, the one that began later has the greater number. */
  readonly turn: number
  log(level: 'info' | 'warning', text: string): void
  /** The step's own credentials; undefined when it has none, or is gone. */
  credentials(): Promise<StaticCredentials | undefined>
  /** Told whenever it changes whether the report may have landed, which the step needs if this process gives no word any more. */
  mayHaveLanded(value: boolean): void
}

/** How a decision is sent. */
export interface SendOptions {
  readonly deadline: Deadline
  /** Whether no other decision has taken its place; asked before each attempt. */
  readonly isStillWanted: () => boolean
  /** An earlier attempt at the same report had no response. */
  readonly mayHaveLanded: boolean
  readonly session: Session | undefined
}

export interface ArbiterDependencies {
  readonly clock: Clock
  readonly region: string
  /** Sends a decision until the service has it. @throws CallError, or SupersededError when it is not wanted any more */
  readonly send: (decision: Decision, options: SendOptions) => Promise<ReportedStatus>
  /** Whether the service has cancelled the task. */
  readonly isCanceled: () => boolean
  /** The report that a step made by itself, when this process gave it no word. */
  readonly reportedElsewhere: () => HeartbeatState['reported']
  /** Told when the service has a report. */
  readonly onReported: (reported: NonNullable<HeartbeatState['reported']>) => void
}

/** A decision that is not known to be at the service, and that the service has not refused for good. */
interface OpenDecision {
  readonly decision: Decision
  readonly mayHaveLanded: boolean
}

/**
 * Decides which report of a task is sent, when several of a job want to make one, and sends it: what the root action says
 * is always sent, what a post step says only where nothing was. A decision outlives the step that brought it.
 */
export class Arbiter {
  readonly #dependencies: ArbiterDependencies
  #reported: HeartbeatState['reported']
  #open: OpenDecision | undefined
  #sending: Deadline | undefined
  /** How many decisions have come, the one of a lost runner included. */
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

  /** Takes a decision of a step, and sends what follows from it, within `budgetMs` milliseconds. */
  async decide(decision: Decision, budgetMs: number, session: Session): Promise<HolderResult> {
    // A step that the runner has ended may go on, as in a container, and come after the one that follows it.
    if (decision.by === 'step' && session.turn < this.#latestTurn) return { outcome: 'superseded' }
    this.#latestTurn = Math.max(this.#latestTurn, session.turn)
    return this.#inTurn(async (isLatest) => {
      if (decision.by === 'step') return this.#send(decision, budgetMs, isLatest, session)
      if (this.reported !== undefined) return { outcome: 'not-needed', reason: 'reported' }
      if (this.#dependencies.isCanceled()) return { outcome: 'not-needed', reason: 'canceled' }
      return this.#send(prevailing(this.#open?.decision, decision), budgetMs, isLatest, session)
    })
  }

  /** The step has to end in `ms` milliseconds: an attempt that has no response yet makes way for another one. */
  hasten(ms: number): void {
    this.#sending?.nudge(ms / 3)
  }

  /**
   * The runner is lost: sends the decision that the service may not have, or else that the runner is lost.
   *
   * @param loss undefined when only an open decision is to be sent
   * @returns undefined when there is nothing to send
   */
  async decideLoss(loss: Decision | undefined, budgetMs: number): Promise<HolderResult | undefined> {
    // What is under way is not aborted: it may have taken effect.
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

  /** One decision after the other; the one that is being sent makes way for the next. */
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
  ): Promise<HolderResult> {
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
      const { failure, attempts, timeSpent, outcomeUnknown, origin, source } = CallError.from(error)
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
