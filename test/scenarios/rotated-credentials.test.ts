// Credentials that a machine rotates while a step or a heartbeat process uses them: they are read again.
import { afterAll, describe, expect, test } from '@jest/globals'
import type { ReceivedRequest } from '../fakes/aws/data-pipeline.ts'
import { on, throttle } from '../fakes/aws/faults.ts'
import { leftOverProcesses } from '../support/job.ts'
import { perform } from '../support/perform.ts'
import { eventually } from '../support/processes.ts'
import { heartbeatCounts, startActivity } from './holding.ts'
import { reportTo } from './reporting.ts'
import { CREDENTIALS_FILE, REJECTIONS, SOURCES, startSource } from './rotating-source.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const ROTATIONS = SOURCES.filter(({ needsShell }) => !needsShell || process.platform !== 'win32').flatMap((source) =>
  REJECTIONS.map((rejection) => ({ name: source.name, source, rejection })),
)
/** Each source once, and each rejection: the process renews as the steps do, which have all of them. */
const ROTATIONS_OF_HEARTBEATS = ROTATIONS.filter(
  ({ source, rejection }) => rejection === REJECTIONS[SOURCES.indexOf(source) % REJECTIONS.length],
)

describe('while heartbeats hold a task', () => {
  test.concurrent.each(ROTATIONS_OF_HEARTBEATS)(
    '$name, the old ones are $rejection: one beat fails at most',
    async ({ source, rejection }) => {
      await using machine = await startSource(source)
      const { service, sts } = machine
      using held = await startActivity(service, source.inputs, { env: machine.env })
      expect(held.main).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
      await held.beats(1)
      machine.rotate(rejection)
      const last = (): ReceivedRequest | undefined => service.requestsFor('ReportTaskProgress').at(-1)
      // Those before may have been sent before, or be the one that fails.
      const isNew = (): boolean => last()?.response?.status === 200 && !machine.isOld(last()?.signedBy)
      expect(await eventually(isNew, 50_000)).toBe(true)
      const post = await held.post()
      expect(post).toMatchObject({ exitCode: 0, errors: [] })
      expect(heartbeatCounts(post).failed).toBeLessThanOrEqual(1)
      expect(machine.isOld(last()?.signedBy)).toBe(false)
      expect(service.task(held.taskId).state).toBe('finished')
      const session = sts.requests.at(-1)
      expect(machine.isOld(session?.signedBy)).toBe(false)
      if (source.hasTokenFile) expect(session?.parameters['WebIdentityToken']).toBe(machine.token())
    },
  )
})

describe('while poll-for-task waits for a task', () => {
  test.each(ROTATIONS)('$name, the old ones are $rejection: it goes on', async ({ source, rejection }) => {
    await using machine = await startSource(source)
    const { service } = machine
    const inputs = { 'worker-group': 'ci', 'wait-seconds': '25', ...source.inputs }
    const polling = perform({ action: 'poll-for-task', inputs, env: { ...service.env(), ...machine.env } })
    const [first] = await service.received('PollForTask', 2)
    machine.rotate(rejection)
    const polls = service.requestsFor('PollForTask').length
    // One that may be rejected, and one with new credentials.
    await Promise.race([service.received('PollForTask', polls + 2), polling])
    const { taskId } = service.addTask()
    const step = await polling
    expect(step).toMatchObject({ exitCode: 0, errors: [], outputs: { found: 'true', 'task-id': taskId } })
    expect(machine.isOld(first?.signedBy)).toBe(true)
    expect(service.requests.filter(({ response }) => response?.error !== undefined).length).toBeLessThanOrEqual(1)
    expect(machine.isOld(service.requests.at(-1)?.signedBy)).toBe(false)
  })
})

describe('while a report is tried again', () => {
  test.each(REJECTIONS)('a credentials file, the old ones are %s: it is reported', async (rejection) => {
    await using machine = await startSource(CREDENTIALS_FILE)
    const { service } = machine
    service.keepInjectingFault(on('SetTaskStatus', throttle()))
    const reporting = reportTo(service, { status: 'FINISHED' }, { env: machine.env })
    await service.received('SetTaskStatus')
    machine.rotate(rejection)
    service.clearFaults()
    const { step, taskId } = await reporting
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(machine.isOld(service.requests.at(-1)?.signedBy)).toBe(false)
    expect(service.task(taskId).state).toBe('finished')
  })
})
