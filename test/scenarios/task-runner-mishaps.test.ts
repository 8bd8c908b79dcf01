// What a step of task-runner leaves, reports or forgets when several things go wrong at once. No describe blocks: Jest runs those
// one after the other, and these tests mostly wait.
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { hang, late, on, throttle } from '../fakes/aws/faults.ts'
import { REPOSITORY } from '../support/action-file.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually, isAlive } from '../support/processes.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { fastClock, STALL_MS, slowClock } from '../support/timing.ts'
import { definition, entryOf, onLinux, pidsIn, postOf, ready, startTasks } from './task-running.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const IGNORES_TERM = 'trap \': > "$RUNNER_TEMP/signalled"\' TERM\necho $$ > "$RUNNER_TEMP/pids"\n'
// The signal ends the sleep, which is no reason to end.
const ENDLESS = 'while true; do sleep 0.2 || true; done'

/** Starts a step, cancels its task, and waits until the command has got its SIGTERM, which it ignores. */
async function whileCanceledCommandEnds(service: LocalDataPipeline, job: Job, graceSeconds: string) {
  const { taskId } = service.addTask()
  const run = `${IGNORES_TERM}${ready(ENDLESS)}`
  const running = await startTasks(job, { run, 'heartbeat-seconds': '5', 'stop-grace-seconds': graceSeconds })
  service.cancelTask(taskId)
  expect(await eventually(() => existsSync(join(job.temp, 'signalled')))).toBe(true)
  return running
}

onLinux(
  'a task that the service canceled, whose command takes its time to end: is not reported by the post step when the main step is killed',
  async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job(service.env())
    const { main, done } = await whileCanceledCommandEnds(service, job, '60')
    main.kill('SIGKILL')
    await done
    expect(await postOf(job)).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(service.requestsFor('SetTaskStatus')).toEqual([])
    expect(await eventually(() => !pidsIn(job, 'pids').some(isAlive))).toBe(true)
  },
)

onLinux(
  'a task that the service canceled, whose command takes its time to end: is ended at once when the job is cancelled as well',
  async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job(service.env())
    const { main, done } = await whileCanceledCommandEnds(service, job, '20')
    const cancelledAt = performance.now()
    main.kill('SIGINT')
    const step = await done
    expect(performance.now() - cancelledAt).toBeLessThan(7_500 + STALL_MS)
    expect(step.outputs).toMatchObject({ canceled: '1' })
    expect(service.requestsFor('SetTaskStatus')).toEqual([])
    expect(pidsIn(job, 'pids').filter(isAlive)).toEqual([])
  },
)

onLinux(
  'a report whose response is lost: is none of a canceled task, though a heartbeat does not find the task any more',
  async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    service.injectFault(on('SetTaskStatus', late(60_000)))
    // Ten seconds until the response counts as lost are two and a half.
    using job = new Job({ ...service.env(), ...fastClock(4, { limitFromMs: Number.POSITIVE_INFINITY }) })
    const step = await (await startTasks(job, { run: ready('exit 3'), 'heartbeat-seconds': '5' })).done
    expect(service.task(taskId).status).toBe('FAILED')
    expect(step.outputs).toMatchObject({ failed: '1', canceled: '0', status: 'FAILED', reported: 'true' })
    expect(step.exitCode).toBe(1)
    expect(step.warnings).toEqual([expect.stringContaining('Most likely the report succeeded')])
  },
)

onLinux('a command removes the folder of the action: its task is reported all the same, by a second attempt', () =>
  inFolder(async (folder) => {
    const dist = join(folder, 'dist')
    cpSync(join(REPOSITORY, 'dist'), dist, { recursive: true })
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    service.injectFault(on('SetTaskStatus', throttle()))
    using job = new Job(service.env())
    const step = await (await startTasks(job, { run: ready(`rm -r '${dist}'; exit 3`) }, { dist })).done
    expect(step.stdout).toMatch(/Attempt 1 failed: .*Rate exceeded/)
    expect(step.outputs).toMatchObject({ failed: '1', reported: 'true' })
    expect(service.task(taskId).status).toBe('FAILED')
  }),
)

const cases = [
  ['the job is cancelled', 'SIGINT', hang(), {}],
  ['the step is killed', 'SIGKILL', hang(), {}],
  ['the service fails', undefined, throttle(), { 'timeout-seconds': '5' }],
] as const
onLinux.each(cases)(
  'a task of poll-for-task that can not be acknowledged: because %s: the post step reports it',
  async (_why, signal, fault, inputs) => {
    await using service = await LocalDataPipeline.start()
    const task = service.addTask()
    service.keepInjectingFault(on('ReportTaskProgress', fault))
    using job = new Job(service.env())
    const step = await job.main('runner', {
      action: 'task-runner',
      inputs: { task: entryOf(task), run: 'true', ...inputs },
      onStart(main) {
        if (signal !== undefined) void service.received('ReportTaskProgress').then(() => main.kill(signal))
      },
    })
    expect(step.exitCode).not.toBe(0)
    const post = await job.post('runner', { action: 'task-runner', inputs: {}, env: slowClock(5) })
    expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(service.task(task.taskId).status).toBe('FAILED')
  },
)

