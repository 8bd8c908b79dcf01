import {
  DataPipelineClient,
  PollForTaskCommand,
  ReportTaskProgressCommand,
  ReportTaskRunnerHeartbeatCommand,
  SetTaskStatusCommand,
} from '@aws-sdk/client-data-pipeline'
import type {
  AwsCredentialIdentity,
  HttpHandlerOptions,
  HttpRequest,
  HttpResponse,
  RequestHandler,
} from '@smithy/types'
import type { ErrorFields } from '../domain/error-fields.ts'
import type { TaskStatus } from '../domain/task-status.ts'
import type { Log } from '../github/log.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { ConfigurationError } from '../util/errors.ts'
import { asRecord } from '../util/json.ts'
import { CredentialSearch } from './credential-search.ts'
import { checkEndpointVariable, unusualOrigin } from './endpoint.ts'
import { type CredentialSource, credentialSource, environmentCredentials } from './environment-credentials.ts'
import { CredentialsError } from './errors.ts'
import { AwsHttpHandler, type RequestOptions } from './http-handler.ts'
import { assumeRole, type OidcDependencies } from './role-credentials.ts'
import { type AwsSettings, DATA_PIPELINE_REGIONS } from './settings.ts'

/**
 * Read by the SDK's default chain, which otherwise keeps the first content of the config and credentials files as long
 * as the process lives, and calls the service of a sign-in (`aws sso login`) past the given handler. Not in the client's
 * types, so a test rotates every kind of source, and another one signs in.
 */
function chainSettings(requestHandler: RequestHandler<HttpRequest, HttpResponse, HttpHandlerOptions>) {
  return { ignoreCache: true, clientConfig: { requestHandler } }
}

/** Long enough for a session to be known in all of AWS. */
const NEW_SESSION_MS = 60_000

/** One SetTaskStatus call. */
export interface StatusReport extends ErrorFields {
  /** 1 to 2048 characters. */
  readonly taskId: string
  readonly taskStatus: TaskStatus
}

/** One try of a call. */
export interface Call {
  readonly signal: AbortSignal
  /** Told when the request goes out on a connection that is ready: from then on it may have taken effect. */
  readonly onSend?: () => void
}

/** A field of a pipeline object: a text, or a reference to another object. */
export type TaskField =
  | { readonly key: string; readonly stringValue: string }
  | { readonly key: string; readonly refValue: string }

export interface TaskObject {
  readonly id: string
  readonly name: string
  readonly fields: readonly TaskField[]
}

/** A task, as PollForTask hands it out. */
export interface Task {
  readonly taskId: string
  readonly pipelineId: string
  readonly attemptId: string
  /** The attempt and what it refers to, by their ids, without encrypted fields. An id may be any text: own properties only. */
  readonly objects: Readonly<Record<string, TaskObject>>
  /** The fields of all objects that are kept encrypted in the pipeline (Developer Guide): their key begins with `*`. */
  readonly encrypted: readonly TaskField[]
}

/** The calls of AWS Data Pipeline that a task runner makes: one try each, no retries, no limits of their own. */
export interface DataPipeline {
  readonly region: string
  /** Where the last call went, as `https://host:port`, when that is not the address of AWS for the region. */
  readonly unusualOrigin: string | undefined
  /** What the credentials come from; undefined for those that another step handed over. */
  readonly source: CredentialSource | undefined
  /** The credentials in use, whose secret parts are hidden by now. Fails with what getting them met. */
  credentials(): Promise<AwsCredentialIdentity>
  /**
   * Reads the source of the credentials again: files, process, token file, role session. Whether they differ from those
   * of the last call. Fails with what getting them met.
   */
  renewCredentials(): Promise<boolean>
  /**
   * Whether the credentials in use are a session that is perhaps new: used here for less than a minute. AWS may not know
   * it everywhere yet.
   */
  hasNewSession(): boolean
  setTaskStatus(report: StatusReport, call: Call): Promise<{ requestId: string | undefined }>
  /** The next task of the worker group; undefined when there is none. The service holds the answer for up to 90 s. */
  pollForTask(request: { workerGroup: string; hostname?: string }, call: Call): Promise<Task | undefined>
  /** Acknowledges a task, and keeps it. Whether the service has cancelled it. */
  reportTaskProgress(taskId: string, call: Call): Promise<{ canceled: boolean }>
  /** Says that the task runner is there. Whether the service wants it to end. */
  reportTaskRunnerHeartbeat(
    request: { taskrunnerId: string; workerGroup: string; hostname?: string },
    call: Call,
  ): Promise<{ terminate: boolean }>
  /** When the credentials in use expire, in milliseconds since 1970; undefined when nobody says. */
  expiration(): Promise<number | undefined>
  /** Ends all connections. */
  close(): void
}

