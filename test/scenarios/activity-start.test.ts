// The steps of activity where no heartbeat process matters: the task is not held, or it is only its inputs that count.
import { describe, expect, test } from '@jest/globals'
import {
  accessDenied,
  on,
  pipelineDeleted,
  pipelineNotFound,
  taskNotFound,
  throttle,
  times,
} from '../fakes/aws/faults.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { Job } from '../support/job.ts'
import { type CallSettings, callActivity } from './called-activity.ts'
import { reportsOf } from './holding.ts'

const onLinux = process.platform === 'linux' ? test : test.skip

const canceled: CallSettings = { prepare: (service, taskId) => service.cancelTask(taskId) }
const denied: CallSettings = { fault: on('ReportTaskProgress', accessDenied('ReportTaskProgress')) }

describe('a task that is not this job’s any more', () => {
  test.each<[string, string, CallSettings, string, RegExp]>([
    ['canceled', 'true', canceled, 'true', /canceled/],
    ['canceled', 'false', canceled, 'true', /canceled/],
    ['not found', 'false', { fault: taskNotFound() }, 'false', /no longer had the task/],
    ['of a pipeline that is not found', 'false', { fault: pipelineNotFound() }, 'false', /no longer had the task/],
    ['of a pipeline that is deleted', 'false', { fault: pipelineDeleted() }, 'false', /no longer had the task/],
  ])(
    '%s, fail-on-error %s: main fails at once, and post reports nothing',
    async (_what, failOnError, settings, canceledOutput, why) => {
      await using held = await callActivity({ 'fail-on-error': failOnError }, settings)
      expect(held.main.exitCode).toBe(1)
      expect(held.main.errors).toHaveLength(1)
      expect(held.main.errors[0]).toContain(held.taskId.slice(0, 12))
      if (canceledOutput === 'true') expect(held.main.errors[0]).toMatch(/canceled/)
      expect(held.main.outputs['canceled']).toBe(canceledOutput)
      const post = await held.post({ jobStatus: 'failure' })
      expect(post).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
      expect(post.stdout).toMatch(/[Nn]othing is reported/)
      expect(post.stdout).toMatch(why)
      expect(held.service.requests.map(({ operation }) => operation)).toEqual(['ReportTaskProgress'])
    },
  )
})

