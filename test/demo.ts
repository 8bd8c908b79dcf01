// "npm run demo": two tasks from start to end with a local Data Pipeline. The built actions run as on GitHub's runner.
// Nothing outside of this machine is called. It takes about fifteen seconds.
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalDataPipeline } from './fakes/aws/data-pipeline.ts'
import { Job } from './support/job.ts'
import type { StepResult } from './support/step.ts'

const WORK_SECONDS = 11

await using service = await LocalDataPipeline.start()
service.addTask({ workerGroup: 'nightly' })
service.addTask({ workerGroup: 'nightly' })
console.log(`A local AWS Data Pipeline listens on ${service.url}; two tasks wait in the worker group "nightly".`)

using poller = new Job()
const inputs = { 'worker-group': 'nightly', 'max-tasks': '2' }
const poll = await poller.main('poll', { action: 'poll-for-task', inputs, env: service.env() })
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
if (states.join() !== 'failed,finished') {
  console.error(`The tasks should have ended as failed and finished, and are ${states.join(' and ')}.`)
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