/** What a client is made with. */
export interface ConnectDependencies extends OidcDependencies {
  readonly log: Pick<Log, 'warning'>
}

/**
 * A client for the settings. Nothing is sent yet, and no credentials are looked for. What it gets of them later is hidden
 * before anything is signed with it.
 *
 * @param fixed credentials to use instead of what the settings and the environment have
 * @throws ConfigurationError when no region can be found, or an endpoint variable is no address
 */
export async function connectDataPipeline(
  settings: AwsSettings,
  dependencies: ConnectDependencies,
  fixed?: AwsCredentialIdentity,
): Promise<DataPipeline> {
  checkEndpointVariable(dependencies.env)
  // Loaded only where it is needed, which is seldom.
  const ca = dependencies.env['AWS_CA_BUNDLE']
    ? await (await import('./ca-bundle.ts')).trustedCertificates(dependencies.env['AWS_CA_BUNDLE'], dependencies)
    : undefined
  const transport = new AwsHttpHandler({ ...dependencies, ca })
  // AWS_DEFAULT_REGION is known to the CLI and to boto3, not to this SDK.
  const given = settings.region || dependencies.env['AWS_REGION'] || dependencies.env['AWS_DEFAULT_REGION']
  const role = settings.role
  const search = new CredentialSearch()
  const credentialsGiven = (): Partial<ConstructorParameters<typeof DataPipelineClient>[0]> => {
    if (fixed) return { credentials: fixed }
    if (role) {
      return { credentials: async () => assumeRole(role, await client.config.region(), transport, dependencies) }
    }
    const credentials = environmentCredentials(dependencies.env)
    return credentials === undefined ? {} : { credentials }
  }
  const client: DataPipelineClient = new DataPipelineClient({
    ...(given ? { region: given } : {}),
    ...credentialsGiven(),
    ...chainSettings(transport),
    logger: search.logger,
    requestHandler: transport,
    // The retries are ours: the SDK's three quick attempts are over within seconds.
    maxAttempts: 1,
    customUserAgent: 'aws-datapipeline-set-task-status',
  })
  const isOfChain = fixed === undefined && role === undefined && environmentCredentials(dependencies.env) === undefined
  hideCredentials(client, dependencies, isOfChain)
  const region = await regionOf(client, given, dependencies.requestLimitMs)

  let lastUsed: AwsCredentialIdentity | undefined
  let usedSince = 0

  async function credentials(forceRefresh: boolean): Promise<AwsCredentialIdentity> {
    try {
      return await client.config.credentials({ forceRefresh })
    } catch (cause) {
      throw new CredentialsError('No AWS credentials could be had', { cause: search.explain(cause) })
    }
  }

  /** Gets the credentials for a call before the call does, so that its failure can be told from the call's. */
  async function prepare({ signal, onSend }: Call): Promise<RequestOptions> {
    const current = await credentials(false)
    if (!areSame(lastUsed, current)) usedSince = systemClock.now()
    lastUsed = current
    return { abortSignal: signal, onSend }
  }

  return {
    region,
    source: fixed === undefined ? credentialSource(settings, dependencies.env) : undefined,
    get unusualOrigin() {
      return transport.lastOrigin === undefined ? undefined : unusualOrigin(transport.lastOrigin, region)
    },
    credentials: () => credentials(false),
    async renewCredentials() {
      // Not those that the SDK has now: it may have renewed them itself after the call failed.
      const before = lastUsed
      return !areSame(before, await credentials(true))
    },
    hasNewSession: () => lastUsed?.sessionToken !== undefined && systemClock.now() - usedSince < NEW_SESSION_MS,
    async setTaskStatus(report, call) {
      const response = await client.send(new SetTaskStatusCommand({ ...report }), await prepare(call))
      return { requestId: response.$metadata.requestId }
    },
    async pollForTask(request, call) {
      const command = new PollForTaskCommand({ ...request })
      let response: unknown
      // The SDK loses an object whose id is __proto__.
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args)
          response = parseResponse((result.response as { body?: unknown }).body)
          return result
        },
        // Nearest to the transport: the SDK has not read the answer yet.
        { step: 'deserialize', priority: 'low' },
      )
      await client.send(command, await prepare(call))
      return toTask(asRecord(response)['taskObject'])
    },
    async reportTaskProgress(taskId, call) {
      // An answer without a body has no `canceled`.
      const { canceled } = await client.send(new ReportTaskProgressCommand({ taskId }), await prepare(call))
      return { canceled: canceled === true }
    },
    async reportTaskRunnerHeartbeat(request, call) {
      const command = new ReportTaskRunnerHeartbeatCommand({ ...request })
      const { terminate } = await client.send(command, await prepare(call))
      return { terminate: terminate === true }
    },
    async expiration() {
      return (await credentials(false)).expiration?.getTime()
    },
    close() {
      client.destroy()
      transport.destroy()
    },
  }
}

