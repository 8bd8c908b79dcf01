import { CONFIGURED_ENDPOINT_VARIABLES } from '../aws/endpoint.ts'
import type { Runner } from '../github/runner.ts'
import type { ActivityReportInputs } from '../inputs/activity.ts'
import { errorMessage } from '../masking/error-message.ts'
import { passwordIn } from '../util/address.ts'
import { ConfigurationError } from '../util/errors.ts'
import type { ProcessIdentity } from './process-identity.ts'

/** What the post step needs whatever happened: not all inputs reach it as they were (actions/runner#3514). */
interface ActivityBase extends ActivityReportInputs {
  /** The heartbeat process; undefined when none was started. */
  readonly heartbeat?: SavedHeartbeat
}

export interface SavedHeartbeat extends ProcessIdentity {
  /** The folder of its files. */
  readonly folder: string
}

/** What the main step of activity saves for its post step. */
export type SavedActivity =
  /** The inputs are invalid. The task may not even be known. */
  | { readonly outcome: 'invalid-inputs' }
  /** The main step did not complete. */
  | (ActivityBase & { readonly outcome: 'failed' })
  /** The job goes on without heartbeats: in a dry run, or with `fail-on-error: false`. */
  | (ActivityBase & { readonly outcome: 'not-held' })
  /** The job goes on, and the heartbeat process holds the task. */
  | (ActivityBase & { readonly outcome: 'running'; readonly region: string; readonly endpoints: Endpoints })
  /** The task is not this job's. There is nothing to report. */
  | (ActivityBase & { readonly outcome: 'lost'; readonly reason: 'canceled' | 'gone' })

/** An activity whose task is known. */
export type KnownActivity = Exclude<SavedActivity, { outcome: 'invalid-inputs' }>

/** The environment variables that configure endpoints, as they were when the task was taken. Those not set are missing. */
export type Endpoints = Readonly<Record<string, string>>

const STATE = 'activity'

/**
 * Saves what became of the main step, at each point from which the step may be killed. The last save counts.
 *
 * Every method throws ConfigurationError when the runner's file can't be written.
 */
export class ActivityRecord {
  readonly #runner: Pick<Runner, 'saveState' | 'env'>
  #base: ActivityBase

  /** Saves that the main step failed, which holds until it has done more. */
  constructor(runner: Pick<Runner, 'saveState' | 'env'>, inputs: ActivityReportInputs) {
    this.#runner = runner
    this.#base = inputs
    this.#save({ ...this.#base, outcome: 'failed' })
  }

  /** The heartbeat process was started. The post step has to end it, whatever happens next. */
  heartbeatStarted(heartbeat: SavedHeartbeat): void {
    this.#base = { ...this.#base, heartbeat }
    this.#save({ ...this.#base, outcome: 'failed' })
  }

  running(heartbeat: SavedHeartbeat, region: string): void {
    const endpoints = endpointsOf(this.#runner.env)
    this.#save({ ...this.#base, heartbeat, outcome: 'running', region, endpoints })
  }

  taskLost(reason: 'canceled' | 'gone'): void {
    this.#save({ ...this.#base, outcome: 'lost', reason })
  }

  notHeld(): void {
    this.#save({ ...this.#base, outcome: 'not-held' })
  }

  #save(activity: SavedActivity): void {
    saveActivity(this.#runner, activity)
  }
}

/** Saves that the inputs are invalid. @throws ConfigurationError when the runner's file can't be written */
export function saveInvalidInputs(runner: Pick<Runner, 'saveState'>): void {
  saveActivity(runner, { outcome: 'invalid-inputs' })
}

function saveActivity(runner: Pick<Runner, 'saveState'>, activity: SavedActivity): void {
  try {
    runner.saveState(STATE, JSON.stringify(activity))
  } catch (cause) {
    const isDenied = (cause as NodeJS.ErrnoException | null)?.code === 'EACCES'
    throw new ConfigurationError(`Could not save the state for the post step: ${errorMessage(cause)}.`, {
      cause,
      ...(isDenied && { hint: DENIED_HINT }),
    })
  }
}

const DENIED_HINT =
  'In a job with container:, run the container as the user of the runner, who owns these files: options: --user with the number that "id -u" prints on the machine.'

/** What the main step saved; undefined when it saved nothing. */
export function savedActivity(runner: Runner): SavedActivity | undefined {
  const text = runner.state(STATE)
  return text === '' ? undefined : (JSON.parse(text) as SavedActivity)
}

/** A longer value is no address. */
const MAX_ENDPOINT_CHARACTERS = 2048

/** The endpoint variables to save. An address with a user name and password is a credential, and is not saved. */
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
    // A value that could not be saved stays as it is now.
    if (saved !== undefined) env[name] = saved
    else if (passwordIn(env[name] ?? '') === undefined) delete env[name]
  }
}
