import { DataPipelineClient, SetTaskStatusCommand } from '@aws-sdk/client-data-pipeline'
import { expect, test } from '@jest/globals'
import { checkConstraints } from './constraints.ts'
import { TEST_CREDENTIALS } from './credentials.ts'
import { LocalDataPipeline } from './data-pipeline.ts'
import type { Operation } from './operations.ts'

const LIMITS = { stackTraceLimit: 4095 }
const failed = { taskId: 't', taskStatus: 'FAILED' }

test.each<[string, Operation, Record<string, unknown>]>([
  ['the least there may be', 'SetTaskStatus', { taskId: 't', taskStatus: 'FALSE' }],
  ['a task id of 2048 characters', 'SetTaskStatus', { ...failed, taskId: 't'.repeat(2048) }],
  ['an errorId of 1024 characters', 'SetTaskStatus', { ...failed, errorId: 'e'.repeat(1024) }],
  ['an empty errorId', 'SetTaskStatus', { ...failed, errorId: '' }],
  ['an errorId with Service_ in the middle', 'SetTaskStatus', { ...failed, errorId: 'My_Service_' }],
  ['a stack trace of 4095 characters', 'SetTaskStatus', { ...failed, errorStackTrace: 's'.repeat(4095) }],
  ['an errorMessage of 10,240 bytes', 'SetTaskStatus', { ...failed, errorMessage: 'é'.repeat(5120) }],
  ['15,360 bytes together', 'SetTaskStatus', errorFieldsOf(15_360)],
  ['tabs, line ends, letters and emoji', 'SetTaskStatus', { ...failed, errorMessage: '\t\r\n ~é漢😀\uFFFD' }],
  ['null for a member that may be absent', 'SetTaskStatus', { ...failed, errorId: null }],
  ['a worker group of 1024 characters', 'PollForTask', { workerGroup: 'w'.repeat(1024), hostname: 'h'.repeat(1024) }],
  ['no fields', 'ReportTaskProgress', { taskId: 't' }],
  ['a long field', 'ReportTaskProgress', progress({ key: 'k'.repeat(256), stringValue: 'v'.repeat(10_240) })],
  ['a field that refers', 'ReportTaskProgress', progress({ key: 'k', refValue: 'r' })],
  ['a heartbeat', 'ReportTaskRunnerHeartbeat', { taskrunnerId: 'r' }],
])('%s pass', (_, operation, body) => {
  expect(() => checkConstraints(operation, body, LIMITS)).not.toThrow()
})

