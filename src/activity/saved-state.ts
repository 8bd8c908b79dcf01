import { CONFIGURED_ENDPOINT_VARIABLES } from '../aws/endpoint.ts'
import type { Runner } from '../github/runner.ts'
import type { ActivityReportInputs } from '../inputs/activity.ts'
import { errorMessage } from '../masking/error-message.ts'
import { passwordIn } from '../util/address.ts'
import { ConfigurationError } from '../util/errors.ts'
import type { ProcessIdentity } from './process-identity.ts'

/** What the post step needs however far the main step got: not all inputs reach it as they were (actions/runner#3514). */
interface ActivityBase extends ActivityReportInputs {
  /** The process that holds the task; undefined where none was started. */
  readonly heartbeat?: SavedHeartbeat
}

export interface SavedHeartbeat extends ProcessIdentity {
  /** Of its files. */
  readonly folder: string
}

/** What became of the main step. */
export type SavedActivity =
  /** The inputs are wrong: the task is perhaps not even known. */
  | { readonly outcome: 'invalid-inputs' }
  /** It did not get to its end. */
  | (ActivityBase & { readonly outcome: 'failed' })
  /** The job goes on, and nobody holds the task: in a dry run, or as fail-on-error is false. */
  | (ActivityBase & { readonly outcome: 'not-held' })
  /** The job goes on, and the heartbeat process holds the task. */
  | (ActivityBase & { readonly outcome: 'held'; readonly region: string; readonly endpoints: Endpoints })
  /** The task is not this job's: there is nothing to report. */
  | (ActivityBase & { readonly outcome: 'lost'; readonly reason: 'canceled' | 'gone' })

/** The variables that move the services elsewhere, as they were when the task was taken; those that were not set are missing. */
export type Endpoints = Readonly<Record<string, string>>

const STATE = 'activity'

/**
 * Saves it; a later call replaces what an earlier one saved.
 *
 * @throws ConfigurationError when the runner's file can't be written
 */
export function saveActivity(runner: Pick<Runner, 'saveState'>, activity: SavedActivity): void {
  try {
    runner.saveState(STATE, JSON.stringify(activity))
  } catch (cause) {
    const isDenied = (cause as NodeJS.ErrnoException | null)?.code === 'EACCES'
    throw new ConfigurationError(`What the post step needs could not be saved: ${errorMessage(cause)}.`, {
      cause,
      ...(isDenied && { hint: DENIED_HINT }),
    })
  }
}

const DENIED_HINT =
  'In a job with container:, run the container as the runner\'s user, whose files these are: options: --user with the number that "id -u" gives on the machine.'

/** What the main step saved; undefined when it could save nothing. */
export function savedActivity(runner: Runner): SavedActivity | undefined {
  const text = runner.state(STATE)
  return text === '' ? undefined : (JSON.parse(text) as SavedActivity)
}

/** Longer ones are no addresses. */
const MAX_ENDPOINT_CHARACTERS = 2048

/** The endpoint variables to save. One with a user name and password in it is a credential, and is not saved. */
export function endpointsOf(env: Readonly<Record<string, string | undefined>>): Endpoints {
  const entries = CONFIGURED_ENDPOINT_VARIABLES.map((name): [string, string] => [name, env[name] ?? ''])
  return Object.fromEntries(
    entries.filter(
      ([, value]) => value !== '' && value.length <= MAX_ENDPOINT_CHARACTERS && passwordIn(value) === undefined,
    ),
  )
}

/** Makes the endpoint variables of this step what they were when the task was taken. */
export function restoreEndpoints(endpoints: Endpoints, env: NodeJS.ProcessEnv): void {
  for (const name of CONFIGURED_ENDPOINT_VARIABLES) {
    const saved = endpoints[name]
    // One that could not be saved is taken as it is now.
    if (saved !== undefined) env[name] = saved
    else if (passwordIn(env[name] ?? '') === undefined) delete env[name]
  }
}
