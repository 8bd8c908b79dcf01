// A job that polls, and a matrix of jobs that work on what it took.
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../local-aws/data-pipeline.ts'
import { sampleObjects } from '../local-aws/sample-task.ts'
import { runWorkflow } from '../runner/act.ts'
import { operationsOn, received, reports } from './receiving.ts'

function addTask(service: LocalDataPipeline, name: string, command: string): string {
  const task = { attemptId: `@${name}_Attempt=1`, pipelineId: 'df-0937003356ZJEXAMPLE', workerGroup: 'nightly' }
  const objects = sampleObjects(task)
  for (const field of objects[task.attemptId]?.fields ?? []) if (field.key === 'command') field.stringValue = command
  return service.addTask({ ...task, objects }).taskId
}

test.concurrent('each task is taken, held and reported once, by a job of its own', async () => {
  await using service = await LocalDataPipeline.start()
  const [first = '', second = '', third = ''] = [
    addTask(service, 'first', 'exit 0'),
    addTask(service, 'second', 'echo "it failed"; exit 3'),
    addTask(service, 'third', 'exit 0'),
  ]
  service.addTask({ workerGroup: 'another' })
  const run = await runWorkflow('poll-matrix.yml', { env: service.env() })

  expect(run).toMatchObject({ exitCode: 1, errors: [], warnings: [] })
  expect(run.results).toEqual({ poll: 'success', work: 'failure' })
  expect(service.tasks.map(({ state }) => state)).toEqual(['finished', 'failed', 'finished', 'waiting'])
  expect(service.tasks.map(({ assignments }) => assignments)).toEqual([1, 1, 1, 0])
  expect(reports(service)).toHaveLength(3)
  for (const taskId of [first, second, third]) {
    // The poll acknowledges it, and so does the activity, whose first beat comes after a minute.
    expect(operationsOn(service, taskId)).toEqual(['ReportTaskProgress', 'ReportTaskProgress', 'SetTaskStatus'])
  }
  expect(service.task(second)).toMatchObject({ errorId: 'GitHubActions:JobFailed' })
  expect(received(service).filter(([, status]) => status !== 200)).toEqual([])
})

test.concurrent('no task: the matrix is skipped, and nothing fails', async () => {
  await using service = await LocalDataPipeline.start()
  const run = await runWorkflow('poll-matrix.yml', { env: service.env() })
  expect(run).toMatchObject({ exitCode: 0, results: { poll: 'success' }, errors: [], warnings: [] })
  expect(received(service)).toMatchObject([['PollForTask', 200, { workerGroup: 'nightly' }]])
})
