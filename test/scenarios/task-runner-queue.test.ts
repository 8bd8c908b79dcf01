// task-runner works off a queue: several tasks, preconditions, heartbeats meanwhile, and what keeps it from taking tasks.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied, bare, on, throttle, times } from '../fakes/aws/faults.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { fastClock } from '../support/timing.ts'
import { definition, onLinux, ready, runTasks, startTasks } from './task-running.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const PRECONDITION = { texts: { type: 'ShellCommandPrecondition' } }

function addTasks(service: LocalDataPipeline, count: number): string[] {
  return Array.from({ length: count }, (_, index) => service.addTask({ attemptId: `@Load${index}_Attempt=1` }).taskId)
}

describe('a queue', () => {
  onLinux('of more tasks than max-tasks: the rest waits for another step', async () => {
    await using service = await LocalDataPipeline.start()
    addTasks(service, 3)
    const step = await runTasks(service, { run: 'true', 'max-tasks': '2' })
    expect(step).toMatchObject({ exitCode: 0, outputs: { count: '2', finished: '2' } })
    expect(service.tasks.map(({ state }) => state)).toEqual(['finished', 'finished', 'waiting'])
  })

  onLinux('with max-tasks 0 is worked off to its end, whatever the ends are', async () => {
    await using service = await LocalDataPipeline.start()
    const ids = addTasks(service, 4)
    const run = 'exit $(( $(echo "$DATAPIPELINE_ATTEMPT_ID" | tr -dc "0-3" | head -c 1) % 2 ))'
    const step = await runTasks(service, { run, 'max-tasks': '0' })
    expect(step.exitCode).toBe(1)
    expect(step.outputs).toMatchObject({ count: '4', finished: '2', failed: '2', 'task-id': ids[3], 'exit-code': '1' })
    const failed = ['Load1', 'Load3'].map(
      (name) => `Reported FAILED for ${name} #1: The command ended with exit code 1.`,
    )
    expect(step.errors).toEqual([failed.join('\n')])
    expect(service.tasks.map(({ state }) => state)).toEqual(['finished', 'failed', 'finished', 'failed'])
    expect(service.requestsFor('PollForTask')).toHaveLength(5)
  })

  onLinux('in parallel: so many at a time, and one that is free takes the next', async () => {
    await using service = await LocalDataPipeline.start()
    addTasks(service, 4)
    using job = new Job(service.env())
    // The first one ends when all others have: they take the second place, one after the other.
    const run = [
      'cd "$RUNNER_TEMP"',
      'echo "start" >> events',
      'case "$DATAPIPELINE_ATTEMPT_ID" in @Load0*) until [ "$(grep -c end events)" -ge 3 ]; do sleep 0.05; done;; esac',
      'echo "end" >> events',
    ].join('\n')
    const inputs = { 'worker-group': 'ci', 'wait-seconds': '0', run, 'max-tasks': '4', parallel: '2' }
    const step = await job.main('runner', { action: 'task-runner', inputs })
    expect(step).toMatchObject({ exitCode: 0, outputs: { count: '4', finished: '4' } })
    const events = readFileSync(join(job.temp, 'events'), 'utf8').trim().split('\n')
    const running = events.map((_, at) => {
      const until = events.slice(0, at + 1)
      return until.filter((each) => each === 'start').length - until.filter((each) => each === 'end').length
    })
    expect(Math.max(...running)).toBe(2)
  })

  onLinux('that can not be polled: the error names the group, and what was taken is done', async () => {
    await using service = await LocalDataPipeline.start()
    const [taskId = ''] = addTasks(service, 1)
    using job = new Job(service.env())
    const run = ready('until [ -e "$RUNNER_TEMP/go" ]; do sleep 0.1; done')
    const { done } = await startTasks(job, { run, 'max-tasks': '0' })
    service.keepInjectingFault(on('PollForTask', accessDenied('PollForTask')))
    writeFileSync(join(job.temp, 'go'), '')
    const step = await done
    expect(step.exitCode).toBe(1)
    expect(step.errors).toEqual([expect.stringContaining('"ci"')])
    expect(step.outputs).toMatchObject({ count: '1', finished: '1' })
    expect(service.task(taskId).status).toBe('FINISHED')
  })

  onLinux('that can not be polled does not fail the step with fail-on-error: false', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(accessDenied('PollForTask'))
    const step = await runTasks(service, { run: 'true', 'fail-on-error': 'false' })
    expect(step).toMatchObject({
      exitCode: 0,
      errors: [],
      warnings: [expect.stringContaining('fail-on-error is false')],
    })
  })
})

