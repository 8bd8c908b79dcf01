// A step that is a task runner.
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { commandTask } from '../scenarios/task-running.ts'
import { runWorkflow } from '../support/act.ts'
import { cancelWhen, operationsOn, outputsIn, reports } from './receiving.ts'

function addTask(service: LocalDataPipeline, name: string): string {
  return service.addTask({ attemptId: `@${name}_Attempt=1`, workerGroup: 'nightly' }).taskId
}

/** The start of a script that does something else for the second task. */
const unlessSecond = (command: string): string => `case "$DATAPIPELINE_ATTEMPT_ID" in @second*) ${command};; esac`

test.concurrent('a queue is worked off in one step, and a task that fails does not keep it from the next', async () => {
  await using service = await LocalDataPipeline.start()
  const ids = ['first', 'second', 'third'].map((name) => addTask(service, name))
  const run = await runWorkflow('task-runner.yml', {
    inputs: { run: `${unlessSecond('echo no >&2; exit 3')}\necho "rows=1" >> "$GITHUB_OUTPUT"`, 'max-tasks': '0' },
    env: service.env(),
  })
  expect(run).toMatchObject({ exitCode: 1, results: { work: 'failure' }, warnings: [] })
  expect(run.errors).toEqual(['Reported FAILED for second #1: The command ended with exit code 3.'])
  expect(outputsIn(run)).toMatchObject({ count: '3', finished: '2', failed: '1', 'task-id': ids[2], rows: '1' })
  expect(service.tasks.map(({ state }) => state)).toEqual(['finished', 'failed', 'finished'])
  expect(service.tasks[1]).toMatchObject({ errorId: 'TaskRunner:ExitCode', errorStackTrace: 'no' })
  for (const id of ids) expect(operationsOn(service, id)).toEqual(['ReportTaskProgress', 'SetTaskStatus'])
})

test.concurrent('one of three is canceled: its command ends, it is not reported, and the job succeeds', async () => {
  await using service = await LocalDataPipeline.start()
  const [, second = ''] = ['first', 'second', 'third'].map((name) => addTask(service, name))
  const canceled = service.received('ReportTaskProgress', 2, 120_000).then(() => service.cancelTask(second))
  const run = await runWorkflow('task-runner.yml', {
    inputs: { run: unlessSecond('exec sleep 100'), 'max-tasks': '3' },
    env: service.env(),
  })
  await canceled
  expect(run).toMatchObject({ exitCode: 0, results: { work: 'success' }, errors: [], warnings: [] })
  expect(outputsIn(run)).toMatchObject({ count: '3', finished: '2', failed: '0', canceled: '1' })
  expect(service.tasks.map(({ state }) => state)).toEqual(['finished', 'canceled', 'finished'])
  expect(reports(service)).toHaveLength(2)
})

test.concurrent('the job is cancelled: the command ends with the step, and its task is FAILED, once', async () => {
  await using service = await LocalDataPipeline.start()
  const ids = ['first', 'second'].map((name) => addTask(service, name))
  const run = await runWorkflow('task-runner.yml', {
    inputs: { run: 'echo ready; exec sleep 100', 'max-tasks': '0' },
    env: service.env(),
    onStart: cancelWhen('ready'),
  })
  expect(run.exitCode).toBe(1)
  expect(service.tasks.map(({ state }) => state)).toEqual(['failed', 'waiting'])
  expect(reports(service)).toMatchObject([{ taskId: ids[0], errorId: 'TaskRunner:JobCancelled' }])
})

test.concurrent('tasks of a matrix run what they define, each acknowledged again by its job', async () => {
  await using service = await LocalDataPipeline.start()
  const one = service.addTask({ ...commandTask('test "$*" = "a b c"', 'a b', 'c'), workerGroup: 'nightly' })
  const two = service.addTask({ ...commandTask('exit 4'), workerGroup: 'nightly' })
  const run = await runWorkflow('task-runner-matrix.yml', { env: service.env() })
  expect(run.results).toEqual({ poll: 'success', work: 'failure' })
  expect(service.task(one.taskId).state).toBe('finished')
  expect(service.task(two.taskId)).toMatchObject({ state: 'failed', errorId: 'TaskRunner:ExitCode' })
  for (const { taskId } of [one, two]) {
    expect(operationsOn(service, taskId)).toEqual(['ReportTaskProgress', 'ReportTaskProgress', 'SetTaskStatus'])
  }
})
