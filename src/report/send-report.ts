import type { StatusReport } from '../aws/data-pipeline.ts'
import { type CallDependencies, CallError, callReliably } from '../aws/reliable-call.ts'
import type { TaskStatus } from '../status.ts'
import type { ErrorFields } from './error-fields.ts'

/** What to report. */
export interface Report {
  readonly taskId: string
  readonly status: TaskStatus
  /**
   * The error fields to send, without these secrets; the further versions are for a service that finds the request
   * invalid.
   */
  readonly versions: (secrets: readonly string[]) => readonly [ErrorFields, ...ErrorFields[]]
}

/** A report that the service has. */
export interface ReportedStatus {
  readonly requestId: string | undefined
  readonly tries: number
  /** The error fields that the service took: all, shortened ones, or none. */
  readonly fields: ErrorFields
  /** The answer was lost, and the task is gone since: the report most likely landed. */
  readonly presumed: boolean
}

/**
 * Reports a status with SetTaskStatus until the service has it or the deadline is over.
 *
 * The status matters, the texts decorate it: when the service refuses a request as invalid, it is sent again with
 * shorter texts and then without any.
 *
 * @throws CallError
 */
export async function sendReport(report: Report, dependencies: CallDependencies): Promise<ReportedStatus> {
  const { dataPipeline, log } = dependencies
  // Fitted anew for each try, when its credentials are known: they must not be in the texts.
  let versions: readonly ErrorFields[] = []
  let version = 0
  const fieldsNow = (): ErrorFields => versions[version] ?? {}
  let fieldsOfLostAnswer: ErrorFields = {}
  try {
    const { answer, tries } = await callReliably(
      async (call) => {
        versions = report.versions(await dataPipeline.secrets())
        return dataPipeline.setTaskStatus(requestOf(report, fieldsNow()), call)
      },
      dependencies,
      ({ kind, gettingCredentials, message, answerLost }) => {
        if (answerLost) fieldsOfLostAnswer = fieldsNow()
        if (kind !== 'invalid-request' || gettingCredentials || version + 1 >= versions.length) return undefined
        version += 1
        const texts = Object.keys(fieldsNow()).length > 0 ? 'shorter error texts' : 'no error texts'
        log.warning(`Data Pipeline refused the request (${message}); sending the status again with ${texts}.`)
        return 'again-now'
      },
    )
    return { requestId: answer.requestId, tries, fields: fieldsNow(), presumed: false }
  } catch (error) {
    if (error instanceof CallError && error.failure.kind === 'task-not-found' && error.answerLost) {
      return { requestId: error.failure.requestId, tries: error.tries, fields: fieldsOfLostAnswer, presumed: true }
    }
    throw error
  }
}

/** The request for a report; what it has no value for is left out. */
export function requestOf({ taskId, status }: Pick<Report, 'taskId' | 'status'>, fields: ErrorFields): StatusReport {
  return { taskId, taskStatus: status, ...fields }
}