describe('a precondition', () => {
  onLinux('is not what the script of a workflow is for, unless that says so', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask(PRECONDITION)
    const step = await runTasks(service, { run: 'echo ran' })
    expect(step.stdout).not.toMatch(/^ran$/m)
    expect(service.task(taskId)).toMatchObject({ status: 'FAILED', errorId: 'TaskRunner:Definition' })
    expect(service.task(taskId).errorMessage).toContain('run-preconditions: true')
  })

  onLinux('that holds in time is FINISHED: it is tried again', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask(
      definition([
        ['type', 'ShellCommandPrecondition'],
        ['command', 'echo x >> ../tries; [ "$(wc -l < ../tries)" -ge 3 ]'],
        ['retryDelay', '1 second'],
        ['preconditionTimeout', '10 minutes'],
      ]),
    )
    const step = await runTasks(service, { 'from-definition': 'true' }, { env: fastClock(10) })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [], notices: [] })
    expect(service.task(taskId)).toMatchObject({ status: 'FINISHED' })
    expect(step.stdout.match(/does not hold \(exit code 1\)/g)).toHaveLength(2)
  })

  onLinux('that does not hold in its time is FALSE, which does not fail the step', async () => {
    await using service = await LocalDataPipeline.start()
    const texts = { ...PRECONDITION.texts, retryDelay: '1 second', preconditionTimeout: '2 seconds' }
    const { taskId } = service.addTask({ texts })
    const inputs = { run: 'echo not yet >&2; exit 7', 'run-preconditions': 'true' }
    const step = await runTasks(service, inputs, { env: fastClock(10) })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(step.outputs).toMatchObject({ count: '1', false: '1', failed: '0', status: 'FALSE', 'exit-code': '7' })
    expect(service.task(taskId)).toMatchObject({
      state: 'false',
      errorMessage: expect.stringContaining('The last exit code is 7'),
      errorStackTrace: 'not yet',
    })
  })

  onLinux('whose command is not run to its end is FAILED at once', async () => {
    await using service = await LocalDataPipeline.start()
    const [ends, is] = ['@Ends_Attempt=1', '@Is_Attempt=1'] as const
    for (const attemptId of [ends, is]) service.addTask({ ...PRECONDITION, attemptId })
    const run = `[[ $DATAPIPELINE_ATTEMPT_ID == ${is} ]] && kill -KILL $$\nexit 127`
    const step = await runTasks(service, { run, 'run-preconditions': 'true', 'max-tasks': '0' })
    expect(step.exitCode).toBe(1)
    const notice = expect.stringContaining('it is tried for 60 minutes (precondition-timeout-minutes)')
    expect(step.notices).toEqual([notice, notice])
    expect(service.tasks.map(({ status }) => status)).toEqual(['FAILED', 'FAILED'])
    expect(service.tasks[0]?.errorMessage).toContain('127')
    expect(service.tasks[1]?.errorMessage).toContain('SIGKILL')
  })
})

describe('heartbeats', () => {
  // How far apart they are is measured by the performance tests.
  onLinux('go on while a command uses the whole machine, and after faults', async () => {
    await using service = await LocalDataPipeline.start()
    const [taskId = ''] = addTasks(service, 1)
    using job = new Job({ ...service.env(), ...fastClock(10) })
    const busy = 'for i in $(seq "$(nproc)"); do (while :; do :; done) & done'
    const run = `${busy}\n${ready('until [ -e "$RUNNER_TEMP/go" ]; do sleep 0.1; done')}`
    const { done } = await startTasks(job, { run, 'heartbeat-seconds': '5' })
    service.injectFault(...times(2, on('ReportTaskProgress', throttle())), on('ReportTaskProgress', bare(503)))
    // The acknowledgement, three that fail, and two more.
    await service.received('ReportTaskProgress', 6, 50_000)
    writeFileSync(join(job.temp, 'go'), '')
    expect(await done).toMatchObject({ exitCode: 0, warnings: [], outputs: { finished: '1' } })
    expect(service.task(taskId).status).toBe('FINISHED')
  })
})

describe('nothing is taken', () => {
  onLinux('with dry-run, which shows what would be run', async () => {
    await using service = await LocalDataPipeline.start()
    addTasks(service, 1)
    const step = await runTasks(service, { run: 'echo one\necho two', shell: 'sh', 'dry-run': 'true' })
    expect(step).toMatchObject({ exitCode: 0, errors: [], outputs: { count: '0' } })
    expect(step.stdout).toMatch(/"ci" is not polled[\s\S]*script with sh:\necho one\necho two\n/)
    expect(service.requests).toEqual([])
  })

  // Every other input that is refused is in the unit tests of the inputs.
  onLinux('without a script, which is refused before any call', async () => {
    await using service = await LocalDataPipeline.start()
    addTasks(service, 1)
    const step = await runTasks(service, {})
    expect(step.exitCode).toBe(1)
    expect(step.errors).toHaveLength(1)
    for (const word of ['"run"', '"from-definition"']) expect(step.errors[0]).toContain(word)
    expect(service.requests).toEqual([])
  })

  onLinux('where the state of the post step can not be saved', async () => {
    await using service = await LocalDataPipeline.start()
    addTasks(service, 1)
    using job = new Job()
    const noFolder = join(job.temp, 'file')
    writeFileSync(noFolder, '')
    const step = await runTasks(service, { run: 'true' }, { env: { RUNNER_TEMP: noFolder } })
    expect(step.exitCode).toBe(1)
    expect(service.requests).toEqual([])
    expect(existsSync(noFolder)).toBe(true)
  })
})
