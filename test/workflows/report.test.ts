// A job whose last step, with "if: always()", reports its outcome.
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { localEvidence } from '../scenarios/reporting.ts'
import { runWorkflow } from '../support/act.ts'
import { idlePort } from '../support/idle-port.ts'
import { cancelWhen, outputsIn, received } from './receiving.ts'

test.concurrent('a job that succeeds: FINISHED, and outputs for the steps after it', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const run = await runWorkflow('report.yml', { inputs: { 'task-id': taskId, command: 'exit 0' }, env: service.env() })
  expect(run).toMatchObject({ exitCode: 0, results: { work: 'success' }, errors: [], warnings: [] })
  expect(received(service)).toEqual([['SetTaskStatus', 200, { taskId, taskStatus: 'FINISHED' }]])
  expect(outputsIn(run)).toEqual({
    status: 'FINISHED',
    'error-id': '',
    'error-message': '',
    reported: 'true',
    'request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
})

test.concurrent('a job in which a step fails: the job fails, and FAILED is reported', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const run = await runWorkflow('report.yml', { inputs: { 'task-id': taskId, command: 'exit 3' }, env: service.env() })
  expect(run).toMatchObject({ exitCode: 1, results: { work: 'failure' }, errors: [], warnings: [] })
  expect(received(service)).toEqual([
    ['SetTaskStatus', 200, { taskId, taskStatus: 'FAILED', ...localEvidence('failure') }],
  ])
  expect(outputsIn(run)).toMatchObject({
    status: 'FAILED',
    'error-id': localEvidence('failure').errorId,
    'error-message': localEvidence('failure').errorMessage,
    reported: 'true',
  })
})

// act has no job.check_run_id, as on GitHub Enterprise Server: the job is found by the name of its runner. The scenarios of
// evidence-own-job.test.ts test both ways.
test.concurrent('the failed step comes from GitHub, with the token of the job', async () => {
  await using service = await LocalDataPipeline.start()
  await using github = await LocalGitHub.start()
  github.addJob({
    name: 'Nightly / work',
    runnerName: 'runner-1',
    steps: [{ name: 'Load the rows', conclusion: 'failure' }],
  })
  const { taskId } = service.addTask()
  const run = await runWorkflow('report.yml', {
    inputs: { 'task-id': taskId, command: 'exit 3' },
    env: { ...service.env(), ...github.environment },
    secrets: { GITHUB_TOKEN: github.token },
  })
  expect(run).toMatchObject({ exitCode: 1, results: { work: 'failure' }, errors: [], warnings: [] })
  expect(service.requests.map(({ body }) => body)).toEqual([
    {
      taskId,
      taskStatus: 'FAILED',
      errorId: 'GitHubActions:JobFailed',
      errorMessage: expect.stringContaining('failed in step "Load the rows"'),
    },
  ])
  expect(github.requests.map(({ authorization }) => authorization)).toContain('valid')
  expect(github.violations).toEqual([])
})

test.concurrent('a cancelled run: "if: always()" reports FAILED, as cancelled', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const run = await runWorkflow('report.yml', {
    inputs: { 'task-id': taskId, command: 'echo ready; exec sleep 60' },
    env: service.env(),
    onStart: cancelWhen('ready'),
  })
  expect(run.exitCode).toBe(1)
  expect(received(service)).toEqual([
    ['SetTaskStatus', 200, { taskId, taskStatus: 'FAILED', ...localEvidence('cancelled') }],
  ])
})

test.concurrent('a service that is not there: the job fails, with the cause', async () => {
  const service = await LocalDataPipeline.start({ port: await idlePort() })
  const { taskId } = service.addTask()
  await service.stop()
  const run = await runWorkflow('report.yml', {
    inputs: { 'task-id': taskId, command: 'exit 0', 'timeout-seconds': '6' },
    env: service.env(),
  })
  expect(run).toMatchObject({ exitCode: 1, results: { work: 'failure' } })
  expect(run.errors).toEqual([
    expect.stringMatching(/^Could not report FINISHED for task .*gave up after \d+ attempts.*ECONNREFUSED/),
  ])
  expect(outputsIn(run)).toMatchObject({ status: 'FINISHED', reported: 'false', 'request-id': '' })
  expect(received(service)).toEqual([])
})

test.concurrent('no credentials: the job fails at once, with instructions', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const { AWS_ENDPOINT_URL_DATA_PIPELINE = '', AWS_REGION = '' } = service.env()
  const run = await runWorkflow('report.yml', {
    inputs: { 'task-id': taskId, command: 'exit 0' },
    env: { AWS_ENDPOINT_URL_DATA_PIPELINE, AWS_REGION },
  })
  expect(run).toMatchObject({ exitCode: 1, results: { work: 'failure' } })
  expect(run.errors).toEqual([
    expect.stringMatching(
      /^Could not report FINISHED for task .*credentials.*configure-aws-credentials.*if: always\(\)/,
    ),
  ])
  expect(outputsIn(run)).toMatchObject({ reported: 'false' })
  expect(received(service)).toEqual([])
})
