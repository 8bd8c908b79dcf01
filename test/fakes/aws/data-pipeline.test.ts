import {
  DataPipelineClient,
  PollForTaskCommand,
  ReportTaskProgressCommand,
  ReportTaskRunnerHeartbeatCommand,
  SetTaskStatusCommand,
} from '@aws-sdk/client-data-pipeline'
import { expect, test } from '@jest/globals'
import type { HttpRequest } from '@smithy/types'
import { CredentialStore, type Credentials, TEST_CREDENTIALS } from './credentials.ts'
import { LocalDataPipeline } from './data-pipeline.ts'
import { hang, on, throttle, times } from './faults.ts'
import { sendRaw, signedRequest } from './raw-request.ts'

interface Change {
  headers?: Record<string, string>
  body?: string
}

function clientOf(service: LocalDataPipeline, credentials: Credentials = TEST_CREDENTIALS): DataPipelineClient {
  return new DataPipelineClient({ endpoint: service.url, region: 'us-east-1', credentials, maxAttempts: 1 })
}

test('a task is polled for, acknowledged and ended', async () => {
  await using service = await LocalDataPipeline.start()
  const client = clientOf(service)
  const task = service.addTask({ workerGroup: 'builds' })

  const polled = await client.send(new PollForTaskCommand({ workerGroup: 'builds', hostname: 'runner-1' }))
  expect(polled.taskObject).toMatchObject({ taskId: task.taskId, pipelineId: task.pipelineId, objects: task.objects })
  expect(task).toMatchObject({ state: 'assigned', assignedTo: { hostname: 'runner-1' } })

  const fields = [{ key: 'percentComplete', stringValue: '50' }]
  const progress = await client.send(new ReportTaskProgressCommand({ taskId: task.taskId, fields }))
  expect(progress.canceled).toBe(false)
  expect(task).toMatchObject({ state: 'running', progressReports: [{ fields }] })

  const error = {
    errorId: 'TestsFailed',
    errorMessage: '3 of 40 – naïve 😀',
    errorStackTrace: 'at a.ts:1\n\tat b.ts:2',
  }
  await client.send(new SetTaskStatusCommand({ taskId: task.taskId, taskStatus: 'FAILED', ...error }))
  expect(service.task(task.taskId)).toMatchObject({ state: 'failed', status: 'FAILED', ...error })
})

test('ReportTaskRunnerHeartbeat gets a response', async () => {
  await using service = await LocalDataPipeline.start()
  const response = await clientOf(service).send(new ReportTaskRunnerHeartbeatCommand({ taskrunnerId: 'runner-1' }))
  expect(response.terminate).toBe(false)
})

test('reports on a canceled task show that, and its status does not end it a second time', async () => {
  await using service = await LocalDataPipeline.start()
  const client = clientOf(service)
  const { taskId } = service.addTask()
  service.cancelTask(taskId)
  await expect(client.send(new ReportTaskProgressCommand({ taskId }))).resolves.toMatchObject({ canceled: true })
  await client.send(new SetTaskStatusCommand({ taskId, taskStatus: 'FAILED' }))
  expect(service.task(taskId)).toMatchObject({ state: 'canceled', status: 'FAILED' })
})

test('a default task id is as long as the sample of the API reference and has each of its special characters', async () => {
  await using service = await LocalDataPipeline.start()
  const ids = [service.addTask(), service.addTask()].map(({ taskId }) => taskId)
  expect(new Set(ids).size).toBe(2)
  for (const id of ids) {
    expect(id).toHaveLength(921)
    for (const character of '+/=:') expect(id).toContain(character)
  }
})

test.each([
  ['empty object', undefined],
  ['empty body', undefined],
  ['null', undefined],
  ['empty task', {}],
] as const)('no task, sent as %s, reaches a client as %j', async (emptyPoll, taskObject) => {
  await using service = await LocalDataPipeline.start({ emptyPoll, pollHoldMs: 0 })
  const response = await clientOf(service).send(new PollForTaskCommand({ workerGroup: 'ci' }))
  expect(response.taskObject).toEqual(taskObject)
})

test('a poll that is held gets a task that comes meanwhile', async () => {
  await using service = await LocalDataPipeline.start({ pollHoldMs: 60_000 })
  const poll = clientOf(service).send(new PollForTaskCommand({ workerGroup: 'ci' }))
  await service.received('PollForTask')
  const task = service.addTask()
  await expect(poll).resolves.toMatchObject({ taskObject: { taskId: task.taskId } })
})

test.each([
  [false, 'waiting'],
  [true, 'assigned'],
])(
  'with pollsOutliveClients %s a task that comes after the client has gone is %s',
  async (pollsOutliveClients, state) => {
    const seenToGo = Promise.withResolvers<void>()
    await using service = await LocalDataPipeline.start({
      pollHoldMs: 60_000,
      pollsOutliveClients,
      onRequest: () => seenToGo.resolve(),
    })
    const client = new AbortController()
    const poll = clientOf(service).send(new PollForTaskCommand({ workerGroup: 'ci' }), { abortSignal: client.signal })
    const closed = poll.catch(() => {})
    await service.received('PollForTask')
    client.abort()
    await closed
    await seenToGo.promise
    expect(service.addTask().state).toBe(state)
  },
)

