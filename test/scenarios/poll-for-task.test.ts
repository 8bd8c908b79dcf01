// poll-for-task takes tasks from a worker group, acknowledges each at once, and hands them on.
import { hostname } from 'node:os'
import { describe, expect, test } from '@jest/globals'
import { CredentialStore, TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import {
  accessDenied,
  bare,
  cutOff,
  type Fault,
  hang,
  html,
  internalError,
  late,
  lostReply,
  on,
  pipelineDeleted,
  reset,
  taskNotFound,
  throttle,
  times,
} from '../fakes/aws/faults.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import type { PipelineObjects } from '../fakes/aws/sample-task.ts'
import { LocalSts, TEST_ROLE } from '../fakes/aws/sts.ts'
import { passTime } from '../support/called-step.ts'
import { perform, type Style } from '../support/perform.ts'
import { preloading } from '../support/preload.ts'
import type { StepOptions, StepResult } from '../support/step.ts'
import { STALL_MS } from '../support/timing.ts'
import type { RunningStep } from '../support/worker.ts'

type Inputs = Readonly<Record<string, string>>

/** Runs the action against a service; worker group `ci` unless another is named. */
async function poll(
  service: LocalDataPipeline,
  inputs: Inputs = {},
  options: Omit<StepOptions, 'inputs'> & Style = {},
): Promise<StepResult> {
  return perform({
    ...options,
    action: 'poll-for-task',
    inputs: { 'worker-group': 'ci', 'wait-seconds': '0', ...inputs },
    env: { ...service.env(), ...options.env },
  })
}

function operationsOf(service: LocalDataPipeline): string[] {
  return service.requests.map(({ operation }) => operation ?? '')
}

const NOTHING = {
  found: 'false',
  count: '0',
  'task-id': '',
  'pipeline-id': '',
  'attempt-id': '',
  precondition: 'false',
  fields: '{}',
  objects: '{}',
  tasks: '[]',
  'task-ids': '[]',
}

describe('a task', () => {
  test.concurrent('is taken, acknowledged at once, and handed on', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId, pipelineId, attemptId, objects } = service.addTask()
    const step = await poll(service, {}, { as: 'process' })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [], stderr: '' })
    expect(operationsOf(service)).toEqual(['PollForTask', 'ReportTaskProgress'])
    expect(service.task(taskId)).toMatchObject({ state: 'running', assignments: 1 })
    expect(step.outputs).toMatchObject({
      found: 'true',
      count: '1',
      'task-id': taskId,
      'pipeline-id': pipelineId,
      'attempt-id': attemptId,
      precondition: 'false',
    })
    expect(JSON.parse(step.outputs['objects'] ?? '')).toEqual(objects)
    const fields = JSON.parse(step.outputs['fields'] ?? '')
    expect(fields).toMatchObject({ type: 'ShellCommandActivity', command: 'echo hello', parent: { ref: 'SayHello' } })
    expect(JSON.parse(step.outputs['tasks'] ?? '')).toEqual([
      { 'task-id': taskId, 'pipeline-id': pipelineId, 'attempt-id': attemptId, precondition: '', fields, objects: {} },
    ])
    expect(step.outputs['task-ids']).toBe(JSON.stringify([taskId]))
    expect(Object.keys(step.outputs).sort()).toEqual(Object.keys(NOTHING).sort())
    expect(step.stdout).toContain(taskId.slice(0, 12))
  })

  test('has a row in the summary, without its whole id', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId, attemptId } = service.addTask()
    const step = await poll(service)
    // It begins with @: outside of <code>, GitHub would take it for a mention of a user.
    expect(step.summary).toContain(`<code>${attemptId}</code>`)
    expect(step.summary).toContain(taskId.slice(0, 12))
    expect(step.summary).not.toContain(taskId)
    expect((await poll(service, { summary: 'false' })).summary).toBe('')
  })

  test('that shows up while the service holds the poll is taken with this one call', async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 20_000 })
    void service.received('PollForTask').then(() => service.addTask())
    const step = await poll(service)
    expect(step.outputs['found']).toBe('true')
    expect(operationsOf(service)).toEqual(['PollForTask', 'ReportTaskProgress'])
  })

  test('whose members have types that nobody documented is handed on all the same', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    const fields = [{ key: 'command', stringValue: 'make' }, { key: 7, stringValue: ['x'] }, null, 'y']
    const objects = { '@A': { id: 1, name: {}, fields }, B: null, C: { fields: 'none' } }
    const text = JSON.stringify({ taskObject: { taskId, pipelineId: 5, attemptId: [], objects } })
    service.injectFault(on('PollForTask', { kind: 'body', text }))
    const step = await poll(service)
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
    expect(step.outputs).toMatchObject({ found: 'true', 'task-id': taskId, 'pipeline-id': '', 'attempt-id': '' })
    expect(JSON.parse(step.outputs['fields'] ?? '')).toMatchObject({ command: 'make' })
    expect(service.task(taskId).state).toBe('running')
  })

  test('with strange names and texts comes through as it is', async () => {
    await using service = await LocalDataPipeline.start()
    const attemptId = '@Größe_2026 "x" \\ ::error::no %0A <b>'
    const fields = [
      { key: 'command', stringValue: 'echo "a\nb" && printf \'%s\\n\' <EOF\n::set-output name=x::y' },
      { key: '__proto__', stringValue: 'plain' },
      { key: 'input', refValue: 'First' },
      { key: 'input', stringValue: '{"ref":"Second"}' },
      { key: 'empty', stringValue: '' },
    ]
    service.addTask({ attemptId, objects: { [attemptId]: { id: attemptId, name: attemptId, fields } } })
    const step = await poll(service)
    expect(step.outputs['attempt-id']).toBe(attemptId)
    const parsed = JSON.parse(step.outputs['fields'] ?? '')
    expect(Object.entries(parsed)).toEqual([
      ['command', fields[0]?.stringValue],
      ['__proto__', 'plain'],
      ['input', [{ ref: 'First' }, '{"ref":"Second"}']],
      ['empty', ''],
    ])
    expect(step.commands).toEqual([])
    expect(step.summary).not.toContain('<b>')
  })
})