describe('main that could not hold the task', () => {
  test('fails the step; post reports FAILED and says that the heartbeats were not started', async () => {
    await using held = await callActivity({}, denied)
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    expect(held.main.errors[0]).toContain(held.taskId.slice(0, 12))
    expect(held.main.errors[0]).toContain('datapipeline:ReportTaskProgress')
    expect(held.main.outputs['canceled']).toBe('false')
    const post = await held.post({ jobStatus: 'failure' })
    expect(post.exitCode).toBe(0)
    expect(post.warnings).toEqual([expect.stringMatching(/heartbeats were not started/)])
    expect(reportsOf(held.service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  test('goes on with fail-on-error false; post reports how the job ended', async () => {
    await using held = await callActivity({ 'fail-on-error': 'false' }, denied)
    expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
    expect(held.main.warnings).toHaveLength(1)
    const post = await held.post()
    expect(post.warnings[0]).toMatch(/heartbeats were not started/)
    expect(held.service.task(held.taskId).state).toBe('finished')
  })

  test('as an input is wrong, fails before any call; post says so and still reports', async () => {
    await using held = await callActivity({ 'heartbeat-seconds': '3' })
    expect(held.main.exitCode).toBe(1)
    expect(held.service.requests).toEqual([])
    const post = await held.post({ jobStatus: 'failure' })
    expect(post.stdout).toMatch(/heartbeats were not started/)
    expect(reportsOf(held.service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  test('as the task id is empty: post has nothing to do, and does not fail', async () => {
    await using held = await callActivity({ 'task-id': '' })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors[0]).toContain('task-id')
    const post = await held.post({ jobStatus: 'failure', inputs: { 'task-id': '' } })
    expect(post).toMatchObject({ exitCode: 0, errors: [] })
    expect(held.service.requests).toEqual([])
  })

  test.each([
    ['has not seen whether it holds', { 'fail-on-error': 'true' }, 1, 'FAILED'],
    ['whatever fail-on-error says, with a wrong input', { 'heartbeat-seconds': '1' }, 1, 'FAILED'],
    ['and went on all the same, as fail-on-error is false', {}, 0, 'FALSE'],
  ])('of a precondition: %s', async (_name, inputs, exitCode, taskStatus) => {
    await using held = await callActivity({ precondition: 'true', 'fail-on-error': 'false', ...inputs }, denied)
    expect(held.main.exitCode).toBe(exitCode)
    await held.post({ jobStatus: 'failure' })
    expect(reportsOf(held.service, held.taskId)).toMatchObject([{ taskStatus }])
  })

  onLinux('as nothing could be saved for the post step: it fails, and post reports that', async () => {
    await using held = await callActivity({ precondition: 'true' }, { env: { GITHUB_STATE: '/dev/full' } })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toEqual([expect.stringMatching(/^Could not hold task .*ENOSPC/)])
    expect(held.service.requests).toEqual([])
    // With continue-on-error the job goes on, and may even succeed. GitHub shows no failed step then.
    await using github = await LocalGitHub.start()
    const { id, htmlUrl } = github.addJob({ name: 'work', steps: [{ name: 'Hold', conclusion: 'success' }] })
    const contexts = { github: { token: github.token }, job: { status: 'success', check_run_id: id } }
    const post = await held.post({ contexts, env: { ...github.environment, GITHUB_STATE: undefined } })
    expect(reportsOf(held.service, held.taskId)).toMatchObject([
      { taskStatus: 'FAILED', errorId: 'GitHubActions:JobFailed', errorMessage: expect.stringContaining(htmlUrl) },
    ])
    expect(github.requests).toHaveLength(1)
    expect(post.warnings[0]).toContain('the task was not held')
  })

  test('at once holds it after throttling and an error of the service', async () => {
    await using held = await callActivity({}, { prepare: (service) => service.injectFault(...times(2, throttle())) })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
    expect(held.service.task(held.taskId).progressReports).toHaveLength(1)
  })
})

onLinux('outputs that can not be set only tell, and are a warning', async () => {
  await using held = await callActivity({}, { env: { GITHUB_OUTPUT: '/dev/full' } })
  expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
  expect(held.main.warnings[0]).toMatch(/Could not write the outputs: ENOSPC/)
  await held.post({ jobStatus: 'success' })
  expect(held.service.task(held.taskId).state).toBe('finished')
})

describe('the status of the job at its end, with what post reports', () => {
  test.each([
    ['success', 'false', 'FINISHED'],
    ['failure', 'false', 'FAILED'],
    ['cancelled', 'false', 'FAILED'],
    ['success', 'true', 'FINISHED'],
    ['failure', 'true', 'FALSE'],
    ['cancelled', 'true', 'FAILED'],
  ])('%s, precondition %s: %s', async (jobStatus, precondition, taskStatus) => {
    await using held = await callActivity({ precondition })
    const post = await held.post({ jobStatus })
    expect(post.exitCode).toBe(0)
    expect(reportsOf(held.service, held.taskId)).toMatchObject([{ taskId: held.taskId, taskStatus }])
  })
})

test('texts of 90 KB: main says once what it cut, and post reports their beginnings and ends', async () => {
  const long = (name: string): string => `${name} begins ${'"\\\n'.repeat(30_000)} ${name} ends`
  const inputs = { 'error-message': long('message'), 'error-stack-trace': long('trace'), 'error-id': long('id') }
  await using held = await callActivity(inputs)
  expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
  for (const name of Object.keys(inputs))
    expect(held.main.warnings.filter((warning) => warning.startsWith(`${name}: truncated from 90`))).toHaveLength(1)
  // Linux, MAX_ARG_STRLEN: what is saved comes as one environment variable.
  expect(Buffer.byteLength(`STATE_activity=${held.main.state['activity']}\0`)).toBeLessThan(128 * 1024)
  const post = await held.post({ jobStatus: 'failure' })
  expect(post.exitCode).toBe(0)
  // It cuts nothing once more.
  expect(post.warnings.filter((warning) => warning.includes('truncated'))).toEqual([])
  const [report] = reportsOf(held.service, held.taskId)
  expect(report?.['errorId']).toMatch(/^id begins[\s\S]*id ends$/)
  expect(report?.['errorMessage']).toMatch(/^message begins[\s\S]*message ends$/)
  expect(report?.['errorStackTrace']).toMatch(/^trace begins[\s\S]*trace ends$/)
})

test('dry-run: nothing is called, nothing is started, and the report is shown', async () => {
  await using held = await callActivity({ 'dry-run': 'true' })
  expect(held.main).toMatchObject({ exitCode: 0, warnings: [] })
  expect(held.main.stdout).toContain('Dry run')
  const post = await held.post({ jobStatus: 'failure' })
  expect(post).toMatchObject({ exitCode: 0, warnings: [] })
  expect(post.stdout).toContain('"taskStatus": "FAILED"')
  expect(held.service.requests).toEqual([])
})

describe('inputs', () => {
  test.each([
    ['heartbeat-seconds', '4', ['5', '300']],
    ['heartbeat-seconds', '301', ['5', '300']],
    ['heartbeat-seconds', '7.5', ['whole number']],
    ['on-cancel', 'cancel', ['ignore', 'cancel-run']],
    ['on-cancel', 'Cancel-Run', ['ignore', 'cancel-run']],
    ['report', 'yes', ['true', 'false']],
    ['max-lifetime-minutes', '0', ['1', '7200']],
    ['max-lifetime-minutes', '7201', ['1', '7200']],
    ['task-id', 'a\u001bb', ['control characters']],
    ['timeout-seconds', '0', ['3600']],
    ['precondition', 'maybe', ['true', 'false']],
  ])('%s %j is refused before anything is done', async (name, value, words) => {
    using job = new Job()
    await using held = await callActivity(
      { [name]: value, 'fail-on-error': 'false' },
      { env: { RUNNER_TEMP: job.temp } },
    )
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    for (const word of [name, ...words]) expect(held.main.errors[0]).toContain(word)
    expect(held.service.requests).toEqual([])
    expect(job.files()).toEqual({})
  })
})