test('each request is kept, with its signer and its response', async () => {
  const clock = () => Date.parse('2026-03-01T12:00:00Z')
  await using service = await LocalDataPipeline.start({ clock })
  const client = new DataPipelineClient({
    ...{ endpoint: service.url, region: 'eu-west-1', credentials: TEST_CREDENTIALS, maxAttempts: 1 },
    systemClockOffset: clock() - Date.now(),
  })
  await client.send(new SetTaskStatusCommand({ taskId: 'unknown', taskStatus: 'FINISHED' })).catch(() => {})
  const [request, ...others] = service.requestsFor('SetTaskStatus')
  expect(others).toEqual([])
  expect(request).toMatchObject({
    operation: 'SetTaskStatus',
    body: { taskId: 'unknown', taskStatus: 'FINISHED' },
    at: clock(),
    signedBy: TEST_CREDENTIALS.accessKeyId,
    region: 'eu-west-1',
    response: { status: 400, error: 'TaskNotFoundException' },
  })
  expect(request?.headers['x-amz-target']).toBe('DataPipeline.SetTaskStatus')
})

test('the Date header is by the clock of the service', async () => {
  await using service = await LocalDataPipeline.start({ clock: () => Date.parse('2026-03-01T12:00:00Z') })
  const response = await fetch(service.url, { method: 'POST', body: '{}' })
  expect(Object.fromEntries(response.headers)).toMatchObject({
    date: 'Sun, 01 Mar 2026 12:00:00 GMT',
    'content-type': 'application/x-amz-json-1.1',
    'x-amzn-requestid': expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/),
  })
})

test('more requests than the rate allows are throttled, until time has passed', async () => {
  let now = Date.now()
  await using service = await LocalDataPipeline.start({
    clock: () => now,
    rates: { ReportTaskRunnerHeartbeat: { perSecond: 1, burst: 2 } },
  })
  const client = clientOf(service)
  const beat = () =>
    client.send(new ReportTaskRunnerHeartbeatCommand({ taskrunnerId: 'r' })).then(
      () => 'ok',
      ({ name }) => name,
    )
  expect([await beat(), await beat(), await beat()]).toEqual(['ok', 'ok', 'ThrottlingException'])
  now += 1000
  expect([await beat(), await beat()]).toEqual(['ok', 'ThrottlingException'])
})

test('a queued fault affects one request, a lasting one each request until faults are cleared', async () => {
  await using service = await LocalDataPipeline.start()
  const client = clientOf(service)
  const { taskId } = service.addTask()
  const report = () =>
    client.send(new ReportTaskProgressCommand({ taskId })).then(
      () => 'ok',
      ({ name }) => name,
    )

  service.injectFault(...times(2, throttle()))
  expect([await report(), await report(), await report()]).toEqual(['ThrottlingException', 'ThrottlingException', 'ok'])

  service.keepInjectingFault(throttle('Throttling'))
  expect([await report(), await report()]).toEqual(['Throttling', 'Throttling'])
  service.clearFaults()
  expect(await report()).toBe('ok')

  service.injectFault(on('SetTaskStatus', throttle()))
  expect(await report()).toBe('ok')
})

test('a lasting fault ends when its time is over on the clock of the service', async () => {
  let now = Date.now()
  await using service = await LocalDataPipeline.start({ clock: () => now })
  const client = clientOf(service)
  const { taskId } = service.addTask()
  service.keepInjectingFault(throttle(), { forMs: 30_000 })
  await expect(client.send(new ReportTaskProgressCommand({ taskId }))).rejects.toThrow('Rate exceeded')
  now += 30_000
  await expect(client.send(new ReportTaskProgressCommand({ taskId }))).resolves.toMatchObject({ canceled: false })
})

test('stop ends, although requests hang and polls are held for longer than a test may take', async () => {
  const service = await LocalDataPipeline.start({ pollHoldMs: 3_600_000 })
  service.keepInjectingFault(on('SetTaskStatus', hang()))
  const client = clientOf(service)
  const calls = [
    client.send(new PollForTaskCommand({ workerGroup: 'ci' })),
    client.send(new SetTaskStatusCommand({ taskId: 'any', taskStatus: 'FINISHED' })),
  ]
  const settled = Promise.allSettled(calls)
  await Promise.all([service.received('PollForTask'), service.received('SetTaskStatus')])
  await service.stop()
  expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await expect(fetch(service.url)).rejects.toThrow('fetch failed')
})

test('received reports the number of requests when too few arrive', async () => {
  await using service = await LocalDataPipeline.start()
  await expect(service.received('SetTaskStatus', 2, 20)).rejects.toThrow(
    '0 of 2 SetTaskStatus requests arrived within 20 ms',
  )
})

test('its environment is all that a client needs', async () => {
  const credentials = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' }
  await using service = await LocalDataPipeline.start({
    credentials: new CredentialStore([credentials]),
    region: 'eu-west-1',
  })
  expect(service.env(credentials)).toEqual({
    AWS_ENDPOINT_URL_DATA_PIPELINE: service.url,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'ASIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_SESSION_TOKEN: 'token',
  })
})

test.each([
  ['an unknown operation', 'UnknownOperationException', { headers: { 'x-amz-target': 'DataPipeline.Explode' } }],
  ['another service', 'UnknownOperationException', { headers: { 'x-amz-target': 'DynamoDB.PollForTask' } }],
  ['another content type', 'SerializationException', { headers: { 'content-type': 'application/json' } }],
  ['no JSON', 'SerializationException', { body: '{"taskId":' }],
  ['JSON, but no object', 'SerializationException', { body: '[]' }],
])('a request with %s gets %s', async (_, code, { headers, body }: Change) => {
  await using service = await LocalDataPipeline.start()
  const change = (request: HttpRequest) => {
    Object.assign(request.headers, headers)
    if (body) Object.assign(request, { body, headers: { ...request.headers, 'content-length': String(body.length) } })
  }
  const request = await signedRequest(
    service.url,
    (client) => client.send(new PollForTaskCommand({ workerGroup: 'ci' })),
    { change },
  )
  const { text } = await sendRaw(service.url, request)
  expect(text).toMatch(/^HTTP\/1.1 400 /)
  expect(text).toContain(`\r\n\r\n{"__type":"${code}"`)
})
