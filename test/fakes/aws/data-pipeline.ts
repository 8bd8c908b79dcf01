import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { checkConstraints } from './constraints.ts'
import { CredentialStore, type Credentials, TEST_CREDENTIALS } from './credentials.ts'
import { type Response, respond, type Sent } from './delivery.ts'
import type { Fault } from './faults.ts'
import { LocalService, type LocalServiceOptions } from './local-service.ts'
import { readBody } from './loopback-server.ts'
import { isOperation, type Operation } from './operations.ts'
import { type Rate, RateLimiter } from './rates.ts'
import type { Field } from './sample-task.ts'
import { ServiceError } from './service-error.ts'
import { verifySignature } from './signature.ts'
import { type LostTaskResponse, type NewTask, type Outcome, type Task, TaskQueue } from './tasks.ts'

const JSON_1_1 = 'application/x-amz-json-1.1'

/** The response when there is no task. That of the real service is unknown. */
const EMPTY_POLL = {
  'empty object': '{}',
  'empty body': '',
  null: '{"taskObject":null}',
  'empty task': '{"taskObject":{}}',
} as const

export interface LocalDataPipelineOptions extends LocalServiceOptions {
  /** The accepted credentials, or a store that is shared with a LocalSts. Default TEST_CREDENTIALS. */
  credentials?: Credentials[] | CredentialStore
  /** The only region that signatures may be scoped to. Default any. */
  region?: string
  /** How long an empty poll is held, in real time. Default 200 ms; API reference, PollForTask: 90 s. */
  pollHoldMs?: number
  /** The response to an empty poll. Default `empty object`. */
  emptyPoll?: keyof typeof EMPTY_POLL
  /** Whether a poll can get a task after its client has disconnected. Default false. */
  pollsOutliveClients?: boolean
  /** Default two minutes: API reference, ReportTaskProgress. */
  acknowledgeWithinMs?: number
  /** How long a running task may be silent before it is given to the next poll. Default: without limit. */
  silentForMs?: number
  /** The response to a report on an ended or reassigned task. Default TaskNotFoundException. */
  lostTask?: LostTaskResponse
  /** Maximum length of errorStackTrace. Default 4095: API reference, SetTaskStatus. The SDKs' service model has 1024. */
  stackTraceLimit?: number
  /** Limits on requests. Default none; PUBLISHED_RATES has those of the Developer Guide. */
  rates?: Partial<Record<Operation, Rate>>
  /** Called for each request when its response was sent, or when it is certain that it gets none. */
  onRequest?: (request: ReceivedRequest) => void
}

/** A request that the service received, with any outcome. */
export interface ReceivedRequest {
  /** The operation in X-Amz-Target; undefined when it is none of the four. */
  readonly operation: Operation | undefined
  /** The parsed body; empty when it was not a JSON object or was not read. */
  readonly body: Readonly<Record<string, unknown>>
  readonly rawBody: string
  readonly headers: IncomingHttpHeaders
  /** When it arrived, by the clock of the service. */
  readonly at: number
  /** The access key of a good signature, and the region it is scoped to. */
  readonly signedBy?: string
  readonly region?: string
  /** The fault that it got. */
  readonly fault?: Fault['kind']
  /** What was sent; undefined while the request is in progress, and when it hangs or its connection was reset. */
  readonly response?: Sent
}

type OpenRequest = { -readonly [K in keyof ReceivedRequest]: ReceivedRequest[K] }

/**
 * A small AWS Data Pipeline on 127.0.0.1: the four operations of a task runner, over the real protocol.
 *
 * It follows the published documentation. Comments name the choices where the documentation has gaps.
 */
export class LocalDataPipeline extends LocalService<Fault> {
  /** Every request, in the order of arrival. */
  readonly requests: ReceivedRequest[] = []
  readonly credentials: CredentialStore
  readonly #options: LocalDataPipelineOptions
  readonly #tasks: TaskQueue
  readonly #rates: RateLimiter
  readonly #stopped = new AbortController()
  readonly #arrivals = new EventEmitter().setMaxListeners(0)

