// A job that holds a task while it runs.
import { expect, test } from '@jest/globals'
import { CredentialStore } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { LocalSts } from '../fakes/aws/sts.ts'
import { localEvidence } from '../scenarios/reporting.ts'
import { runWorkflow } from '../support/act.ts'
import { idlePort } from '../support/idle-port.ts'
import { cancelWhen, operationsOn, outputsIn, phasesOf, received, reports, workUntil } from './receiving.ts'

test.concurrent('a long step: the task is held by several heartbeats, then reported, and no heartbeat comes after that', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  using work = workUntil(service, 3)
  const run = await runWorkflow('activity.yml', {
    inputs: { 'task-id': taskId, command: work.command },
    env: service.env(),
  })
  expect(run).toMatchObject({ exitCode: 0, results: { work: 'success' }, errors: [], warnings: [] })
  const operations = operationsOn(service, taskId)
  // One to acknowledge it, and a heartbeat every five seconds.
  expect(operations.slice(0, 3)).toEqual(['ReportTaskProgress', 'ReportTaskProgress', 'ReportTaskProgress'])
  expect(operations.indexOf('SetTaskStatus')).toBe(operations.length - 1)
  expect(reports(service)).toEqual([{ taskId, taskStatus: 'FINISHED' }])
  expect(service.task(taskId).state).toBe('finished')
  expect(received(service).filter(([, status]) => status !== 200)).toEqual([])
  expect(outputsIn(run)).toEqual({ canceled: 'false', 'heartbeat-log': expect.stringContaining('/tmp/') })
})

// act evaluates the defaults of inputs again for the post step, as GitHub's runner does, so job.status is that of the end.
test.concurrent('a step that fails: post reports FAILED', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const run = await runWorkflow('activity.yml', {
    inputs: { 'task-id': taskId, command: 'exit 3' },
    env: service.env(),
  })
  expect(run).toMatchObject({ exitCode: 1, results: { work: 'failure' }, errors: [], warnings: [] })
  expect(phasesOf(service, taskId)).toEqual(['ReportTaskProgress', 'SetTaskStatus'])
  expect(reports(service)).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('failure') }])
})

test.concurrent('a cancelled run: post reports FAILED, as cancelled', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const run = await runWorkflow('activity.yml', {
    inputs: { 'task-id': taskId, command: 'echo ready; exec sleep 60' },
    env: service.env(),
    onStart: cancelWhen('ready'),
  })
  expect(run.exitCode).toBe(1)
  expect(phasesOf(service, taskId)).toEqual(['ReportTaskProgress', 'SetTaskStatus'])
  expect(reports(service)).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('cancelled') }])
})

test.concurrent('a runner that is lost: the heartbeats end with it, and nothing is reported', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  // runWorkflow checks that no heartbeat process is left. act has no Runner.Worker: a parent of another name counts as the
  // runner when it has outlived the main step by 10 s.
  const run = await runWorkflow('activity.yml', {
    inputs: { 'task-id': taskId, command: 'sleep 12; echo ready; exec sleep 60' },
    env: service.env(),
    onStart: cancelWhen('ready', 'SIGKILL'),
  })
  expect(run.exitCode).toBe(null)
  expect(service.task(taskId).state).toBe('running')
  expect(reports(service)).toEqual([])
})

test.concurrent('a service that is not there: the job fails before its work, with the cause', async () => {
  const service = await LocalDataPipeline.start({ port: await idlePort() })
  const { taskId } = service.addTask()
  await service.stop()
  const run = await runWorkflow('activity.yml', {
    inputs: { 'task-id': taskId, command: 'echo worked', 'timeout-seconds': '6' },
    env: service.env(),
  })
  expect(run).toMatchObject({ exitCode: 1, results: { work: 'failure' } })
  expect(run.errors).toEqual([
    expect.stringMatching(/^Could not hold task .*gave up after \d+ attempts.*ECONNREFUSED/),
    expect.stringMatching(/^Could not report FAILED for task .*gave up after \d+ attempts.*ECONNREFUSED/),
  ])
  expect(run.output).not.toContain('worked')
  expect(received(service)).toEqual([])
})

test.concurrent('a task that the service has cancelled: the job ends, and nothing is reported', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  service.cancelTask(taskId)
  const run = await runWorkflow('activity.yml', {
    inputs: { 'task-id': taskId, command: 'echo worked' },
    env: service.env(),
  })
  expect(run).toMatchObject({ exitCode: 1, results: { work: 'failure' } })
  expect(run.errors).toEqual([expect.stringContaining('AWS Data Pipeline canceled the task')])
  expect(run.output).not.toContain('worked')
  expect(outputsIn(run)).toMatchObject({ canceled: 'true' })
  expect(operationsOn(service, taskId)).toEqual(['ReportTaskProgress'])
})

test.concurrent("a role assumed with the job's own token: by the main step, and again by post", async () => {
  const credentials = new CredentialStore([])
  await using oidc = await LocalOidc.start()
  await using service = await LocalDataPipeline.start({ credentials })
  await using sts = await LocalSts.start({ issuer: oidc, credentials })
  const { taskId } = service.addTask()
  const run = await runWorkflow('role.yml', {
    inputs: { 'task-id': taskId },
    env: { ...oidc.env(), ...sts.env(), AWS_ENDPOINT_URL_DATA_PIPELINE: service.url },
  })
  expect(run).toMatchObject({ exitCode: 0, results: { work: 'success' }, errors: [], warnings: [] })
  expect(reports(service)).toEqual([{ taskId, taskStatus: 'FINISHED' }])
  const given = sts.requests.map(({ accessKeyId }) => accessKeyId)
  expect(given.length).toBeGreaterThanOrEqual(2)
  expect(service.requests.every(({ signedBy }) => given.includes(signedBy))).toBe(true)
  expect(oidc.requests.map(({ audience }) => audience)).toEqual(given.map(() => 'sts.amazonaws.com'))
})

// In post steps of a composite action, act has the job.status of that composite only, without a later failure of the job.
// actions/runner has the one of the job, but wrong inputs for nested ones (actions/runner#3514), which
// activity-life.test.ts tests: "what post needs is kept by main".
test.concurrent('wrapped in composite actions, two deep', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  using work = workUntil(service, 2)
  const run = await runWorkflow('composite.yml', {
    inputs: { 'task-id': taskId, command: work.command },
    files: { 'outer/action.yml': composite('./inner'), 'inner/action.yml': composite('./activity') },
    env: service.env(),
  })
  expect(run).toMatchObject({ exitCode: 0, results: { work: 'success' }, errors: [], warnings: [] })
  expect(phasesOf(service, taskId)).toEqual(['ReportTaskProgress', 'SetTaskStatus'])
  expect(operationsOn(service, taskId).length).toBeGreaterThanOrEqual(3)
  expect(reports(service)).toEqual([{ taskId, taskStatus: 'FINISHED' }])
})

/** A composite action that passes its inputs to another action. */
function composite(uses: string): string {
  const inputs = ['task-id', 'heartbeat-seconds']
  return JSON.stringify({
    name: 'Wrapper',
    description: 'Hands on its inputs',
    inputs: Object.fromEntries(inputs.map((name) => [name, { description: name, required: true }])),
    runs: {
      using: 'composite',
      steps: [{ uses, with: Object.fromEntries(inputs.map((name) => [name, `\${{ inputs.${name} }}`])) }],
    },
  })
}
