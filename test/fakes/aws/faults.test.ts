import { ReportTaskProgressCommand, SetTaskStatusCommand } from '@aws-sdk/client-data-pipeline'
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from './data-pipeline.ts'
import * as faults from './faults.ts'
import { type RawResponse, sendRaw, signedRequest } from './raw-request.ts'
import type { TaskState } from './tasks.ts'

/** Sends a progress report that gets the fault, and returns what was received and the state of the task. */
async function withFault(
  fault: faults.Fault,
  isEnough?: (text: string, service: LocalDataPipeline) => boolean,
): Promise<RawResponse & { state: TaskState; status: number }> {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const report = new ReportTaskProgressCommand({ taskId })
  const request = await signedRequest(service.url, (client) => client.send(report))
  service.injectFault(fault)
  const response = await sendRaw(service.url, request, (text) => isEnough?.(text, service) ?? false)
  expect(service.requests).toMatchObject([{ operation: 'ReportTaskProgress', fault: fault.kind }])
  expect(service.requests[0]?.response?.status ?? 0).toBe(statusOf(response))
  return { ...response, state: service.task(taskId).state, status: statusOf(response) }
}

const statusOf = ({ text }: RawResponse): number => Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1] ?? 0)
const bodyOf = ({ text }: Pick<RawResponse, 'text'>): string => /\r\n\r\n(.*)$/s.exec(text)?.[1] ?? ''
const lengthOf = ({ text }: RawResponse): number => Number(/Content-Length: (\d+)/.exec(text)?.[1])

test.each<[faults.Fault, number, string]>([
  [faults.throttle(), 400, 'ThrottlingException'],
  [faults.throttle('Throttling'), 400, 'Throttling'],
  [faults.throttle('TooManyRequestsException'), 400, 'TooManyRequestsException'],
  [faults.throttle('RequestLimitExceeded'), 400, 'RequestLimitExceeded'],
  [faults.internalError(), 500, 'InternalServiceError'],
  [faults.accessDenied('ReportTaskProgress'), 400, 'AccessDeniedException'],
  [faults.expiredToken(), 400, 'ExpiredTokenException'],
  [faults.unrecognizedClient(), 400, 'UnrecognizedClientException'],
  [faults.invalidRequest(), 400, 'InvalidRequestException'],
  [faults.validationError(), 400, 'ValidationException'],
  [faults.taskNotFound(), 400, 'TaskNotFoundException'],
  [faults.pipelineNotFound(), 400, 'PipelineNotFoundException'],
  [faults.pipelineDeleted(), 400, 'PipelineDeletedException'],
])('%j: an error in the form of the service, without effect', async (fault, status, code) => {
  const response = await withFault(fault)
  expect(response).toMatchObject({ end: 'closed', state: 'waiting', status })
  expect(response.text).toContain('Content-Type: application/x-amz-json-1.1\r\n')
  expect(JSON.parse(bodyOf(response))).toEqual({ __type: code, message: expect.stringMatching(/./) })
})

test('accessDenied has the text of IAM', async () => {
  expect(bodyOf(await withFault(faults.accessDenied('ReportTaskProgress')))).toContain(
    'User: arn:aws:sts::123456789012:assumed-role/ci/github is not authorized to perform: datapipeline:ReportTaskProgress ',
  )
})

test.each<[string, faults.Fault, number, string | RegExp]>([
  ['bare(500)', faults.bare(500), 500, /^$/],
  ['bare(503)', faults.bare(503), 503, /^$/],
  ['html(502)', faults.html(502), 502, /^<html>/],
  ['html(200)', faults.html(200), 200, /^<html>/],
  ['notJson()', faults.notJson(), 200, 'OK, thank you'],
])('%s: a response that is not from the service, without effect', async (_, fault, status, body) => {
  const response = await withFault(fault)
  expect(response).toMatchObject({ end: 'closed', state: 'waiting', status })
  expect(bodyOf(response)).toMatch(body)
})

test.each<[string, faults.Fault, TaskState]>([
  ['before the request is read', faults.reset('before reading'), 'waiting'],
  ['after the request is read', faults.reset('after reading'), 'waiting'],
  ['after the request took effect', faults.lostReply(), 'running'],
])('a reset %s leaves the task %s', async (_, fault, state) => {
  await expect(withFault(fault)).resolves.toMatchObject({ text: '', end: 'reset', state })
})