test('a precondition is told from an activity', async () => {
  await using service = await LocalDataPipeline.start()
  service.addTask({ texts: { type: 'ShellCommandPrecondition' } })
  service.addTask()
  const step = await poll(service, { 'max-tasks': '2' })
  expect(step.outputs['precondition']).toBe('true')
  const tasks = JSON.parse(step.outputs['tasks'] ?? '') as { precondition: string }[]
  expect(tasks.map(({ precondition }) => precondition)).toEqual(['true', ''])
})

describe('an object of the name', () => {
  test.each(['__proto__', 'constructor'])('%s is an object like any other', async (attemptId) => {
    await using service = await LocalDataPipeline.start()
    const { objects } = service.addTask({ attemptId })
    const step = await poll(service)
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(step.outputs['attempt-id']).toBe(attemptId)
    expect(JSON.parse(step.outputs['fields'] ?? '')).toMatchObject({ command: 'echo hello' })
    expect(step.outputs['objects']).toBe(JSON.stringify(objects))
  })
})

describe('secrets of the job in a task', () => {
  const KEY = TEST_CREDENTIALS.secretAccessKey

  test('are taken out of the texts, and the outputs stay JSON', async () => {
    await using service = await LocalDataPipeline.start()
    service.addTask({ texts: { command: `load --key '${KEY}'`, [KEY]: `"${encodeURIComponent(KEY)}\\` } })
    const step = await poll(service)
    const expected = { command: "load --key '***'", '***': '"***\\' }
    expect(JSON.parse(step.outputs['fields'] ?? '')).toMatchObject(expected)
    expect(JSON.parse(step.outputs['tasks'] ?? '')).toMatchObject([{ fields: expected }])
  })

  test('an escape in JSON is no part of one', async () => {
    await using service = await LocalDataPipeline.start()
    // With the letter of its escape, the line end is like twelve characters of the key: in text\nFEMI/K7MDEN.
    const command = 'text\nFEMI/K7MDEN'
    service.addTask({ texts: { command } })
    const step = await poll(service)
    expect(KEY).toContain(JSON.stringify(command).slice(6, -1))
    expect(JSON.parse(step.outputs['fields'] ?? '')).toMatchObject({ command })
    expect(JSON.parse(step.outputs['tasks'] ?? '')).toMatchObject([{ fields: { command } }])
  })
})