  private constructor(options: LocalDataPipelineOptions) {
    super(options)
    this.#options = options
    this.credentials =
      options.credentials instanceof CredentialStore ? options.credentials : new CredentialStore(options.credentials)
    this.#rates = new RateLimiter(options.rates ?? {})
    this.#tasks = new TaskQueue({
      clock: this.clock,
      acknowledgeWithinMs: options.acknowledgeWithinMs ?? 120_000,
      silentForMs: options.silentForMs,
      lostTask: options.lostTask ?? 'TaskNotFoundException',
    })
  }

  static async start(options: LocalDataPipelineOptions = {}): Promise<LocalDataPipeline> {
    return new LocalDataPipeline(options).listen(options.port)
  }

  override async stop(): Promise<void> {
    this.#stopped.abort()
    await super.stop()
  }

  /** The environment that a process needs to call this service with these credentials. */
  env(credentials: Credentials = TEST_CREDENTIALS): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_DATA_PIPELINE: this.url,
      AWS_REGION: this.#options.region ?? 'us-east-1',
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ...(credentials.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: credentials.sessionToken }),
    }
  }

  /** Puts a task into the queue. Its worker group is `ci` unless another is named. */
  addTask(settings: NewTask = {}): Task {
    return this.#tasks.add(settings)
  }

  /**
   * The task with this id, whose fields change with the task. Deadlines are checked at each request and each call of
   * this.
   * @throws Error when there is none
   */
  task(taskId: string): Task {
    return this.#tasks.get(taskId)
  }

  get tasks(): Task[] {
    return this.#tasks.all
  }

  /** Later ReportTaskProgress calls for this task get `canceled: true`. */
  cancelTask(taskId: string): void {
    this.#tasks.cancel(taskId)
  }

  requestsFor(operation: Operation): ReceivedRequest[] {
    return this.requests.filter((request) => request.operation === operation)
  }

  /**
   * Waits until this number of requests for the operation have arrived, and returns them. They have taken effect by
   * then. Their responses may not have been sent yet.
   * @throws Error when they have not arrived within `withinMs` of real time
   */
  async received(operation: Operation, count = 1, withinMs = 30_000): Promise<ReceivedRequest[]> {
    const deadline = AbortSignal.timeout(withinMs)
    while (this.requestsFor(operation).length < count) {
      await once(this.#arrivals, 'request', { signal: deadline }).catch(() => {
        const arrived = this.requestsFor(operation).length
        throw new Error(`${arrived} of ${count} ${operation} requests arrived within ${withinMs} ms`)
      })
    }
    return this.requestsFor(operation)
  }

  protected async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const received = describe(request, this.clock())
    response.on('close', () => this.#options.onRequest?.(received))
    const applies = (fault: Fault) => concerns(fault, received)
    if (!isBeforeReading(this.faults.peek(applies))) {
      received.rawBody = await readBody(request)
      received.body = parseObject(received.rawBody) ?? {}
    }
    this.requests.push(received)
    setImmediate(() => this.#arrivals.emit('request')) // by then a request that is not held has taken effect

    const refusal = this.#identify(request, received)
    const fault = this.faults.take(applies)
    if (fault) received.fault = fault.kind
    const sent = await respond(response, fault, {
      carryOut: (gone) =>
        this.#carryOut(received, refusal, this.#options.pollsOutliveClients ? this.#stopped.signal : gone),
      refuse: (error) => this.#refuse(error),
    })
    if (sent) received.response = sent
  }

  /** Notes the signer of the request; returns the error if the signature is not valid. */
  #identify(request: IncomingMessage, received: OpenRequest): ServiceError | undefined {
    try {
      const signer = verifySignature(request, received.rawBody, {
        credentials: this.credentials,
        service: 'datapipeline',
        region: this.#options.region,
        now: this.clock(),
      })
      received.signedBy = signer.accessKeyId
      received.region = signer.region
      return undefined
    } catch (error) {
      if (error instanceof ServiceError) return error
      throw error
    }
  }

  async #carryOut(
    received: ReceivedRequest,
    refusal: ServiceError | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const { operation, headers, body, rawBody } = received
    if (refusal) throw refusal
    if (operation === undefined) throw new ServiceError('UnknownOperationException', '')
    if (headers['content-type'] !== JSON_1_1 || !parseObject(rawBody)) {
      throw new ServiceError('SerializationException', '')
    }
    this.#rates.spend(operation, this.clock())
    checkConstraints(operation, body, { stackTraceLimit: this.#options.stackTraceLimit ?? 4095 })
    return this.#response(200, await this.#perform(operation, body, signal))
  }

  /** Carries out a valid request, and returns the text of its response. */
  async #perform(operation: Operation, body: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<string> {
    switch (operation) {
      case 'PollForTask': {
        const task = await this.#tasks.poll(body['workerGroup'] as string, {
          hostname: body['hostname'] as string | undefined,
          holdMs: this.#options.pollHoldMs ?? 200,
          signal,
        })
        if (!task) return EMPTY_POLL[this.#options.emptyPoll ?? 'empty object']
        const { taskId, pipelineId, attemptId, objects } = task
        return JSON.stringify({ taskObject: { taskId, pipelineId, attemptId, objects } })
      }
      case 'ReportTaskProgress': {
        const fields = (body['fields'] ?? []) as Field[]
        return JSON.stringify(this.#tasks.reportProgress(body['taskId'] as string, fields))
      }
      case 'SetTaskStatus':
        this.#tasks.setStatus(body['taskId'] as string, body as unknown as Outcome)
        return '{}'
      case 'ReportTaskRunnerHeartbeat':
        return '{"terminate":false}'
    }
  }

  #refuse(error: ServiceError): Response {
    const text = JSON.stringify({ __type: error.code, message: error.message })
    return { ...this.#response(error.status, text), error: error.code }
  }

  #response(status: number, text: string): Response {
    const headers = {
      'x-amzn-RequestId': randomUUID(),
      'Content-Type': JSON_1_1,
      Date: new Date(this.clock()).toUTCString(),
    }
    return { status, headers, text }
  }
}

function describe(request: IncomingMessage, now: number): OpenRequest {
  const operation = /^DataPipeline\.(\w+)$/.exec(String(request.headers['x-amz-target']))?.[1]
  return {
    operation: isOperation(operation) ? operation : undefined,
    body: {},
    rawBody: '',
    headers: request.headers,
    at: now,
  }
}

function concerns(fault: Fault, request: ReceivedRequest): boolean {
  if (fault.operation !== undefined && fault.operation !== request.operation) return false
  return fault.when?.(request.body) ?? true
}

function isBeforeReading(fault: Fault | undefined): boolean {
  return fault?.kind === 'reset' && fault.moment === 'before reading'
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
