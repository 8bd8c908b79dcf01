import { CallError, callerOf } from '../aws/call-with-retry.ts'
import { connectDataPipeline } from '../aws/client.ts'
import type { DataPipeline } from '../aws/data-pipeline.ts'
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
 * Gives a function that sends decisions with the credentials that hold the task. If these are missing, expired or rejected,
 * it uses the credentials of the step that decided, with the same region and endpoint.
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
    // The step has redacted its own secrets. These are the secrets of this process.
    const versions = (): Decision['versions'] => versionsWithout(decision, [...runner.secrets])
    return sendReport(
      { taskId, status: decision.status, versions },
      {
        ...callerOf(pipeline, deadline.remaining(), { ...runner.log, info: logTo('info'), warning: logTo('warning') }),
        deadline,
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
      `Could not report with the credentials that hold the task: ${failure.failure.message}. Using those of the step.`,
    )
    // A step that hangs while it gets credentials must not delay the decisions after it.
    const credentials = await deadline.within(
      deadline.remaining(),
      () => session.credentials(),
      () => CallError.spent(failure, deadline),
    )
    if (credentials !== undefined) {
      try {
        return await sendWith(credentials, decision, { ...options, mayHaveLanded })
      } catch (error) {
        if (!(error instanceof CallError) || !isOtherAccount(error) || !mayRecover(failure)) throw error
        mayHaveLanded ||= error.outcomeUnknown
        log(`Could not report with the credentials of the step: ${error.failure.message}.`)
      }
    }
    // Back to the credentials that hold the task, now with all retries.
    return send(decision, dataPipeline, { ...options, mayHaveLanded, hasOtherCredentials: false })
  }
}

/** Whether a report may have failed because the credentials of the step belong to another account. */
function isOtherAccount({ failure }: CallError): boolean {
  return needsOtherCredentials(failure) || isTaskGone(failure)
}

/** Whether a later attempt with the same credentials may succeed. */
function mayRecover({ failure }: CallError): boolean {
  return failure.gettingCredentials || failure.unsettled
}