describe('encrypted fields', () => {
  const PASSWORD = 'open "sesame" 100%'

  test('are left out of all outputs, and masked before anything else is said', async () => {
    await using service = await LocalDataPipeline.start()
    const texts = { '*password': PASSWORD, '*pin': '1234', '*lines': '{\n  "key": 5\n}', user: 'reader' }
    const { taskId } = service.addTask({ texts })
    const step = await poll(service)
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(step.outputs['task-id']).toBe(taskId)
    for (const name of ['fields', 'objects', 'tasks']) {
      expect(step.outputs[name]).toContain('reader')
      expect(step.outputs[name]).not.toMatch(/\*|sesame|1234/)
    }
    // The runner masks each line of a text, however short it is, so it is told of those that are long enough.
    expect(step.masks).toEqual([TEST_CREDENTIALS.secretAccessKey, PASSWORD, '"key": 5'])
    expect(step.stdout).not.toContain('sesame')
    expect(step.stdout).toContain('Omitted from the outputs, because they are encrypted in the pipeline: "*password"')
  })

  test.each(['open-sesame', PASSWORD])(
    'whose value stands in another field, too, are hidden there: %s',
    async (value) => {
      await using service = await LocalDataPipeline.start()
      service.addTask({ texts: { '*password': value, command: `load --password ${value}` } })
      const step = await poll(service)
      expect(JSON.parse(step.outputs['fields'] ?? '')).toMatchObject({ command: 'load --password ***' })
      expect(Object.values(step.outputs).join()).not.toContain('sesame')
    },
  )

  test('in whose value an id of the task stands do not keep that from being handed on', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId, pipelineId, attemptId } = service.addTask({ attemptId: '@nightly-load_Attempt=1' })
    service.addTask({ texts: { '*a': `of ${pipelineId}`, '*b': `x@nightly-load_Attempt=1`, '*c': `x${taskId}` } })
    const step = await poll(service, { 'max-tasks': '2' })
    expect(step.outputs).toMatchObject({ 'task-id': taskId, 'pipeline-id': pipelineId, 'attempt-id': attemptId })
    expect(JSON.parse(step.outputs['task-ids'] ?? '')).toContain(taskId)
  })

  test('whose value is a part of what a job needs of the task do not keep it from being handed on', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId, attemptId } = service.addTask({
      attemptId: '@nightly-load_Attempt=1',
      texts: { '*a': 'nightly-load', '*b': 'command', '*c': 'task-id', '*d': 'df-0937003356ZJEXAMPLE' },
    })
    const step = await poll(service)
    expect(step.commands).toEqual([])
    const [task] = JSON.parse(step.outputs['tasks'] ?? '')
    expect(task).toMatchObject({ 'task-id': taskId, 'attempt-id': attemptId, fields: { command: 'echo hello' } })
  })
})

test.concurrent('a huge task is acknowledged and handed on at once', async () => {
  await using service = await LocalDataPipeline.start()
  const repeated = Array.from({ length: 50_000 }, (_, index) => ({ key: 'x', stringValue: `${index}` }))
  const { taskId } = service.addTask({ attemptId: '@A', objects: { '@A': { id: '@A', name: 'A', fields: repeated } } })
  const step = await poll(service, {}, { as: 'process' })
  expect(step.outputs['task-id']).toBe(taskId)
  expect(service.task(taskId).state).toBe('running')
})

