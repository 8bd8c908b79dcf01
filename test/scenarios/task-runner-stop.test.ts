// A command of task-runner is stopped, or leaves processes behind. No describe blocks: Jest runs those one after the other, and these
// tests mostly wait.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { hang, invalidRequest, on, taskNotFound, throttle } from '../fakes/aws/faults.ts'
import { parseFileCommands } from '../support/file-commands.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually, isAlive, killAll } from '../support/processes.ts'
import { slowClock } from '../support/timing.ts'
import { Worker } from '../support/worker.ts'
import { onLinux, operationsOf, pidsIn, postOf, ready, startTasks } from './task-running.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

/** Starts processes in every way that keeps them from the signal of their group, and notes their ids. */
const FAMILY = [
  "trap '' TERM",
  'sleep 300 & echo $! >> "$RUNNER_TEMP/pids"',
  'setsid bash -c \'echo $$ >> "$RUNNER_TEMP/pids"; exec sleep 300\' &',
  '(setsid bash -c \'echo $$ >> "$RUNNER_TEMP/pids"; sleep 300\' &)',
  'while [ "$(wc -l < "$RUNNER_TEMP/pids")" -lt 3 ]; do sleep 0.1; done',
  'echo $$ >> "$RUNNER_TEMP/pids"',
].join('\n')
const WAIT = 'wait; sleep 300'

const CANCELLED = {
  status: 'FAILED',
  errorId: 'TaskRunner:JobCancelled',
  errorMessage: expect.stringMatching(/job was cancelled, or its step ran out of time[\s\S]*octo-org\/pipes/),
}

async function end(pids: readonly number[]): Promise<boolean> {
  return eventually(() => !pids.some(isAlive))
}

onLinux(
  'the service: cancels the task: all that it started ends, nothing is reported, and the next task runs',
  async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    using job = new Job(service.env())
    const run = `[ -e "$RUNNER_TEMP/ready" ] && exit 0\n${FAMILY}\n${ready(WAIT)}`
    const inputs = { run, 'heartbeat-seconds': '5', 'stop-grace-seconds': '1', 'max-tasks': '2' }
    const { done } = await startTasks(job, inputs)
    const next = service.addTask({ attemptId: '@Next_Attempt=1' })
    service.cancelTask(taskId)
    const step = await done
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(step.outputs).toMatchObject({ count: '2', finished: '1', canceled: '1', 'task-id': next.taskId })
    expect(service.task(taskId)).toMatchObject({ state: 'canceled' })
    expect(service.task(next.taskId).status).toBe('FINISHED')
    expect(service.requestsFor('SetTaskStatus')).toHaveLength(1)
    expect(pidsIn(job, 'pids').filter(isAlive)).toEqual([])
  },
)

onLinux('the service: no longer has the task: the command gets SIGTERM and time, and nothing is reported', async () => {
  await using service = await LocalDataPipeline.start()
  service.addTask()
  using job = new Job(service.env())
  const run = `trap 'echo cleaned up; exit 0' TERM\n${ready('while true; do sleep 0.1; done')}`
  const { done } = await startTasks(job, { run, 'heartbeat-seconds': '5' })
  service.keepInjectingFault(on('ReportTaskProgress', taskNotFound()))
  const step = await done
  expect(step).toMatchObject({ exitCode: 0, errors: [] })
  expect(step.stdout).toMatch(/^cleaned up$/m)
  expect(step.outputs).toMatchObject({ count: '1', finished: '0', canceled: '1', status: '', reported: 'false' })
  expect(operationsOf(service)).not.toContain('SetTaskStatus')
})

onLinux(
  'after the end of a command: what is left of its group is ended, and a daemon of its own session is not',
  async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    using job = new Job(service.env())
    const run = [
      'bash -c "trap \'\' TERM; sleep 300" & echo $! > "$RUNNER_TEMP/left"',
      'setsid sleep 300 & echo $! > "$RUNNER_TEMP/daemon"',
      // Until it has left the group.
      'while [ "$(ps -o pgid= -p $!)" -ne $! ]; do sleep 0.1; done',
      ready('echo done'),
    ].join('\n')
    const step = await (await startTasks(job, { run })).done
    const [left, daemons] = [pidsIn(job, 'left'), pidsIn(job, 'daemon')]
    try {
      // The daemon holds the pipe of the output open, and still nobody waits.
      expect(service.task(taskId).status).toBe('FINISHED')
      expect(step).toMatchObject({ exitCode: 0, errors: [] })
      expect(step.stdout).toMatch(/^done$/m)
      expect(left.filter(isAlive)).toEqual([])
      expect(daemons.every(isAlive)).toBe(true)
    } finally {
      killAll(daemons)
    }
  },
)

