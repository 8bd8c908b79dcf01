import type { Runner } from '../github/runner.ts'
import { proxyEnvironment } from '../http/proxy.ts'
import { errorMessage } from '../masking/error-message.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { attemptTimeoutFor } from './call-with-retry.ts'
import { connectDataPipeline, type DataPipeline, hideLocalCredentials } from './client.ts'
import { environmentCredentials, halfKeyPair } from './environment-credentials.ts'
import { type AwsSettings, DATA_PIPELINE_REGIONS, isKnownRegion } from './settings.ts'

/**
 * The share of the first try that a request for credentials may take. Less than all: a request that several tries wait
 * for has to end for a new one to be made.
 */
const SHARE_OF_CREDENTIALS = 0.8

/** A client, and the milliseconds that the first try of a call may take. */
export interface OpenDataPipeline {
  readonly dataPipeline: DataPipeline
  readonly attemptTimeoutMs: number
}

/** The steps that have looked for credentials: a program that gives them is not started once more to hide them. */
const searched = new WeakSet<Runner>()

/**
 * A client for the settings, with a warning for what looks wrong and may work all the same.
 *
 * @throws ConfigurationError
 */
export async function openDataPipeline(aws: AwsSettings, budgetMs: number, runner: Runner): Promise<OpenDataPipeline> {
  for (const problem of proxyEnvironment(runner.env).problems) runner.log.warning(problem)
  const halfPair = aws.role === undefined ? halfKeyPair(runner.env) : undefined
  if (halfPair !== undefined) runner.log.warning(halfPair)
  const attemptTimeoutMs = attemptTimeoutFor(budgetMs)
  const dataPipeline = await connectDataPipeline(aws, {
    ...runner,
    // What is found is hidden at once, and nothing is hidden before.
    hide(secrets) {
      searched.add(runner)
      runner.hide(secrets)
    },
    requestLimitMs: attemptTimeoutMs * SHARE_OF_CREDENTIALS,
  }).catch(async (error: unknown) => {
    await hideOwnCredentials(aws, runner, new Deadline(systemClock, attemptTimeoutMs))
    throw error
  })
  const { region } = dataPipeline
  if (!isKnownRegion(region)) {
    runner.log.warning(
      `AWS Data Pipeline is documented for ${DATA_PIPELINE_REGIONS.join(', ')}, not for ${region}. Trying all the same.`,
    )
  }
  return { dataPipeline, attemptTimeoutMs }
}

/** A program that gives credentials, or the machine's metadata service, may take long, and nothing depends on it here. */
const MAX_SEARCH_MS = 3_000
/** Reading files takes less. A step that has to end, or whose time is spent, has so much left. */
const MIN_SEARCH_MS = 200

/**
 * Hides the credentials that a step would use, where it has to show texts without having used them: of a dry run, or of a
 * report that could not be made. Never fails.
 */
export async function hideOwnCredentials({ role }: AwsSettings, runner: Runner, deadline: Deadline): Promise<void> {
  // There are none before the role is assumed; those of the environment are hidden.
  if (role !== undefined || environmentCredentials(runner.env) !== undefined || searched.has(runner)) return
  searched.add(runner)
  const isSpent = deadline.remaining() < 2 * MIN_SEARCH_MS
  const searching = isSpent ? new Deadline(systemClock, 2 * MIN_SEARCH_MS) : deadline
  await searching
    .within(
      Math.min(MAX_SEARCH_MS, searching.remaining() / 2),
      () => hideLocalCredentials(runner),
      (ms) => new Error(`no credentials within ${ms} ms`),
    )
    .catch((error: unknown) => runner.log.debug(errorMessage(error)))
}