describe('no task', () => {
  test.each(['empty object', 'empty body', 'null', 'empty task'] as const)(
    'as %s: found is false, the step succeeds',
    async (emptyPoll) => {
      await using service = await LocalDataPipeline.start({ emptyPoll, pollHoldMs: 10 })
      const step = await poll(service)
      expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
      expect(step.outputs).toEqual(NOTHING)
      expect(operationsOf(service)).toEqual(['PollForTask'])
      expect(step.stdout).toMatch(/No task .*"ci"/)
      expect(step.summary).toContain('ci')
    },
  )

  test('for some seconds: asks again, not too often, one call after the other, then gives up', async () => {
    let [ended, most] = [0, 0]
    await using service = await LocalDataPipeline.start({
      pollHoldMs: 10,
      emptyPoll: 'empty task',
      onRequest: () => {
        most = Math.max(most, service.requests.length - ended)
        ended += 1
      },
    })
    const step = await poll(service, { 'wait-seconds': '4' })
    const polls = service.requestsFor('PollForTask')
    // 1 to 2 s apart.
    expect(polls.length).toBeGreaterThanOrEqual(3)
    expect(polls.length).toBeLessThanOrEqual(5)
    expect(step.tookMs).toBeGreaterThanOrEqual(4_000)
    expect(step.tookMs).toBeLessThanOrEqual(6_000)
    expect(most).toBe(1)
    expect(step.outputs).toEqual(NOTHING)
    expect(step.exitCode).toBe(0)
  })

  test('at first, and one after some seconds', async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    void service.received('PollForTask', 2).then(() => service.addTask())
    const step = await poll(service, { 'wait-seconds': '60' })
    expect(step.outputs['found']).toBe('true')
  })

  test.each(['CI', 'ci2', 'c', 'ci/x'])('for the worker group %s, as that of the task is ci', async (group) => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    service.addTask({ workerGroup: 'ci' })
    const step = await poll(service, { 'worker-group': group })
    expect(step.outputs['found']).toBe('false')
    expect(service.requestsFor('PollForTask')[0]?.body['workerGroup']).toBe(group)
  })
})

describe('max-tasks', () => {
  test('20 of 25: each acknowledged before the next poll; five stay', async () => {
    await using service = await LocalDataPipeline.start()
    for (let index = 0; index < 25; index++) service.addTask({ attemptId: `@Work_${index}_Attempt=1` })
    const step = await poll(service, { 'max-tasks': '20' })
    expect(step).toMatchObject({ exitCode: 0, warnings: [] })
    expect(operationsOf(service)).toEqual(Array(20).fill(['PollForTask', 'ReportTaskProgress']).flat())
    const tasks = JSON.parse(step.outputs['tasks'] ?? '') as { 'task-id': string; 'attempt-id': string }[]
    expect(tasks.map((task) => task['attempt-id'])).toEqual(tasks.map((_, index) => `@Work_${index}_Attempt=1`))
    expect(new Set(tasks.map((task) => task['task-id'])).size).toBe(20)
    expect(step.outputs).toMatchObject({ count: '20', found: 'true', 'task-id': tasks[0]?.['task-id'] })
    const states = service.tasks.map(({ state }) => state)
    expect(states.filter((state) => state === 'running')).toHaveLength(20)
    expect(states.filter((state) => state === 'waiting')).toHaveLength(5)
    for (let index = 0; index < 20; index++) expect(step.summary).toContain(`@Work_${index}_Attempt=1`)
  })

  test('20 of 3: takes what there is, and does not wait for more', async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    for (let index = 0; index < 3; index++) service.addTask()
    const step = await poll(service, { 'max-tasks': '20', 'wait-seconds': '600' })
    expect(step.outputs['count']).toBe('3')
    expect(step.exitCode).toBe(0)
  })
})

