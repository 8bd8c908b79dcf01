import { issuerOf } from '../github/oidc.ts'
import { hasRangesInNoProxy } from '../http/proxy.ts'
import { errorMessage } from '../masking/error-message.ts'
import { formatId } from '../masking/format.ts'
import { ConfigurationError, causesOf } from '../util/errors.ts'
import { CallError } from './call-with-retry.ts'
import { credentialSource } from './environment-credentials.ts'
import { hintFor, type Operation } from './error-hints.ts'
import { type AwsSettings, isKnownRegion } from './settings.ts'

/** What the call was made with. */
export interface FailureContext {
  readonly aws: AwsSettings
  /** Undefined when none was found. */
  readonly region: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** What was called; default SetTaskStatus. */
  readonly operation?: Operation
}

const LANDED = ' The answer to one try was lost, so that one may have landed all the same.'

/** What it may mean that a request was sent and had no answer. */
const LOST: Readonly<Record<Operation, string>> = {
  PollForTask: ' The answer to one try was lost; if a task was in it, the task goes to another poll after two minutes.',
  ReportTaskProgress: LANDED,
  SetTaskStatus: LANDED,
}

/** Why a call did not succeed, for the user: what happened, the request id, and one hint how to mend it. */
export function explainFailure(
  error: unknown,
  { aws, region, env, operation = 'SetTaskStatus' }: FailureContext,
): string {
  if (!(error instanceof CallError)) {
    return error instanceof ConfigurationError && error.hint ? `${error.message} ${error.hint}` : errorMessage(error)
  }
  const { failure, timeSpent, outcomeUnknown, origin } = error
  const sentence = /[.!?]$/.test(error.message) ? error.message : `${error.message}.`
  const requestId = failure.requestId ? ` Request id: ${formatId(failure.requestId)}.` : ''
  const unknown = outcomeUnknown ? LOST[operation] : ''
  const causes = causesOf(error)
  const configuration = causes.find((cause) => cause instanceof ConfigurationError)
  const isNoAddress = causes.some((cause) => (cause as NodeJS.ErrnoException).code === 'ERR_INVALID_URL')
  const hint =
    configuration?.hint !== undefined
      ? configuration.hint
      : hintFor({
          ...failure,
          operation,
          ...(error.source ?? credentialSource(aws, env)),
          issuer: issuerOf(env),
          region,
          regionIsKnown: region !== undefined && isKnownRegion(region),
          origin,
          hasProxyRanges: hasRangesInNoProxy(env),
          isNoAddress,
          timeSpent,
          isCutShort: error.isCutShort,
          outcomeUnknown,
        })
  return `${sentence}${requestId}${unknown} ${hint}`
}
