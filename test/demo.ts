// "npm run demo": four tasks from start to end with a local Data Pipeline. The built actions run as on GitHub's runner.
// Nothing outside of this machine is called. It takes about twenty seconds.
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalDataPipeline } from './fakes/aws/data-pipeline.ts'
import { Job } from './support/job.ts'
import type { StepResult } from './support/step.ts'

const WORK_SECONDS = 11

await using service = await LocalDataPipeline.start()
for (const workerGroup of ['hourly', 'hourly', 'nightly', 'nightly']) service.addTask({ workerGroup })
console.log(`A local AWS Data Pipeline listens on ${service.url}.`)
console.log('Two tasks wait in the worker group "hourly", and two in "nightly".')

console.log('\nOne step is the task runner of "hourly"; the command of its second task fails.')
using runner = new Job()
const first = '"$RUNNER_TEMP/first"'
const run = `echo "Loading, for $DATAPIPELINE_ATTEMPT_ID"; [ ! -e ${first} ] || { echo "disk full" >&2; exit 3; }; touch ${first}`
show(
  'task-runner',
  await runner.main('runner', {
    action: 'task-runner',
    inputs: { 'worker-group': 'hourly', 'max-tasks': '0', 'wait-seconds': '0', 'fail-on-task-failure': 'false', run },
    env: service.env(),
  }),
)
show(
  'task-runner, its post step',
  await runner.post('runner', { action: 'task-runner', inputs: {}, env: service.env() }),
)

using poller = new Job()
const inputs = { 'worker-group': 'nightly', 'max-tasks': '2' }
const poll = await poller.main('poll', { action: 'poll-for-task', inputs, env: service.env() })
console.log('\nThe tasks of "nightly" get jobs of their own.')
show('Job "poll": poll-for-task takes them', poll)

const tasks = JSON.parse(poll.outputs['tasks'] ?? '[]') as { 'task-id': string }[]
console.log(`\nTwo jobs of a matrix hold a task each, and work for ${WORK_SECONDS} seconds; the second one fails.`)
await Promise.all(
  tasks.map((task, index) => work(`work (${index + 1})`, task['task-id'], index === 0 ? 'success' : 'failure')),
)

console.log('\nWhat the service received:')
for (const { operation, response } of service.requests) console.log(`  ${operation} -> ${response?.status}`)
for (const { state, progressReports, errorId, errorMessage } of service.tasks) {
  console.log({ state, progressReports: progressReports.length, errorId, errorMessage })
}
const states = service.tasks.map(({ state }) => state).sort()
if (states.join() !== 'failed,failed,finished,finished') {
  console.error(`Of each two tasks, one should be failed and one finished. They are ${states.join(', ')}.`)
  process.exitCode = 1
}

async function work(name: string, taskId: string, jobStatus: string): Promise<void> {
  using job = new Job()
  const step = { action: 'activity', inputs: { 'task-id': taskId, 'heartbeat-seconds': '5' }, env: service.env() }
  show(`Job "${name}": activity, at the top`, await job.main('activity', step))
  await sleep(WORK_SECONDS * 1000)
  show(`Job "${name}": activity, at the end (${jobStatus})`, await job.post('activity', { ...step, jobStatus }))
}

function show(title: string, { stdout, stderr, exitCode }: StepResult): void {
  console.log(`\n--- ${title}\n${stdout.trimEnd()}`)
  if (exitCode === 0) return
  console.error(`The step ended with exit code ${exitCode}.\n${stderr}`)
  process.exitCode = 1
}