onLinux.each(['SIGINT', 'SIGTERM'] as const)(
  'the job is cancelled: %s: the command is ended, and the task is FAILED',
  async (signal) => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    service.addTask({ attemptId: '@Next_Attempt=1' })
    // SIGTERM leaves 2 s for the command and its report, which is little for a machine that stands still.
    using job = new Job({ ...service.env(), ...(signal === 'SIGTERM' && slowClock(3)) })
    const run = `${FAMILY}\necho last words >&2\n${ready(WAIT)}`
    const { main, done } = await startTasks(job, { run, 'max-tasks': '0', 'stop-grace-seconds': '30' })
    main.kill(signal)
    const step = await done
    expect(step.exitCode).toBe(1)
    expect(step.outputs).toMatchObject({ count: '1', failed: '1', status: 'FAILED', 'exit-code': '' })
    expect(service.task(taskId)).toMatchObject({ ...CANCELLED, errorStackTrace: 'last words' })
    expect(pidsIn(job, 'pids').filter(isAlive)).toEqual([])
    expect(service.requestsFor('PollForTask')).toHaveLength(1)
    expect(await postOf(job)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(service.requestsFor('SetTaskStatus')).toHaveLength(1)
  },
)

onLinux('the job is cancelled: with a command that ends in its time: its own end is none', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  using job = new Job(service.env())
  const { main, done } = await startTasks(job, {
    run: `trap 'exit 0' TERM\n${ready('while true; do sleep 0.1; done')}`,
  })
  main.kill('SIGINT')
  await done
  expect(service.task(taskId)).toMatchObject(CANCELLED)
})

onLinux('the job is cancelled: while it polls: nothing was taken, and the step ends', async () => {
  await using service = await LocalDataPipeline.start({ pollHoldMs: 60_000 })
  using job = new Job(service.env())
  const step = job.main('runner', {
    action: 'task-runner',
    inputs: { 'worker-group': 'ci', run: 'true' },
    onStart: (main) => void service.received('PollForTask').then(() => main.kill('SIGINT')),
  })
  expect((await step).outputs).toMatchObject({ count: '0' })
  expect(operationsOf(service)).toEqual(['PollForTask'])
})

onLinux(
  'the job is cancelled: in a container, where no signal arrives: the post step ends the main step, which reports',
  async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    using job = new Job(service.env())
    const state = join(job.temp, 'state')
    writeFileSync(state, '')
    const env = { GITHUB_STATE: state }
    const { main, done } = await startTasks(job, { run: `${FAMILY}\n${ready(WAIT)}` }, { env })
    const saved = Object.entries(parseFileCommands(readFileSync(state, 'utf8')))
    const post = await job.post('runner', {
      action: 'task-runner',
      inputs: {},
      env: Object.fromEntries(saved.map(([name, value]) => [`STATE_${name}`, value])),
    })
    expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    await done
    expect(main.pid && isAlive(main.pid)).toBe(false)
    expect(service.task(taskId)).toMatchObject(CANCELLED)
    expect(service.requestsFor('SetTaskStatus')).toHaveLength(1)
    expect(pidsIn(job, 'pids').filter(isAlive)).toEqual([])
  },
)

onLinux('the step is killed: while the command runs: the post step ends it, and reports FAILED', async () => {
  await using service = await LocalDataPipeline.start()
  const tasks = [service.addTask(), service.addTask({ attemptId: '@Next_Attempt=1' })]
  using job = new Job(service.env())
  const both = 'while [ "$(wc -l < "$RUNNER_TEMP/pids")" -lt 8 ]; do sleep 0.1; done'
  const run = `${FAMILY}\n${both}\n${ready(WAIT)}`
  const { main, done } = await startTasks(job, { run, 'max-tasks': '2', parallel: '2', 'check-run-id': '815' })
  main.kill('SIGKILL')
  await done
  const post = await postOf(job)
  expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  for (const { taskId } of tasks) expect(service.task(taskId)).toMatchObject(CANCELLED)
  expect(await end(pidsIn(job, 'pids'))).toBe(true)
  expect(Object.keys(job.files()).filter((path) => path.includes('aws-datapipeline-runner'))).toEqual([])
})

