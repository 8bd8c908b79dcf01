import { CallError, type CallOptions, callWithRetry } from '../aws/call-with-retry.ts'
import type { StatusReport } from '../aws/data-pipeline.ts'
import type { ErrorFields } from '../domain/error-fields.ts'
import type { TaskStatus } from '../domain/task-status.ts'

/** What to report. */
export interface Report {
  readonly taskId: string
  readonly status: TaskStatus
  /**
   * The error fields to send, without what is hidden by now; the further versions are for a service that finds the request
   * invalid.
   */
  readonly versions: () => readonly [ErrorFields, ...ErrorFields[]]
}

/** A report that the service has. */
export interface ReportedStatus {
  readonly requestId: string | undefined
  readonly attempts: number
  /** The error fields that the service accepted: all, truncated ones, or none. */
  readonly fields: ErrorFields
  /** Where it went; undefined when that is the address of AWS for the region. */
  readonly origin: string | undefined
  /** An attempt got no response, and the task is gone since: the report most likely succeeded. */
  readonly presumed: boolean
}

/** Thrown instead of sending a report when another step of the job reports the task. */
export class SupersededError extends Error {
  override readonly name = 'SupersededError'

  constructor() {
    super('a later step of this job reports the task')
  }
}

/** Options of a report. */
export interface SendReportOptions {
  /** Called before each attempt. Nothing more is sent when it returns false. Default: always true. */
  readonly isStillWanted?: () => boolean
  /** An earlier attempt got no response. If the task is not found now, that one most likely succeeded. */
  readonly mayHaveLanded?: boolean
  /** Called with true when a request is sent, and with false when its response shows that no attempt has succeeded. */
  readonly onMayHaveLanded?: (value: boolean) => void
  /** Whether to give up at once when there are no credentials, as others may be used. Default false. */
  readonly hasOtherCredentials?: boolean
}

/**
 * Reports a status with SetTaskStatus until the service has it or the deadline is over.
 *
 * The status is what matters. When the service rejects a request as invalid, it is sent again with shorter error texts, and
 * then without any.
 *
 * @throws CallError
 * @throws SupersededError
 */
export async function sendReport(
  report: Report,
  dependencies: CallOptions,
  {
    isStillWanted = () => true,
    mayHaveLanded = false,
    hasOtherCredentials = false,
    onMayHaveLanded,
  }: SendReportOptions = {},
): Promise<ReportedStatus> {
  const { dataPipeline, log } = dependencies
  // Made for each attempt, when its credentials are masked: they must not be in the texts.
  let versions: readonly ErrorFields[] = []
  let version = 0
  const fieldsNow = (): ErrorFields => versions[version] ?? {}
  let fieldsOfUnknownOutcome: ErrorFields | undefined
  try {
    const { response, attempts } = await callWithRetry(
      async (call) => {
        if (!isStillWanted()) throw new SupersededError()
        await dataPipeline.credentials()
        versions = report.versions()
        // To get credentials may have taken long.
        if (!isStillWanted()) throw new SupersededError()
        return dataPipeline.setTaskStatus(requestOf(report, fieldsNow()), {
          ...call,
          onSend() {
            onMayHaveLanded?.(true)
            call.onSend?.()
          },
        })
      },
      { ...dependencies, retriesRefusals: !hasOtherCredentials },
      ({ kind, gettingCredentials, message, outcomeUnknown }, sent) => {
        if (outcomeUnknown && sent) fieldsOfUnknownOutcome = fieldsNow()
        else if (sent && !mayHaveLanded && fieldsOfUnknownOutcome === undefined) onMayHaveLanded?.(false)
        if (gettingCredentials && hasOtherCredentials) return 'fail'
        if (kind !== 'invalid-request' || gettingCredentials || version + 1 >= versions.length) return undefined
        version += 1
        const texts = Object.keys(fieldsNow()).length > 0 ? 'shorter error texts' : 'no error texts'
        log.warning(`Data Pipeline refused the request (${message}); sending the status again with ${texts}.`)
        return 'retry-immediately'
      },
    )
    return {
      requestId: response.requestId,
      attempts,
      fields: fieldsNow(),
      origin: dataPipeline.unusualOrigin,
      presumed: false,
    }
  } catch (error) {
    if (error instanceof CallError && error.cause instanceof SupersededError) throw error.cause
    const isGone = error instanceof CallError && error.failure.kind === 'task-not-found'
    if (isGone && (error.outcomeUnknown || mayHaveLanded)) {
      const fields = fieldsOfUnknownOutcome ?? fieldsNow()
      const { failure, attempts, origin } = error
      return { requestId: failure.requestId, attempts, fields, origin, presumed: true }
    }
    throw error
  }
}

/** The request for a report, without empty members. */
export function requestOf({ taskId, status }: Pick<Report, 'taskId' | 'status'>, fields: ErrorFields): StatusReport {
  return { taskId, taskStatus: status, ...fields }
}
