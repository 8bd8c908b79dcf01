// Last jobs that report the outcome of the jobs that they need.
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { writeJobLog } from '../fakes/github/log-text.ts'
import { runWorkflow, type WorkflowRun } from '../support/act.ts'
import { received } from './receiving.ts'

const TASKS = { 'task-id': 'report', lenient: 'lenient', precondition: 'precondition' }

async function runNeeds(service: LocalDataPipeline, github: LocalGitHub, command: string): Promise<WorkflowRun> {
  for (const taskId of Object.values(TASKS)) service.addTask({ taskId })
  return runWorkflow('needs.yml', {
    inputs: { ...TASKS, command },
    env: { ...service.env(), ...github.environment },
    secrets: { GITHUB_TOKEN: github.token },
  })
}

test.concurrent('a job fails, so that the next is skipped', async () => {
  await using service = await LocalDataPipeline.start()
  await using github = await LocalGitHub.start()
  const log = writeJobLog({
    name: 'load',
    steps: [{ name: 'Load the rows', run: 'exit 3', output: ['row 7 is broken'], conclusion: 'failure' }],
  })
  const load = github.addJob({ name: 'load', conclusion: 'failure', ...log.job })
  github.addJob({ name: 'lint', conclusion: 'success' })
  github.addJob({ name: 'check', conclusion: 'skipped' })
  const run = await runNeeds(service, github, 'exit 3')

  expect(run).toMatchObject({ exitCode: 1, errors: [], warnings: [] })
  expect(run.results).toEqual({
    lint: 'success',
    load: 'failure',
    report: 'success',
    lenient: 'success',
    precondition: 'success',
  })
  expect(service.requests).toHaveLength(3)
  expect(service.task('lenient')).toMatchObject({ state: 'finished' })
  const { errorId, errorMessage, errorStackTrace } = service.task('report')
  expect(service.task('report').status).toBe('FAILED')
  expect(errorId).toBe('GitHubActions:NeededJobFailed')
  expect(errorMessage).toContain('Job "load" failed in step "Load the rows"')
  expect(errorMessage).toContain('"check" was skipped')
  expect(errorMessage).toContain(load.htmlUrl)
  expect(errorStackTrace).toContain('row 7 is broken')
  expect(received(service)).toContainEqual(['SetTaskStatus', 200, { taskId: 'precondition', taskStatus: 'FALSE' }])
  expect(github.violations).toEqual([])
})

test.concurrent('all jobs succeed: FINISHED, without a call of GitHub', async () => {
  await using service = await LocalDataPipeline.start()
  await using github = await LocalGitHub.start()
  const run = await runNeeds(service, github, 'exit 0')
  expect(run).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  expect(Object.keys(run.results).sort()).toEqual(['check', 'lenient', 'lint', 'load', 'precondition', 'report'])
  expect(service.tasks.map(({ state }) => state)).toEqual(['finished', 'finished', 'finished'])
  expect(service.requests).toHaveLength(3)
  expect(github.requests).toEqual([])
})