describe('a task that is not ours', () => {
  test('as AWS Data Pipeline canceled it: not handed on', async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    const cancelled = service.addTask()
    const other = service.addTask()
    void service.received('PollForTask').then(() => service.cancelTask(cancelled.taskId))
    service.injectFault(on('PollForTask', late(50)))
    const step = await poll(service, { 'max-tasks': '2' })
    expect(step.exitCode).toBe(0)
    expect(step.outputs).toMatchObject({ count: '1', 'task-id': other.taskId })
    expect(step.outputs['tasks']).not.toContain(cancelled.taskId)
    expect(step.stdout).toMatch(/canceled a task/)
  })

  test.each<[string, Fault]>([
    ['is not found', taskNotFound()],
    ['has lost its pipeline', pipelineDeleted()],
  ])('as it %s: not handed on, with a warning', async (_name, fault) => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    service.addTask()
    service.injectFault(on('ReportTaskProgress', fault))
    const step = await poll(service)
    expect(step.outputs).toEqual(NOTHING)
    expect(step.exitCode).toBe(0)
    expect(step.warnings).toHaveLength(1)
    expect(step.warnings[0]).toMatch(/A task no longer exists, and is not handed on/)
  })

  test('as it may not be acknowledged: fails with the permission that is missing, and takes no other', async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    for (let count = 0; count < 3; count++) service.addTask()
    service.keepInjectingFault(on('ReportTaskProgress', accessDenied('ReportTaskProgress')))
    const step = await poll(service, { 'max-tasks': '3' })
    expect(step.outputs).toEqual(NOTHING)
    expect(step.exitCode).toBe(1)
    expect(step.warnings).toEqual([])
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toMatch(
      /Could not acknowledge a task of worker group "ci".*datapipeline:ReportTaskProgress/s,
    )
    expect(operationsOf(service)).toEqual(['PollForTask', 'ReportTaskProgress'])
  })

  test('passing faults of the acknowledgement: tried again, and handed on', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    const faults = [throttle(), internalError(), reset(), lostReply()]
    service.injectFault(...faults.map((fault) => on('ReportTaskProgress', fault)))
    const step = await poll(service)
    expect(step.outputs['task-id']).toBe(taskId)
    expect(step).toMatchObject({ exitCode: 0, warnings: [] })
    expect(service.requestsFor('ReportTaskProgress')).toHaveLength(5)
  })
})

