import { issuerOf } from '../github/oidc-issuer.ts'
import { hasRangesInNoProxy } from '../http/proxy.ts'
import { errorMessageWithHint } from '../masking/error-message.ts'
import { formatId } from '../masking/format.ts'
import { ConfigurationError, causesOf } from '../util/errors.ts'
import { CallError } from './call-with-retry.ts'
import { credentialSource } from './environment-credentials.ts'
import { hintFor, type Operation } from './error-hints.ts'
import { type AwsSettings, isKnownRegion } from './settings.ts'

/** What a call was made with. */
export interface ErrorContext {
  readonly aws: AwsSettings
  /** Undefined when none was found. */
  readonly region: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** What was called; default SetTaskStatus. */
  readonly operation?: Operation
}

const MAY_HAVE_SUCCEEDED = ' One attempt got no response and may have succeeded.'

/** What an attempt without a response may have done. */
const UNKNOWN_OUTCOME: Readonly<Record<Operation, string>> = {
  PollForTask: ' One attempt got no response. If it had a task, another poll gets that after two minutes.',
  ReportTaskProgress: MAY_HAVE_SUCCEEDED,
  SetTaskStatus: MAY_HAVE_SUCCEEDED,
}

/** Why a call failed, for the user: what happened, the request id, and one hint. */
export function explainError(error: unknown, { aws, region, env, operation = 'SetTaskStatus' }: ErrorContext): string {
  if (!(error instanceof CallError)) {
    return errorMessageWithHint(error)
  }
  const { failure, timeSpent, outcomeUnknown, origin } = error
  const sentence = /[.!?]$/.test(error.message) ? error.message : `${error.message}.`
  const requestId = failure.requestId ? ` Request id: ${formatId(failure.requestId)}.` : ''
  const unknown = outcomeUnknown ? UNKNOWN_OUTCOME[operation] : ''
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
