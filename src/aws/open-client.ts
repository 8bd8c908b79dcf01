import type { Runner } from '../github/runner.ts'
import { proxyEnvironment } from '../http/proxy.ts'
import { errorMessage } from '../masking/error-message.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { attemptTimeoutFor, type Caller, callerOf } from './call-with-retry.ts'
import { connectDataPipeline } from './client.ts'
import { maskLocalCredentials } from './credentials.ts'
import { environmentCredentials, halfKeyPair } from './environment-credentials.ts'
import { type AwsSettings, DATA_PIPELINE_REGIONS, isKnownRegion } from './settings.ts'

/**
 * The share of the first attempt that a request for credentials may take. Less than all: attempts share a request until it
 * ends, and only then a new one is made.
 */
const SHARE_OF_CREDENTIALS = 0.8

/** The runners of steps that have looked for credentials: a credential process is not started again to mask them. */
const searched = new WeakSet<Runner>()

/**
 * Opens a client for the settings. Warns of settings that look wrong, but may work.
 *
 * @param budgetMs milliseconds for all attempts of a call
 * @throws ConfigurationError
 */
export async function openDataPipeline(aws: AwsSettings, budgetMs: number, runner: Runner): Promise<Caller> {
  for (const problem of proxyEnvironment(runner.env).problems) runner.log.warning(problem)
  const halfPair = aws.role === undefined ? halfKeyPair(runner.env) : undefined
  if (halfPair !== undefined) runner.log.warning(halfPair)
  const attemptTimeoutMs = attemptTimeoutFor(budgetMs)
  const dataPipeline = await connectDataPipeline(aws, {
    ...runner,
    // Called when credentials are found, and never before.
    hide(secrets) {
      searched.add(runner)
      runner.hide(secrets)
    },
    requestLimitMs: attemptTimeoutMs * SHARE_OF_CREDENTIALS,
  }).catch(async (error: unknown) => {
    await maskOwnCredentials(aws, runner, new Deadline(systemClock, attemptTimeoutMs))
    throw error
  })
  const { region } = dataPipeline
  if (!isKnownRegion(region)) {
    runner.log.warning(
      `AWS Data Pipeline is documented for ${DATA_PIPELINE_REGIONS.join(', ')}, not for ${region}. Trying anyway.`,
    )
  }
  return callerOf(dataPipeline, budgetMs, runner.log)
}

/** A credential process, or the machine's metadata service, may take long, and nothing depends on it here. */
const MAX_SEARCH_MS = 3_000
/** Reading files takes less. A step that has to end, or whose budget is spent, has this much left. */
const MIN_SEARCH_MS = 200

/**
 * Masks the credentials that a step would use, before it shows texts without having used them: in a dry run, or when a report
 * could not be made. Never fails.
 */
export async function maskOwnCredentials({ role }: AwsSettings, runner: Runner, deadline: Deadline): Promise<void> {
  // There are none before the role is assumed; those of the environment are hidden.
  if (role !== undefined || environmentCredentials(runner.env) !== undefined || searched.has(runner)) return
  searched.add(runner)
  const isSpent = deadline.remaining() < 2 * MIN_SEARCH_MS
  const searching = isSpent ? new Deadline(systemClock, 2 * MIN_SEARCH_MS) : deadline
  await searching
    .within(
      Math.min(MAX_SEARCH_MS, searching.remaining() / 2),
      () => maskLocalCredentials(runner),
      (ms) => new Error(`no credentials within ${ms} ms`),
    )
    .catch((error: unknown) => runner.log.debug(errorMessage(error)))
}