/**
 * Everyone gets credentials from the client by the same function: its signer, and this file. It also renews them unasked.
 * The id of an access key is no secret, and says which credentials a step has.
 *
 * @param isOfChain whether the SDK looks for them: keys in files may then be behind what it finds
 */
function hideCredentials(
  { config }: DataPipelineClient,
  { env, hide }: Pick<OidcDependencies, 'env' | 'hide'>,
  isOfChain: boolean,
): void {
  const provide = config.credentials
  let areFilesHidden = !isOfChain
  const provideHidden: typeof provide = async (options) => {
    if (!areFilesHidden || (isOfChain && options?.forceRefresh)) {
      areFilesHidden = true
      const { secretsOfProfile } = await import('./profile-secrets.ts')
      hide(await secretsOfProfile(env))
    }
    const credentials = await provide(options)
    hide([credentials.secretAccessKey, credentials.sessionToken ?? ''])
    return credentials
  }
  // With the marks by which the client knows that it need not remember the result once more.
  config.credentials = Object.assign(provideHidden, provide)
}

/** For credentials that are wanted without a call: a session of a role that is made only now stands in no text. */
const NO_CALLS = {
  metadata: { handlerProtocol: 'http/1.1' },
  handle: async (): Promise<never> => {
    throw new Error('no service is called')
  },
  updateHttpClientConfig: () => undefined,
  httpHandlerConfigs: () => ({}),
}

/**
 * Hides the credentials that the environment, a profile or the machine has for the actions, as far as they can be had
 * without a call to AWS. Needs no region. Never fails, and has no limit of time.
 */
export async function hideLocalCredentials(dependencies: Pick<OidcDependencies, 'env' | 'hide'>): Promise<void> {
  const client = new DataPipelineClient({
    region: DATA_PIPELINE_REGIONS[0],
    requestHandler: NO_CALLS,
    ...chainSettings(NO_CALLS),
  })
  hideCredentials(client, dependencies, true)
  await client.config.credentials().catch(() => undefined)
}

function areSame(one: AwsCredentialIdentity | undefined, other: AwsCredentialIdentity): boolean {
  return (
    one?.accessKeyId === other.accessKeyId &&
    one.secretAccessKey === other.secretAccessKey &&
    one.sessionToken === other.sessionToken
  )
}

/** The JSON in the body that the transport has read; undefined where there is none, as in an error, which the SDK reads. */
function parseResponse(body: unknown): unknown {
  if (!(body instanceof Uint8Array)) return undefined
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}

/**
 * The task in an answer; undefined when there is none. A member of a type that is none of those documented must not stop
 * a task that is going to be acknowledged: it counts as missing.
 */
function toTask(response: unknown): Task | undefined {
  const { taskId, pipelineId, attemptId, objects } = asRecord(response)
  if (typeof taskId !== 'string' || taskId === '') return undefined
  const encrypted: TaskField[] = []
  const entries = Object.entries(asRecord(objects)).map(([id, object]): [string, TaskObject] => {
    const { id: own, name, fields } = asRecord(object)
    const all = Array.isArray(fields) ? fields.map(toField) : []
    for (const field of all) if (isEncrypted(field)) encrypted.push(field)
    return [id, { id: textOf(own) ?? id, name: textOf(name) ?? id, fields: all.filter((field) => !isEncrypted(field)) }]
  })
  return {
    taskId,
    pipelineId: textOf(pipelineId) ?? '',
    attemptId: textOf(attemptId) ?? '',
    objects: Object.fromEntries(entries),
    encrypted,
  }
}

function isEncrypted({ key }: TaskField): boolean {
  return key.startsWith('*')
}

function toField(field: unknown): TaskField {
  const { key, stringValue, refValue } = asRecord(field)
  const reference = textOf(refValue)
  if (reference !== undefined) return { key: textOf(key) ?? '', refValue: reference }
  return { key: textOf(key) ?? '', stringValue: textOf(stringValue) ?? '' }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

async function regionOf(client: DataPipelineClient, given: string | undefined, limitMs: number): Promise<string> {
  const hint = `Set the input aws-region, or AWS_REGION, to the pipeline's region: one of ${DATA_PIPELINE_REGIONS.join(', ')}.`
  try {
    // The SDK sets no limit for reading the files of profiles, which may be on a drive that is gone.
    return await new Deadline(systemClock, limitMs).within(
      limitMs,
      () => client.config.region(),
      (ms) => new ConfigurationError(`The AWS profile could not be read within ${Math.round(ms / 1000)} s.`, { hint }),
    )
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause
    const message = given ? `"${given}" can't be an AWS region.` : 'No AWS region is given.'
    throw new ConfigurationError(message, { hint, cause })
  }
}