describe('a poll that fails', () => {
  test.each<[string, Fault[]]>([
    ['throttling', times(3, throttle())],
    ['errors of the service', [internalError(), bare(503)]],
    ['a reset connection', [reset(), reset('before reading')]],
    ['a page of a proxy', [html(502)]],
  ])('by %s is made again', async (_name, faults) => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    service.injectFault(...faults)
    const step = await poll(service)
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(step.outputs['task-id']).toBe(taskId)
    expect(service.requestsFor('PollForTask')).toHaveLength(faults.length + 1)
  })

  test.each([
    ['reset', 6_000],
    ['gateway', 14_000],
  ] as const)('as it was held and then cut off by a %s: none yet, with one warning', async (by, heldMs) => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    service.injectFault(on('PollForTask', cutOff(by, 50)))
    void service.received('PollForTask').then(() => passTime(heldMs))
    const step = await poll(service, { 'wait-seconds': '600' })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(step.warnings).toEqual([expect.stringMatching(/cut off after [\d.]+ s while the service held it/)])
    expect(step.outputs['task-id']).toBe(taskId)
    expect(service.requestsFor('PollForTask')).toHaveLength(2)
  })

  // What an answer is does not depend on when it came: the limit of requests for credentials, a second, is over by then.
  test('by a reset after a while is made again', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    service.injectFault(on('PollForTask', cutOff('reset', 1_200)))
    const step = await poll(service, { 'timeout-seconds': '4' })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(step.outputs['task-id']).toBe(taskId)
    expect(service.requestsFor('PollForTask')).toHaveLength(2)
  })

  test('for good, after a task was acknowledged: the task is handed on, with a warning', async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    const { taskId } = service.addTask()
    const refusal = on('PollForTask', accessDenied('PollForTask'))
    void service.received('ReportTaskProgress').then(() => service.keepInjectingFault(refusal))
    const step = await poll(service, { 'max-tasks': '2' })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(step.warnings).toEqual([expect.stringMatching(/^Polling ended early: .*AccessDenied/)])
    expect(step.outputs).toMatchObject({ found: 'true', count: '1', 'task-id': taskId })
  })

  test('for good: one error that says what to allow, and outputs that say found is false', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(accessDenied('PollForTask'))
    const step = await poll(service)
    expect(step.exitCode).toBe(1)
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('"ci"')
    expect(step.errors[0]).toContain('datapipeline:PollForTask')
    // Only this call takes a condition key, so something narrower can be allowed.
    expect(step.errors[0]).toContain('datapipeline:workerGroup')
    expect(step.outputs).toEqual(NOTHING)
    expect(service.requests).toHaveLength(1)
  })

  test('with fail-on-error false: one warning with the same words', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(accessDenied('PollForTask'))
    const step = await poll(service, { 'fail-on-error': 'false' })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(step.warnings).toHaveLength(1)
    expect(step.warnings[0]).toMatch(/Could not poll worker group "ci"/)
    expect(step.outputs).toEqual(NOTHING)
  })

  test('with debug logging: the log has the error of the call, too', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(accessDenied('PollForTask'))
    const step = await poll(service, {}, { env: { RUNNER_DEBUG: '1' } })
    const debug = step.commands.filter(({ name }) => name === 'debug').map(({ message }) => message)
    expect(debug.join('\n')).toMatch(/^CallError: [\s\S]*^AccessDeniedException/m)
  })

  test('again and again ends with timeout-seconds, and the log counts the time that is left', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(throttle())
    const step = await poll(service, { 'timeout-seconds': '8' })
    expect(step.exitCode).toBe(1)
    expect(step.errors[0]).toMatch(/gave up after \d+ attempts in 8 s \(timeout-seconds\)/)
    const left = [...step.stdout.matchAll(/\((\d+(?:\.\d)?) s left\)/g)].map(([, seconds]) => Number(seconds))
    expect(left.length).toBeGreaterThan(0)
    expect(Math.max(...left)).toBeLessThanOrEqual(8)
    // No try begins after it.
    expect(step.tookMs).toBeLessThanOrEqual(8_000)
  })

  test('after tasks were taken: they are handed on, with a warning', async () => {
    await using service = await LocalDataPipeline.start()
    const tasks = [service.addTask(), service.addTask(), service.addTask()]
    void service.received('PollForTask', 2).then(() => service.keepInjectingFault(on('PollForTask', accessDenied())))
    const step = await poll(service, { 'max-tasks': '20' })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(step.warnings).toHaveLength(1)
    expect(Number(step.outputs['count'])).toBeGreaterThanOrEqual(2)
    expect(JSON.parse(step.outputs['tasks'] ?? '')[1]['task-id']).toBe(tasks[1]?.taskId)
    const running = service.tasks.filter(({ state }) => state === 'running')
    expect(running).toHaveLength(Number(step.outputs['count']))
  })

  test('without credentials: one error, and nothing is asked', async () => {
    await using service = await LocalDataPipeline.start()
    const step = await poll(service, {}, { env: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } })
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('credentials')
    expect(service.requests).toEqual([])
  })

  // Nothing was asked of the service yet, so it can't have handed out a task.
  test('as STS does not answer: tried again, with a new token', async () => {
    const credentials = new CredentialStore([])
    await using oidc = await LocalOidc.start()
    await using sts = await LocalSts.start({ issuer: oidc, credentials })
    await using service = await LocalDataPipeline.start({ credentials })
    const { taskId } = service.addTask()
    sts.injectFault(hang())
    const env = { ...oidc.env(), ...sts.env(), AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }
    // A request for credentials has a second of it, by the clock of the machine.
    const step = await poll(service, { 'role-to-assume': TEST_ROLE.arn, 'timeout-seconds': '4' }, { env })
    expect(step.errors).toEqual([])
    expect(step.outputs['task-id']).toBe(taskId)
    expect(oidc.requests).toHaveLength(2)
    expect(service.requests[0]?.signedBy).toBe(sts.requests[1]?.accessKeyId)
  })
})