test.each<[string, string, Operation, Record<string, unknown>]>([
  ['no task id', 'taskId', 'SetTaskStatus', { taskStatus: 'FINISHED' }],
  ['an empty task id', 'taskId', 'ReportTaskProgress', { taskId: '' }],
  ['a task id of 2049 characters', 'taskId', 'SetTaskStatus', { ...failed, taskId: 't'.repeat(2049) }],
  ['no status', 'taskStatus', 'SetTaskStatus', { taskId: 't' }],
  ['an unknown status', 'taskStatus', 'SetTaskStatus', { ...failed, taskStatus: 'CANCELLED' }],
  ['a status in lower case', 'taskStatus', 'SetTaskStatus', { ...failed, taskStatus: 'failed' }],
  ['an errorId of 1025 characters', 'errorId', 'SetTaskStatus', { ...failed, errorId: 'e'.repeat(1025) }],
  ["the service's own errorId", 'errorId', 'SetTaskStatus', { ...failed, errorId: 'Service_Mine' }],
  ['a stack trace too long', 'errorStackTrace', 'SetTaskStatus', { ...failed, errorStackTrace: 's'.repeat(4096) }],
  [
    'an emoji over the edge',
    'errorStackTrace',
    'SetTaskStatus',
    { ...failed, errorStackTrace: `${'s'.repeat(4094)}😀` },
  ],
  ['a message of 10,241 bytes', 'errorMessage', 'SetTaskStatus', { ...failed, errorMessage: `${'é'.repeat(5120)}.` }],
  ['a NUL', 'errorMessage', 'SetTaskStatus', { ...failed, errorMessage: 'a\0b' }],
  ['an ANSI escape', 'errorStackTrace', 'SetTaskStatus', { ...failed, errorStackTrace: '\u001b[31mred' }],
  ['a lone surrogate', 'errorMessage', 'SetTaskStatus', { ...failed, errorMessage: 'half \uD83D' }],
  ['U+FFFE', 'errorId', 'SetTaskStatus', { ...failed, errorId: '\uFFFE' }],
  ['15,361 bytes together', 'errorId, errorMessage, errorStackTrace', 'SetTaskStatus', errorFieldsOf(15_361)],
  ['no worker group', 'workerGroup', 'PollForTask', {}],
  ['a worker group too long', 'workerGroup', 'PollForTask', { workerGroup: 'w'.repeat(1025) }],
  ['an empty hostname', 'hostname', 'PollForTask', { workerGroup: 'w', hostname: '' }],
  ['a field without key', 'fields.1.member.key', 'ReportTaskProgress', progress({ stringValue: 'v' })],
  ['a key too long', 'fields.1.member.key', 'ReportTaskProgress', progress({ key: 'k'.repeat(257) })],
  [
    'a value too long',
    'fields.1.member.stringValue',
    'ReportTaskProgress',
    progress({ key: 'k', stringValue: 'v'.repeat(10_241) }),
  ],
  [
    'a reference too long',
    'fields.1.member.refValue',
    'ReportTaskProgress',
    progress({ key: 'k', refValue: 'r'.repeat(257) }),
  ],
  ['no task runner id', 'taskrunnerId', 'ReportTaskRunnerHeartbeat', {}],
])('%s is refused, and %s named', (_, member, operation, body) => {
  expect(() => checkConstraints(operation, body, LIMITS)).toThrow(
    expect.objectContaining({ code: 'InvalidRequestException', message: expect.stringContaining(`at '${member}'`) }),
  )
})

test.each<[string, Operation, Record<string, unknown>]>([
  ['a number for a text', 'SetTaskStatus', { ...failed, errorId: 1 }],
  ['an object for a list', 'ReportTaskProgress', { taskId: 't', fields: {} }],
  ['a text for a field', 'ReportTaskProgress', progress('k')],
])('%s cannot be read', (_, operation, body) => {
  expect(() => checkConstraints(operation, body, LIMITS)).toThrow(
    expect.objectContaining({ code: 'SerializationException' }),
  )
})

test.each([
  [{}, 4095, 'ok'],
  [{}, 4096, 'InvalidRequestException'],
  [{ stackTraceLimit: 1024 }, 1024, 'ok'],
  [{ stackTraceLimit: 1024 }, 1025, 'InvalidRequestException'],
])('a service with %j responds to a stack trace of %d characters with %s', async (options, length, response) => {
  await using service = await LocalDataPipeline.start(options)
  const client = new DataPipelineClient({ endpoint: service.url, region: 'us-east-1', credentials: TEST_CREDENTIALS })
  const { taskId } = service.addTask()
  const command = new SetTaskStatusCommand({ taskId, taskStatus: 'FAILED', errorStackTrace: 's'.repeat(length) })
  const code = client.send(command).then(
    () => 'ok',
    ({ name }) => name,
  )
  await expect(code).resolves.toBe(response)
  expect(service.task(taskId).state).toBe(response === 'ok' ? 'failed' : 'waiting')
})

function progress(...fields: unknown[]): Record<string, unknown> {
  return { taskId: 't', fields }
}

/** Error fields with this number of bytes together. Letters of two bytes keep each field within its own limit. */
function errorFieldsOf(total: number): Record<string, unknown> {
  const errorStackTrace = 'é'.repeat(total - 1024 - 10_240 - 4095).padEnd(4095, 's')
  return { ...failed, errorId: 'e'.repeat(1024), errorMessage: 'm'.repeat(10_240), errorStackTrace }
}