onLinux('the state for the post step: has neither the script nor the task: a variable may have 128 KiB', async () => {
  await using service = await LocalDataPipeline.start()
  service.addTask()
  using job = new Job(service.env())
  const run = `true\n${'echo "a line" > /dev/null\n'.repeat(4_700)}`
  const inputs = { 'worker-group': 'ci', 'wait-seconds': '0', run }
  const step = await job.main('runner', { action: 'task-runner', inputs })
  expect(step.exitCode).toBe(0)
  expect(step.state['task-runner']?.length).toBeLessThan(4_096)
  expect(await postOf(job)).toMatchObject({ exitCode: 0 })
})

onLinux('the step is killed: by its command, before it has noted that: the post step ends the command', async () => {
  for (let attempt = 0; attempt < 2; attempt++) {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    using job = new Job(service.env())
    const run = `${IGNORES_TERM}kill -KILL $PPID\nsleep 300`
    await job.main('runner', { action: 'task-runner', inputs: { 'worker-group': 'ci', 'wait-seconds': '0', run } })
    expect(await postOf(job)).toMatchObject({ exitCode: 0, errors: [] })
    expect(service.task(taskId).status).toBe('FAILED')
    expect(await eventually(() => !pidsIn(job, 'pids').some(isAlive))).toBe(true)
  }
})

onLinux(
  'the step is killed: while the AWS CLI copies: the post step ends that, and nothing is uploaded after its report',
  async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask(
      definition(
        [
          ['type', 'ShellCommandActivity'],
          ['command', 'true'],
          ['stage', 'true'],
          ['output', { ref: 'Target' }],
        ],
        {
          Target: [
            ['type', 'S3DataNode'],
            ['directoryPath', 's3://bucket/out'],
          ],
        },
      ),
    )
    using job = new Job(service.env())
    const bin = join(job.temp, 'bin')
    mkdirSync(bin)
    const copy = `[[ $1 == --version ]] && exit 0\necho $$ > "$RUNNER_TEMP/pids"\n${ready('until [ -e "$RUNNER_TEMP/go" ]; do sleep 0.1; done\n: > "$RUNNER_TEMP/uploaded"')}`
    writeFileSync(join(bin, 'aws'), `#!/bin/bash\n${copy}\n`)
    chmodSync(join(bin, 'aws'), 0o755)
    const env = { PATH: `${bin}:${process.env['PATH']}` }
    const { main, done } = await startTasks(job, { run: '', 'from-definition': 'true' }, { env })
    main.kill('SIGKILL')
    await done
    expect(await postOf(job)).toMatchObject({ exitCode: 0, errors: [] })
    expect(service.task(taskId)).toMatchObject({ status: 'FAILED', errorId: 'TaskRunner:JobCancelled' })
    expect(pidsIn(job, 'pids').filter(isAlive)).toEqual([])
    expect(existsSync(join(job.temp, 'uploaded'))).toBe(false)
  },
)

/** A process that has a successor in a session of its own every 100 ms. A faster one may escape, on a busy machine above all. */
const CHAIN = `use POSIX;
my $end = time + 30;
close STDOUT; close STDERR;
while (time < $end) {
exit 0 if fork;
POSIX::setsid();
open my $file, '>', "$ENV{RUNNER_TEMP}/alive"; close $file;
select undef, undef, undef, 0.1;
}`

onLinux('a command that is stopped: and starts others while it is ended: these end as well', async () => {
  await using service = await LocalDataPipeline.start()
  service.addTask()
  // The time for killing is limited, and a machine that stands still has missed one of them by then.
  using job = new Job({ ...service.env(), ...slowClock(5) })
  writeFileSync(join(job.temp, 'chain.pl'), CHAIN)
  const run = `perl "$RUNNER_TEMP/chain.pl" &\nwhile [ ! -e "$RUNNER_TEMP/alive" ]; do sleep 0.1; done\n${ready('sleep 300')}`
  const { main, done } = await startTasks(job, { run, 'stop-grace-seconds': '1' })
  main.kill('SIGINT')
  await done
  const alive = (): number => statSync(join(job.temp, 'alive')).mtimeMs
  const before = alive()
  await delay(1_000)
  expect(alive()).toBe(before)
})

onLinux('a task that comes again while it runs: is not run twice at a time', async () => {
  // The service hears nothing of it for two minutes: so they pass at once, after its acknowledgement, and only then.
  let passedMs = 0
  await using service = await LocalDataPipeline.start({ silentForMs: 60_000, clock: () => Date.now() + passedMs })
  const { taskId } = service.addTask()
  using job = new Job(service.env())
  const run = [
    'echo start >> "$RUNNER_TEMP/events"',
    'until [ -e "$RUNNER_TEMP/go" ]; do sleep 0.1; done',
    'echo end >> "$RUNNER_TEMP/events"',
  ].join('\n')
  const inputs = { 'worker-group': 'ci', 'wait-seconds': '0', run, 'max-tasks': '2', parallel: '2' }
  const done = job.main('runner', { action: 'task-runner', inputs })
  await service.received('ReportTaskProgress', 1)
  passedMs = 120_000
  await service.received('ReportTaskProgress', 2)
  writeFileSync(join(job.temp, 'go'), '')
  const step = await done
  expect(service.task(taskId)).toMatchObject({ assignments: 2, status: 'FINISHED' })
  expect(readFileSync(join(job.temp, 'events'), 'utf8')).toBe('start\nend\n')
  expect(service.requestsFor('SetTaskStatus')).toHaveLength(1)
  expect(step.warnings).toEqual([expect.stringContaining('came again while it runs')])
})
