import { attemptTimeoutFor, CallError } from '../aws/call-with-retry.ts'
import { connectDataPipeline, type DataPipeline } from '../aws/client.ts'
import { isTaskGone, needsOtherCredentials } from '../aws/errors.ts'
import type { Runner } from '../github/runner.ts'
import { type Decision, versionsWithout } from '../report/decision.ts'
import { type ReportedStatus, sendReport } from '../report/send-status.ts'
import type { ArbiterDependencies, SendOptions } from './arbiter.ts'
import type { StaticCredentials } from './heartbeat-message.ts'

const REQUEST_LIMIT_MS = 10_000

export interface DecisionSenderDependencies {
  readonly taskId: string
  /** With the credentials that the task is held with. */
  readonly dataPipeline: DataPipeline
  readonly runner: Runner
  readonly log: (line: string) => void
}

/**
 * A function that sends decisions with the credentials that the task is held with. Where these are missing, expired or
 * refused, it asks the step that decided for its own, and sends with those to the same region and endpoint.
 */
export function decisionSender(dependencies: DecisionSenderDependencies): ArbiterDependencies['send'] {
  const { taskId, dataPipeline, runner, log } = dependencies

  async function send(
    decision: Decision,
    pipeline: DataPipeline,
    options: SendOptions & { readonly hasOtherCredentials: boolean },
  ): Promise<ReportedStatus> {
    const { deadline, session } = options
    const logTo = (level: 'info' | 'warning') => (text: string) => {
      log(text)
      session?.log(level, runner.redact(text))
    }
    // The step has taken its own secrets out of the texts; these are those of this process.
    const versions = (): Decision['versions'] => versionsWithout(decision, [...runner.secrets])
    return sendReport(
      { taskId, status: decision.status, versions },
      {
        dataPipeline: pipeline,
        deadline,
        attemptTimeoutMs: attemptTimeoutFor(deadline.remaining()),
        random: Math.random,
        log: { ...runner.log, info: logTo('info'), warning: logTo('warning') },
      },
      { ...options, onMayHaveLanded: (value) => session?.mayHaveLanded(value) },
    )
  }

  async function sendWith(
    { accessKeyId, secretAccessKey, sessionToken }: StaticCredentials,
    decision: Decision,
    options: SendOptions,
  ): Promise<ReportedStatus> {
    const other = await connectDataPipeline(
      { region: dataPipeline.region, role: undefined },
      { ...runner, requestLimitMs: REQUEST_LIMIT_MS },
      { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
    )
    try {
      return await send(decision, other, { ...options, hasOtherCredentials: false })
    } finally {
      other.close()
    }
  }

  return async (decision, options) => {
    const { session, deadline } = options
    if (options.mayHaveLanded) session?.mayHaveLanded(true)
    let failure: CallError
    try {
      return await send(decision, dataPipeline, { ...options, hasOtherCredentials: session !== undefined })
    } catch (error) {
      if (!(error instanceof CallError) || session === undefined || !needsOtherCredentials(error.failure)) throw error
      failure = error
    }
    let mayHaveLanded = options.mayHaveLanded || failure.outcomeUnknown
    log(
      `The credentials that the task is held with do not do: ${failure.failure.message}. Asking the step for its own.`,
    )
    // A step that hangs while it looks for them must not keep the decisions that come after it.
    const credentials = await deadline.within(
      deadline.remaining(),
      () => session.credentials(),
      () => CallError.spent(failure, deadline),
    )
    if (credentials !== undefined) {
      try {
        return await sendWith(credentials, decision, { ...options, mayHaveLanded })
      } catch (error) {
        if (!(error instanceof CallError) || !isOfOthers(error) || !mayPass(failure)) throw error
        mayHaveLanded ||= error.outcomeUnknown
        log(`Nor do those of the step: ${error.failure.message}.`)
      }
    }
    // Then with what there is, and with the patience that its failures ask for.
    return send(decision, dataPipeline, { ...options, mayHaveLanded, hasOtherCredentials: false })
  }
}

/** Whether a report may have failed as a step has credentials of another account, for something else. */
function isOfOthers({ failure }: CallError): boolean {
  return needsOtherCredentials(failure) || isTaskGone(failure)
}

/** Whether a report that was given up to use other credentials may be made with the same ones a little later. */
function mayPass({ failure }: CallError): boolean {
  return failure.gettingCredentials || failure.unsettled
}