describe('the host name', () => {
  test.each([
    ['is that of the runner', {}, {}, 'runner-1'],
    ['is the one given', { hostname: 'build-7.example' }, {}, 'build-7.example'],
    ['is that of the machine outside of a runner', {}, { RUNNER_NAME: undefined }, hostname()],
  ] as const)('%s', async (_name, inputs, env, expected) => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    await poll(service, inputs, { env })
    expect(service.requestsFor('PollForTask')[0]?.body['hostname']).toBe(expected)
  })
})

describe('taskrunner-id', () => {
  test('sends ReportTaskRunnerHeartbeat at the start', async () => {
    await using service = await LocalDataPipeline.start()
    service.addTask()
    const step = await poll(service, { 'taskrunner-id': 'runner-of-ci' })
    expect(step.warnings).toEqual([])
    expect(operationsOf(service)).toEqual(['ReportTaskRunnerHeartbeat', 'PollForTask', 'ReportTaskProgress'])
    expect(service.requests[0]?.body).toEqual({
      taskrunnerId: 'runner-of-ci',
      workerGroup: 'ci',
      hostname: 'runner-1',
    })
  })

  test('not given: none is sent', async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    await poll(service)
    expect(service.requestsFor('ReportTaskRunnerHeartbeat')).toEqual([])
  })

  test('the service wants it to end: no task is taken, and it says so', async () => {
    await using service = await LocalDataPipeline.start()
    service.addTask()
    service.injectFault(on('ReportTaskRunnerHeartbeat', { kind: 'body', text: '{"terminate":true}' }))
    const step = await poll(service, { 'taskrunner-id': 'r', 'wait-seconds': '600' })
    expect(step.exitCode).toBe(0)
    expect(step.outputs['found']).toBe('false')
    expect(step.warnings).toHaveLength(1)
    expect(service.requestsFor('PollForTask')).toEqual([])
  })

  test('a heartbeat that fails is a warning, and the tasks are taken', async () => {
    await using service = await LocalDataPipeline.start()
    service.addTask()
    service.injectFault(on('ReportTaskRunnerHeartbeat', accessDenied()))
    const step = await poll(service, { 'taskrunner-id': 'r' })
    expect(step.warnings).toHaveLength(1)
    expect(step.outputs['found']).toBe('true')
  })
})

describe('outputs stay below 1 MB', () => {
  /** Objects of about so many characters, in fields of 10,000 each. */
  function objectsOf(attemptId: string, characters: number): PipelineObjects {
    const fields = Array.from({ length: Math.ceil(characters / 10_000) }, (_, index) => ({
      key: `field${index}`,
      stringValue: 'x'.repeat(10_000),
    }))
    return { [attemptId]: { id: attemptId, name: attemptId, fields } }
  }

  // GitHub counts two bytes for a character.
  const bytesOf = ({ outputs }: StepResult): number => Object.values(outputs).join('').length * 2

  test('of many tasks: stops taking them, and says so; none is lost', async () => {
    await using service = await LocalDataPipeline.start()
    for (let index = 0; index < 20; index++)
      service.addTask({ attemptId: `@A${index}`, objects: objectsOf(`@A${index}`, 40_000) })
    const step = await poll(service, { 'max-tasks': '20' })
    expect(step.exitCode).toBe(0)
    expect(step.warnings).toHaveLength(1)
    expect(step.warnings[0]).toContain('1 MB')
    expect(bytesOf(step)).toBeLessThan(1_000_000)
    const count = Number(step.outputs['count'])
    expect(count).toBeGreaterThanOrEqual(5)
    expect(count).toBeLessThan(20)
    expect(service.tasks.filter(({ state }) => state === 'running')).toHaveLength(count)
  })

  test('of one task with huge objects: says so', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask({ attemptId: '@A', objects: objectsOf('@A', 600_000) })
    const step = await poll(service)
    expect(bytesOf(step)).toBeLessThan(1_000_000)
    expect([...step.warnings, ...step.errors].join()).toContain('1 MB')
    // Handed on, or left to be handed out again; but not held by nobody.
    expect([step.outputs['task-id'], service.task(taskId).state]).toEqual(
      step.outputs['found'] === 'true' ? [taskId, 'running'] : ['', 'assigned'],
    )
  })
})

