import { GitHubApiError } from '../github/api-error.ts'
import { errorMessage } from '../masking/error-message.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { ConfigurationError, causesOf } from '../util/errors.ts'
import { formatSeconds } from '../util/format.ts'
import { RetriesSpentError, type RetryDecision, retry } from '../util/retry.ts'
import type { HeartbeatSettings } from './heartbeat-settings.ts'

const ATTEMPT_TIMEOUT_MS = 10_000
/** Outlives an outage of GitHub's API. A run that goes on longer only costs minutes of a runner. */
const BUDGET_MS = 300_000

/** Cancels the workflow run, where the input `on-cancel` asks for it. Never fails: what goes wrong is logged. */
export async function cancelRun(
  { onCancel, github }: Pick<HeartbeatSettings, 'onCancel' | 'github'>,
  log: (line: string) => void,
): Promise<void> {
  if (onCancel === 'ignore') return
  if (github === undefined) return log('Could not cancel the workflow run: the input github-token is empty.')
  try {
    await retry(
      async (_attempt, signal) => {
        const { connectGitHub } = await import('../github/api.ts')
        const api = await connectGitHub({ ...github, env: process.env, signal, onProblem: log })
        await api.cancelRun()
      },
      {
        deadline: new Deadline(systemClock, BUDGET_MS),
        random: Math.random,
        attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
        onAttemptTimeout: (ms) => new GitHubApiError(`no response within ${formatSeconds(ms)}`, undefined),
        decide: afterFailedAttempt,
        onWait: (error) => log(`Could not cancel the workflow run yet: ${errorMessage(error)}. Trying again.`),
      },
    )
    log('Canceled the workflow run.')
  } catch (error) {
    const cause = error instanceof RetriesSpentError ? error.cause : error
    log(`Could not cancel the workflow run, which needs "permissions: actions: write": ${errorMessage(cause)}`)
  }
}

/** A refusal of GitHub is final. To cancel a run twice does no harm. */
function afterFailedAttempt(error: unknown): RetryDecision {
  if (!(error instanceof GitHubApiError)) return 'fail'
  if (causesOf(error).some((cause) => cause instanceof ConfigurationError)) return 'fail'
  const { status = 500 } = error
  if (status === 429) return 'retry-throttled'
  return status >= 500 ? 'retry-with-backoff' : 'fail'
}
