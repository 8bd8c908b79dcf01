// How fast task-runner is, what it uses, and whether it holds its tasks on a machine that is busy or stands still.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { bare, on, throttle } from '../fakes/aws/faults.ts'
import { PUBLISHED_RATES } from '../fakes/aws/rates.ts'
import { ready, startTasks } from '../scenarios/task-running.ts'
import { runWorkflow } from '../support/act.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually, residentBytesOf } from '../support/processes.ts'
import type { RunningStep } from '../support/worker.ts'
import { printLine, SHORT, seconds } from './load/size.ts'

const onLinux = process.platform === 'linux' ? test : test.skip

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const MEGABYTE = 1_000_000
/** A command that notes when it runs, in milliseconds since 1970. */
const NOTE_TIME = 'date +%s%3N >> "$TIMES"'

function timesIn(file: string): number[] {
  return readFileSync(file, 'utf8').trim().split('\n').map(Number)
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

function maxGap(moments: readonly number[]): number {
  return Math.max(...moments.slice(1).map((at, index) => at - (moments[index] ?? at)))
}

const TASKS_IN_TURN = SHORT ? 4 : 12

onLinux(`a task that is ready runs soon: ${TASKS_IN_TURN} in turn, while the step waits for each`, async () => {
  await using service = await LocalDataPipeline.start({ pollHoldMs: 60_000 })
  using job = new Job(service.env())
  const times = join(job.temp, 'times')
  writeFileSync(times, '')
  const step = job.main('runner', {
    action: 'task-runner',
    inputs: { 'worker-group': 'ci', 'max-tasks': String(TASKS_IN_TURN), run: NOTE_TIME },
    env: { TIMES: times },
    limitMs: 120_000,
  })
  const readyAt: number[] = []
  for (let index = 1; index <= TASKS_IN_TURN; index++) {
    await service.received('PollForTask', index)
    // So that the poll is held.
    await delay(300)
    readyAt.push(Date.now())
    service.addTask()
    await service.received('SetTaskStatus', index)
  }
  expect(await step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  const latencies = timesIn(times).map((at, index) => at - (readyAt[index] ?? 0))
  printLine(
    `task-runner, from a task that is ready to its command: median ${median(latencies)} ms, ` +
      `longest ${Math.max(...latencies)} ms, of ${TASKS_IN_TURN}`,
  )
  expect(median(latencies)).toBeLessThan(1_000)
})

onLinux('a task runs sooner than with a poll and a matrix', async () => {
  const run = async (workflow: string, options: { inputs?: Readonly<Record<string, string>>; text?: string }) => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    const times = join(job.temp, 'times')
    service.addTask({ workerGroup: 'nightly', texts: { command: NOTE_TIME } })
    const { exitCode, log } = await runWorkflow(workflow, { ...options, env: { ...service.env(), TIMES: times } })
    if (exitCode !== 0) throw new Error(log)
    const [polled] = service.requestsFor('PollForTask')
    return (timesIn(times)[0] ?? Number.NaN) - (polled?.at ?? Number.NaN)
  }
  const step = await run('task-runner.yml', { inputs: { run: NOTE_TIME, 'max-tasks': '1' } })
  const matrix = await run('poll-matrix.yml', {})
  printLine(
    `From the poll that gives a task to its command, in act: task-runner ${step} ms, poll and matrix ${matrix} ms ` +
      `(${(matrix / step).toFixed(1)} times as long, without the wait for a machine)`,
  )
  expect(step).toBeLessThan(matrix)
})

const QUEUE = SHORT ? 30 : 200

onLinux(`${QUEUE} tasks are worked off by one step, with flat memory, within the rate of polls`, async () => {
  const { PollForTask, ReportTaskProgress, SetTaskStatus } = PUBLISHED_RATES
  await using service = await LocalDataPipeline.start({ rates: { PollForTask, ReportTaskProgress, SetTaskStatus } })
  for (let index = 0; index < QUEUE; index++) service.addTask({ attemptId: `@Load${index}_Attempt=1` })
  using job = new Job(service.env())
  // A few megabytes of output each.
  const run = ready('seq 1 300000')
  const startedAt = Date.now()
  const { main, done } = await startTasks(
    job,
    { run, 'max-tasks': '0', parallel: '2' },
    // A reader as fast as the runner. The test would be slower, and keeps all of it.
    { limitMs: 580_000, startedBy: ['bash', '-c', 'exec "$@" > >(cat > /dev/null)', 'bash'] },
  )
  const resident: number[] = []
  const sampling = setInterval(() => resident.push(residentBytesOf(main.pid ?? 0) / MEGABYTE), 100)
  const step = await done.finally(() => clearInterval(sampling))
  const took = (Date.now() - startedAt) / 1000
  expect(step.exitCode).toBe(0)
  expect(step.outputs).toMatchObject({ count: String(QUEUE), finished: String(QUEUE) })
  const peak = (list: readonly number[]): number => Math.max(...list.filter((megabytes) => megabytes > 0))
  const third = Math.floor(resident.length / 3)
  const growth = peak(resident.slice(2 * third)) - peak(resident.slice(third, 2 * third))
  const polls = service.requestsFor('PollForTask').map(({ at }) => at)
  const mostInASecond = Math.max(...polls.map((at) => polls.filter((each) => each >= at && each < at + 1_000).length))
  const throttled = service.requests.filter(({ response }) => response?.error === 'ThrottlingException').length
  printLine(
    `${QUEUE} tasks of 2 MB of output, 2 at a time, by one step: ${(QUEUE / took).toFixed(2)} a second, ` +
      `peak ${peak(resident).toFixed(0)} MB (last third ${growth >= 0 ? '+' : ''}${growth.toFixed(1)} MB to the one before), ` +
      `at the most ${mostInASecond} polls in a second, ${throttled} calls throttled`,
  )
  expect(peak(resident)).toBeLessThan(110)
  expect(growth).toBeLessThan(10)
  // Two, and one that a timer brought a millisecond nearer.
  expect(mostInASecond).toBeLessThanOrEqual(3)
  expect(throttled).toBe(0)
})

const INTERVAL_MS = 15_000
const STANDSTILL_MS = 20_000

onLinux(
  'heartbeats: with faults, all cores in use and a standstill of 20 s, no gap is over two intervals',
  async () => {
    // A task that is silent for longer goes to another runner.
    await using service = await LocalDataPipeline.start({ silentForMs: 2 * INTERVAL_MS })
    const { taskId } = service.addTask()
    using job = new Job(service.env())
    const busy = 'for i in $(seq 1 8); do (while :; do :; done) & done'
    const run = `${busy}\n${ready('until [ -e "$RUNNER_TEMP/go" ]; do sleep 0.2; done')}`
    const inputs = { run, 'heartbeat-seconds': String(INTERVAL_MS / 1000) }
    const { main, done } = await startTasks(job, inputs, { limitMs: 300_000 })
    await standStill(main, service)
    service.injectFault(...[throttle(), throttle(), bare(503)].map((fault) => on('ReportTaskProgress', fault)))
    const before = arrived(service).length
    expect(await eventually(() => arrived(service).length >= before + 2, 4 * INTERVAL_MS)).toBe(true)
    writeFileSync(join(job.temp, 'go'), '')
    expect(await done).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    const { endedAt = 0, assignments, status } = service.task(taskId)
    const gap = maxGap([...arrived(service), endedAt])
    printLine(
      `A heartbeat every ${seconds(INTERVAL_MS)}, with three faults, 8 busy processes and a standstill of ` +
        `${seconds(STANDSTILL_MS)}: the longest gap is ${seconds(gap)}`,
    )
    expect({ assignments, status }).toEqual({ assignments: 1, status: 'FINISHED' })
    expect(gap).toBeLessThan(2 * INTERVAL_MS)
  },
)

/** When heartbeats arrived that got a good response. */
function arrived(service: LocalDataPipeline): number[] {
  return service
    .requestsFor('ReportTaskProgress')
    .filter(({ fault }) => fault === undefined)
    .map(({ at }) => at)
}

/** Stops the step soon after a heartbeat, as a virtual machine that is moved does, and lets it go on. */
async function standStill(main: RunningStep, service: LocalDataPipeline): Promise<void> {
  const before = arrived(service).length
  expect(await eventually(() => arrived(service).length > before, 2 * INTERVAL_MS)).toBe(true)
  await delay(1_000)
  main.kill('SIGSTOP')
  await delay(STANDSTILL_MS)
  main.kill('SIGCONT')
}
