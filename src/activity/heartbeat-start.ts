import type { Invocation } from '../github/invocation.ts'
import type { Runner } from '../github/runner.ts'
import { workflowRunOf } from '../github/workflow-run.ts'
import type { ActivityReportInputs, HeartbeatInputs } from '../inputs/activity.ts'
import { errorMessage } from '../masking/error-message.ts'
import { systemClock } from '../util/clock.ts'
import { ConfigurationError } from '../util/errors.ts'
import { findHeartbeat } from './find-heartbeat.ts'
import type { HeartbeatClient } from './heartbeat-client.ts'
import { launchHeartbeat, type StepSettings } from './heartbeat-launcher.ts'
import type { ProcessIdentity } from './process-identity.ts'
import type { SavedHeartbeat } from './saved-state.ts'

/** The process that is going to hold the task: a new one, or that of an earlier activity of this job. */
export interface PreparedHeartbeat {
  /** To be saved before it starts, as this step may be killed. */
  readonly saved: SavedHeartbeat
  /** Starts the heartbeats, once the task is acknowledged. */
  start(): Promise<SavedHeartbeat>
  /** There is no task to hold. */
  cancel(): void
}

/**
 * Prepares the heartbeat process before it is known whether there is a task to hold: Node takes as long to start as the
 * acknowledgement takes.
 *
 * @throws ConfigurationError when the process can't be started, or does not respond
 */
export async function prepareHeartbeat(
  inputs: ActivityReportInputs & HeartbeatInputs,
  { runner, bindToShutdown }: Pick<Invocation, 'runner' | 'bindToShutdown'>,
): Promise<PreparedHeartbeat> {
  const client = await findHeartbeat(inputs.taskId, runner, systemClock)
  if (client !== undefined) {
    // Before the process is saved: from then on, the post step of this activity leaves it.
    await client.join(inputs.report).catch(rethrowNotStarted)
    return joinedHeartbeat(client, runner)
  }
  try {
    const launched = launchHeartbeat(inputs.taskId, runner.env, systemClock)
    const { folder } = launched
    const saved = (process: ProcessIdentity): SavedHeartbeat => ({ ...process, folder })
    return {
      saved: saved(launched.process),
      start: () => launched.start(stepSettings(inputs, runner), bindToShutdown).then(saved, rethrowNotStarted),
      cancel: () => launched.cancel(),
    }
  } catch (cause) {
    return rethrowNotStarted(cause)
  }
}

function joinedHeartbeat(client: HeartbeatClient, { log }: Runner): PreparedHeartbeat {
  const { folder, pid, startedAt } = client.state
  const saved = { pid, startedAt, folder }
  return {
    saved,
    async start() {
      client.close()
      const { ended } = client.state
      if (ended !== undefined) {
        rethrowNotStarted(new Error(`The heartbeat process of an earlier step sends no more heartbeats (${ended}).`))
      }
      log.info('An earlier step of this job already holds the task. Its heartbeat settings apply.')
      return saved
    },
    cancel: () => client.close(),
  }
}

function stepSettings(inputs: ActivityReportInputs & HeartbeatInputs, runner: Runner): StepSettings {
  const { repository, id: runId, apiUrl } = workflowRunOf(runner.env)
  const token = inputs.evidence.githubToken
  return {
    taskId: inputs.taskId,
    aws: inputs.aws,
    intervalMs: inputs.heartbeatSeconds * 1000,
    lifetimeMs: inputs.maxLifetimeMinutes * 60_000,
    onCancel: inputs.onCancel,
    report: inputs.report,
    github: token && repository && runId ? { token, repository, runId, apiUrl } : undefined,
    jobToken: inputs.jobToken,
  }
}

function rethrowNotStarted(cause: unknown): never {
  throw new ConfigurationError(errorMessage(cause), {
    hint: 'Without heartbeats the task goes to another runner.',
    cause,
  })
}