test('a request that is reset before it is read leaves no body', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const report = new ReportTaskProgressCommand({ taskId })
  const request = await signedRequest(service.url, (client) => client.send(report))
  service.injectFault(faults.throttle(), faults.reset('before reading'), faults.reset('after reading'))
  for (let count = 0; count < 3; count++) await sendRaw(service.url, request)
  expect(service.requests.map(({ fault, rawBody }) => [fault, rawBody !== ''])).toEqual([
    ['error', true],
    ['reset', false],
    ['reset', true],
  ])
})

test('hang: no response, and no effect', async () => {
  let looks = 0
  const isEnough = (_: string, { requests }: LocalDataPipeline) => requests.length > 0 && ++looks > 5
  await expect(withFault(faults.hang(), isEnough)).resolves.toMatchObject({
    text: '',
    end: 'still open',
    state: 'waiting',
  })
})

test('truncated: less than announced, then the connection ends; the effect took place', async () => {
  const response = await withFault(faults.truncated())
  expect(response).toMatchObject({ end: 'closed', state: 'running', status: 200 })
  expect(bodyOf(response)).toBe('{"canceled":false')
  expect(lengthOf(response)).toBeGreaterThan(bodyOf(response).length)
})

test('truncatedJson: as long as announced, but no JSON; the effect took place', async () => {
  const response = await withFault(faults.truncatedJson())
  expect(response).toMatchObject({ end: 'closed', state: 'running', status: 200 })
  expect(bodyOf(response)).toBe('{"canceled":false')
  expect(lengthOf(response)).toBe(bodyOf(response).length)
})

test('dribble: a byte at a time until all is there; the effect took place', async () => {
  const response = await withFault(faults.dribble(1))
  expect(response).toMatchObject({ end: 'closed', state: 'running', status: 200 })
  expect(bodyOf(response)).toBe('{"canceled":false}')
  const soFar = await withFault(faults.dribble(20), (text) => bodyOf({ text }) !== '')
  expect(soFar.end).toBe('still open')
  expect('{"canceled":false'.startsWith(bodyOf(soFar))).toBe(true)
})

test('late: the whole response after the time; the effect took place', async () => {
  const before = performance.now()
  const response = await withFault(faults.late(60))
  expect(performance.now() - before).toBeGreaterThan(55)
  expect(response).toMatchObject({ end: 'closed', state: 'running', status: 200 })
})

test.each<['reset' | 'gateway', object]>([
  ['reset', { text: '', end: 'reset', state: 'waiting' }],
  ['gateway', { status: 504, end: 'closed', state: 'waiting' }],
])('cutOff by a %s: after the time, without effect', async (by, expected) => {
  const before = performance.now()
  const response = await withFault(faults.cutOff(by, 60))
  expect(performance.now() - before).toBeGreaterThan(55)
  expect(response).toMatchObject(expected)
})

test.each(['{}', ''] as const)('emptyResponse(%j): nothing in it; the effect took place', async (text) => {
  const response = await withFault(faults.emptyResponse(text))
  expect(response).toMatchObject({ state: 'running', status: 200 })
  expect(bodyOf(response)).toBe(text)
})

test.each<[string, faults.Fault, Record<string, string>, 'ValidationException' | undefined]>([
  ['a long trace', faults.refuseLongStackTraces(), { errorStackTrace: 's'.repeat(1025) }, 'ValidationException'],
  ['a short trace', faults.refuseLongStackTraces(), { errorStackTrace: 's'.repeat(1024) }, undefined],
  ['an errorId', faults.refuseErrorFields(), { errorId: 'e' }, 'ValidationException'],
  ['a message', faults.refuseErrorFields(), { errorMessage: 'm' }, 'ValidationException'],
  ['a trace', faults.refuseErrorFields(), { errorStackTrace: 's' }, 'ValidationException'],
  ['no error field', faults.refuseErrorFields(), {}, undefined],
])('a service that refuses some error fields, sent %s', async (_, fault, fields, error) => {
  await using service = await LocalDataPipeline.start()
  service.keepInjectingFault(fault)
  const { taskId } = service.addTask()
  const status = new SetTaskStatusCommand({ taskId, taskStatus: 'FAILED', ...fields })
  await sendRaw(service.url, await signedRequest(service.url, (client) => client.send(status)))
  expect(service.requests[0]?.response?.error).toBe(error)
  expect(service.task(taskId).state).toBe(error ? 'waiting' : 'failed')
})
