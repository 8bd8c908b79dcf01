import {
  DataPipelineClient,
  type DataPipelineClientConfig,
  PollForTaskCommand,
  ReportTaskProgressCommand,
  ReportTaskRunnerHeartbeatCommand,
  SetTaskStatusCommand,
} from '@aws-sdk/client-data-pipeline'
import type { AwsCredentialIdentity } from '@smithy/types'
import type { Log } from '../github/log.ts'
import { systemClock } from '../util/clock.ts'
import { Deadline } from '../util/deadline.ts'
import { ConfigurationError } from '../util/errors.ts'
import { formatSeconds } from '../util/format.ts'
import { ClientCredentials } from './credentials.ts'
import type { Call, DataPipeline } from './data-pipeline.ts'
import { checkEndpointVariable, unusualOrigin } from './endpoint.ts'
import { credentialSource } from './environment-credentials.ts'
import { AwsHttpHandler, type RequestOptions } from './http-handler.ts'
import type { OidcDependencies } from './role-credentials.ts'
import { type AwsSettings, DATA_PIPELINE_REGIONS } from './settings.ts'

/** What a client is made with. */
export interface ConnectDependencies extends OidcDependencies {
  readonly log: Pick<Log, 'warning'>
}

/**
 * Makes a client for the settings. It sends nothing yet, and gets no credentials yet.
 *
 * @param fixed credentials to use instead of those of the settings and the environment
 * @throws ConfigurationError when there is no region, or an endpoint variable is no address
 */
export async function connectDataPipeline(
  settings: AwsSettings,
  dependencies: ConnectDependencies,
  fixed?: AwsCredentialIdentity,
): Promise<DataPipeline> {
  const { env, requestLimitMs } = dependencies
  checkEndpointVariable(env)
  const handler = new AwsHttpHandler({ ...dependencies, ca: await certificatesOf(dependencies) })
  // The AWS CLI and boto3 know AWS_DEFAULT_REGION. This SDK does not.
  const givenRegion = settings.region || env['AWS_REGION'] || env['AWS_DEFAULT_REGION']
  const credentials = new ClientCredentials({ settings, fixed, handler, dependencies })
  const client = new DataPipelineClient({
    ...(givenRegion && { region: givenRegion }),
    ...credentials.config,
    requestHandler: handler,
    ...NO_RETRIES,
    // The service has one scheme. To have none is to read no profile for it.
    authSchemePreference: [],
    customUserAgent: 'aws-datapipeline-set-task-status',
  })
  credentials.attach(client)
  const region = await regionOf(client, givenRegion, requestLimitMs)

  async function prepare({ signal, onSend }: Call): Promise<RequestOptions> {
    await credentials.prepareCall()
    return { abortSignal: signal, onSend }
  }

  return {
    region,
    source: fixed === undefined ? credentialSource(settings, env) : undefined,
    get unusualOrigin() {
      return handler.lastOrigin === undefined ? undefined : unusualOrigin(handler.lastOrigin, region)
    },
    credentials: () => credentials.get(),
    renewCredentials: () => credentials.renew(),
    hasNewSession: () => credentials.isNewSession,
    async setTaskStatus(report, call) {
      const response = await client.send(new SetTaskStatusCommand({ ...report }), await prepare(call))
      return { requestId: response.$metadata.requestId }
    },
    async pollForTask(request, call) {
      // Before the call: a task that was taken must not be lost with a chunk that can't be loaded.
      const { taskIn } = await import('./task-response.ts')
      const command = new PollForTaskCommand({ ...request })
      let body: unknown
      // The raw body, as the SDK drops an object whose id is __proto__.
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args)
          body = (result.response as { body?: unknown }).body
          return result
        },
        // Nearest to the HTTP handler, before the SDK reads the body.
        { step: 'deserialize', priority: 'low' },
      )
      await client.send(command, await prepare(call))
      return taskIn(body)
    },
    async reportTaskProgress(taskId, call) {
      // A response without a body has no `canceled`.
      const { canceled } = await client.send(new ReportTaskProgressCommand({ taskId }), await prepare(call))
      return { canceled: canceled === true }
    },
    async reportTaskRunnerHeartbeat(request, call) {
      const command = new ReportTaskRunnerHeartbeatCommand({ ...request })
      const { terminate } = await client.send(command, await prepare(call))
      return { terminate: terminate === true }
    },
    async expiration() {
      return (await credentials.get()).expiration?.getTime()
    },
    close() {
      client.destroy()
      handler.destroy()
    },
  }
}

/** `callWithRetry` retries. The SDK's three quick attempts are over within seconds. */
const NO_RETRIES = {
  maxAttempts: 1,
  // They configure retries and waits, and would be looked for in profiles.
  retryMode: 'standard',
  defaultsMode: 'legacy',
  retryStrategy: {
    acquireInitialRetryToken: async () => ({ getRetryCount: () => 0, getRetryDelay: () => 0 }),
    refreshRetryTokenForRetry: async () => {
      throw new Error('The SDK makes one attempt.')
    },
    recordSuccess: () => undefined,
  },
} satisfies DataPipelineClientConfig

/** The certificates of AWS_CA_BUNDLE; undefined for Node's own. */
async function certificatesOf(dependencies: ConnectDependencies): Promise<readonly string[] | undefined> {
  const path = dependencies.env['AWS_CA_BUNDLE']
  if (!path) return undefined
  // A chunk of its own, as few jobs need it.
  const { trustedCertificates } = await import('./ca-bundle.ts')
  return trustedCertificates(path, dependencies)
}

async function regionOf(client: DataPipelineClient, given: string | undefined, limitMs: number): Promise<string> {
  const hint = `Set the input aws-region, or AWS_REGION, to the pipeline's region: one of ${DATA_PIPELINE_REGIONS.join(', ')}.`
  try {
    if (given) return await client.config.region()
    // The SDK has no timeout for the files of profiles, which may be on a drive that does not respond.
    return await new Deadline(systemClock, limitMs).within(
      limitMs,
      () => client.config.region(),
      (ms) => new ConfigurationError(`Could not read the AWS profile within ${formatSeconds(ms)}.`, { hint }),
    )
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause
    const message = given ? `Invalid AWS region "${given}".` : 'No AWS region is set.'
    throw new ConfigurationError(message, { hint, cause })
  }
}
