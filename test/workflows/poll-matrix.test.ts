// A job that polls, and a matrix of jobs, one for each task.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { runWorkflow } from '../support/act.ts'
import { REPOSITORY } from '../support/action-file.ts'
import { operationsOn, received, reports } from './receiving.ts'

function addTask(service: LocalDataPipeline, name: string, texts: Readonly<Record<string, string>>): string {
  return service.addTask({ attemptId: `@${name}_Attempt=1`, workerGroup: 'nightly', texts }).taskId
}

test.concurrent('each task is taken, held and reported once, by a job of its own', async () => {
  await using service = await LocalDataPipeline.start()
  const [first = '', second = '', third = ''] = [
    addTask(service, 'first', { command: 'exit 0' }),
    addTask(service, 'second', { command: 'echo "it failed"; exit 3' }),
    addTask(service, 'third', { command: 'exit 0' }),
  ]
  service.addTask({ workerGroup: 'another' })
  const run = await runWorkflow('poll-matrix.yml', { env: service.env() })

  expect(run).toMatchObject({ exitCode: 1, errors: [], warnings: [] })
  expect(run.results).toEqual({ poll: 'success', work: 'failure' })
  expect(service.tasks.map(({ state }) => state)).toEqual(['finished', 'failed', 'finished', 'waiting'])
  expect(service.tasks.map(({ assignments }) => assignments)).toEqual([1, 1, 1, 0])
  expect(reports(service)).toHaveLength(3)
  for (const taskId of [first, second, third]) {
    // The poll acknowledges it, and so does the activity, whose first heartbeat comes after a minute.
    expect(operationsOn(service, taskId)).toEqual(['ReportTaskProgress', 'ReportTaskProgress', 'SetTaskStatus'])
  }
  expect(service.task(second)).toMatchObject({ errorId: 'GitHubActions:JobFailed' })
  expect(received(service).filter(([, status]) => status !== 200)).toEqual([])
})

/** The workflow with one change. */
function workflowWith(from: string, to: string): string {
  const text = readFileSync(join(REPOSITORY, 'test', 'workflows', 'poll-matrix.yml'), 'utf8')
  if (text.split(from).length !== 2) throw new Error(`${from} must be there once`)
  return text.replace(from, () => to)
}

// GitHub drops an output that contains a secret of the repository. act does not.
const OUTPUT = 'tasks: ${{ steps.poll.outputs.tasks }}'
const LAST_STEP_OF_POLL = '          wait-seconds: 0\n'

describe('no job starts for the taken tasks', () => {
  test.concurrent.each<[string, string, Record<string, string>]>([
    ['the output tasks was dropped', workflowWith(OUTPUT, "tasks: ''"), { poll: 'success', 'not-started': 'failure' }],
    [
      'the poll job failed after it took them',
      workflowWith(LAST_STEP_OF_POLL, `${LAST_STEP_OF_POLL}      - run: exit 3\n`),
      { poll: 'failure', 'not-started': 'failure' },
    ],
  ])('as %s: each is reported FAILED, once', async (_name, text, results) => {
    await using service = await LocalDataPipeline.start()
    const ids = [addTask(service, 'first', {}), addTask(service, 'second', { type: 'ShellCommandPrecondition' })]
    const run = await runWorkflow('poll-matrix.yml', { text, env: service.env() })
    expect(run).toMatchObject({ exitCode: 1, results })
    for (const taskId of ids) {
      expect(operationsOn(service, taskId)).toEqual(['ReportTaskProgress', 'SetTaskStatus'])
      expect(service.task(taskId)).toMatchObject({ state: 'failed', errorId: 'GitHubActions:NotStarted' })
    }
  })
})

test.concurrent('a precondition that does not hold is FALSE', async () => {
  await using service = await LocalDataPipeline.start()
  const taskId = addTask(service, 'ready', { type: 'ShellCommandPrecondition', command: 'exit 1' })
  const run = await runWorkflow('poll-matrix.yml', { env: service.env() })
  expect(run.results).toEqual({ poll: 'success', work: 'failure' })
  expect(service.task(taskId).state).toBe('false')
})

test.concurrent('no task: the matrix is skipped, and nothing fails', async () => {
  await using service = await LocalDataPipeline.start()
  const run = await runWorkflow('poll-matrix.yml', { env: service.env() })
  expect(run).toMatchObject({ exitCode: 0, results: { poll: 'success' }, errors: [], warnings: [] })
  expect(received(service)).toMatchObject([['PollForTask', 200, { workerGroup: 'nightly' }]])
})