const ends = [
  ['FINISHED', 'exit 0', {}],
  ['FAILED', 'echo why >&2; exit 4', { errorId: 'TaskRunner:ExitCode', errorStackTrace: 'why' }],
] as const
onLinux.each(ends)(
  'the step is killed: after an end that is %s: the post step reports no other',
  async (status, run, error) => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    service.injectFault(on('SetTaskStatus', hang()))
    using job = new Job(service.env())
    const { main, done } = await startTasks(job, { run: ready(run) })
    await service.received('SetTaskStatus')
    main.kill('SIGKILL')
    await done
    expect(await postOf(job)).toMatchObject({ exitCode: 0, errors: [] })
    expect(service.task(taskId)).toMatchObject({ status, ...error })
    expect(service.requestsFor('SetTaskStatus').map(({ body }) => body['taskStatus'])).toEqual([status, status])
  },
)

onLinux(
  'the step is killed: after the service had the end, but not its step: the post step reports it again, and that is no error',
  async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    using job = new Job(service.env())
    service.injectFault(on('SetTaskStatus', hang()))
    const { main, done } = await startTasks(job, { run: ready('exit 0') })
    await service.received('SetTaskStatus')
    main.kill('SIGKILL')
    await done
    service.keepInjectingFault(on('SetTaskStatus', taskNotFound()))
    expect(await postOf(job)).toMatchObject({ exitCode: 0, errors: [] })
    expect(service.requestsFor('SetTaskStatus').map(({ body }) => [body['taskId'], body['taskStatus']])).toEqual([
      [taskId, 'FINISHED'],
      [taskId, 'FINISHED'],
    ])
  },
)

onLinux(
  'an end that can not be reported: fails the step, which takes no more tasks, and the post step tries again',
  async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    service.addTask({ attemptId: '@Next_Attempt=1' })
    service.keepInjectingFault(on('SetTaskStatus', throttle()))
    using job = new Job(service.env())
    const step = await (await startTasks(job, { run: ready('exit 0'), 'max-tasks': '0', 'timeout-seconds': '1' })).done
    expect(step.exitCode).toBe(1)
    expect(step.errors).toEqual([expect.stringContaining(taskId.slice(0, 12))])
    expect(step.outputs).toMatchObject({ count: '1', finished: '0', status: 'FINISHED', reported: 'false' })
    service.clearFaults()
    expect(await postOf(job)).toMatchObject({ exitCode: 0, errors: [] })
    expect(service.task(taskId).status).toBe('FINISHED')
  },
)

onLinux(
  'an end that can not be reported: because it is refused for good: the post step does not try again',
  async () => {
    await using service = await LocalDataPipeline.start()
    service.addTask()
    service.keepInjectingFault(on('SetTaskStatus', invalidRequest()))
    using job = new Job(service.env())
    const step = await (await startTasks(job, { run: ready('exit 0') })).done
    expect(step.exitCode).toBe(1)
    const { length } = service.requests
    expect(await postOf(job)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(service.requests).toHaveLength(length)
  },
)

onLinux('the runner is lost: while a command runs: its task is reported, and nothing more is polled', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  await using worker = await Worker.start()
  using job = new Job(service.env(), { worker })
  const run = ready('while [ ! -e "$RUNNER_TEMP/go" ]; do sleep 0.1; done')
  const { done } = await startTasks(job, { run, 'max-tasks': '0', 'wait-seconds': '300' })
  const ended = done.catch(() => undefined)
  await worker.kill()
  writeFileSync(join(job.temp, 'go'), '')
  await service.received('SetTaskStatus')
  expect(service.task(taskId).status).toBe('FINISHED')
  await ended
  expect(service.requestsFor('PollForTask')).toHaveLength(1)
})