test('dry-run calls nothing, and finds nothing', async () => {
  await using service = await LocalDataPipeline.start()
  service.addTask()
  const step = await poll(service, { 'dry-run': 'true', 'taskrunner-id': 'r' })
  expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  expect(service.requests).toEqual([])
  expect(step.outputs).toEqual(NOTHING)
  expect(step.stdout).toMatch(/Dry run.*"ci"/)
})

describe('inputs', () => {
  test.each([
    ['worker-group', '', ['workerGroup']],
    ['worker-group', 'a\u0007b', ['1024']],
    ['hostname', 'a\u0007b', ['1024']],
    ['taskrunner-id', 'a\u0007b', ['1024']],
    ['wait-seconds', '-1', ['whole number']],
    ['wait-seconds', '1.5', ['whole number']],
    ['max-tasks', '0', ['1', '256']],
    ['max-tasks', '257', ['1', '256']],
    ['timeout-seconds', '0', ['3600']],
    ['summary', 'yes', ['true', 'false']],
    ['dry-run', '1', ['true', 'false']],
    ['role-to-assume', 'reporter', ['arn:aws:iam::']],
  ])('%s %j is refused, also with fail-on-error false', async (name, value, words) => {
    await using service = await LocalDataPipeline.start()
    const step = await poll(service, { [name]: value, 'fail-on-error': 'false' })
    expect(step.exitCode).toBe(1)
    expect(step.errors).toHaveLength(1)
    for (const word of [name, ...words]) expect(step.errors[0]).toContain(word)
    expect(service.requests).toEqual([])
  })

  test('a worker group of 1025 characters is refused, one of 1024 is asked for', async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 10 })
    const refused = await poll(service, { 'worker-group': 'x'.repeat(1025) })
    expect(refused.errors[0]).toContain('1024')
    const taken = await poll(service, { 'worker-group': 'x'.repeat(1024) })
    expect(taken.exitCode).toBe(0)
    expect(service.requests).toHaveLength(1)
  })
})

const onPosix = (process.platform === 'win32' ? test.skip : test.concurrent) as typeof test.concurrent

// Nobody goes on with a task that a cancelled job takes: it would be silent for minutes before another poll gets it.
onPosix('SIGINT while there is no task: ends soon, and takes none', async () => {
  await using service = await LocalDataPipeline.start({ pollHoldMs: 50 })
  const onStart = (child: RunningStep): void => {
    void service.received('PollForTask').then(async () => {
      // In the pause before the next poll.
      await new Promise((resolve) => setTimeout(resolve, 300))
      service.addTask()
      child.kill('SIGINT')
    })
  }
  // The pause is long, so that it is not over where this machine stands still before the signal: 20 to 40 s.
  const module = 'const wait = setTimeout; globalThis.setTimeout = (done, ms, ...more) => wait(done, ms * 20, ...more)'
  const step = await poll(service, { 'wait-seconds': '600' }, { as: 'process', onStart, env: preloading(module) })
  expect(step.tookMs).toBeLessThan(15_000)
  expect(service.tasks).toMatchObject([{ state: 'waiting', assignments: 0 }])
  expect(step.outputs['found']).toBe('false')
})

onPosix('SIGINT while the service holds a poll: ends before the runner kills it', async () => {
  await using service = await LocalDataPipeline.start({ pollHoldMs: 25_000 })
  let signalled = 0
  const onStart = (child: RunningStep): void => {
    void service.received('PollForTask').then(() => {
      signalled = performance.now()
      child.kill('SIGINT')
    })
  }
  const step = await poll(service, { 'wait-seconds': '600' }, { as: 'process', onStart })
  expect(performance.now() - signalled).toBeLessThan(7_000 + STALL_MS)
  expect(service.requestsFor('PollForTask')).toHaveLength(1)
  expect(step.outputs['found']).toBe('false')
})
