// What goes wrong between the heartbeats and AWS: a failed beat is no reason to let the task go.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { type Credentials, TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import {
  bare,
  error,
  hang,
  html,
  internalError,
  invalidRequest,
  on,
  reset,
  throttle,
  times,
} from '../fakes/aws/faults.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import { heartbeatCounts, heartbeatGroup, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const TEMPORARY: Required<Omit<Credentials, 'expiresAt'>> = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token=='.repeat(8),
}

describe('beats that fail', () => {
  test.concurrent('by throttling and errors of the service: tried again sooner, and recover', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    service.injectFault(...times(2, throttle()), internalError(), bare(503), html(502))
    // How much sooner is in the unit tests of the heartbeats, which have a clock of their own.
    await held.beats(held.respondedBeats() + 7)
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, warnings: [] })
    expect(heartbeatCounts(post).failed).toBe(5)
    expect(heartbeatCounts(post).sent).toBeGreaterThanOrEqual(2)
    expect(heartbeatGroup(post)?.text).toMatch(/Rate exceeded/)
    expect(service.task(held.taskId).state).toBe('finished')
  })

  test.concurrent('in an outage: recover with it, and the longest gap tells of it', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    // The first, due after 4.5 s, and those tried again 0.25, 0.5 and 1 s later at the soonest; then again after 2 s.
    service.injectFault(...times(4, on('ReportTaskProgress', reset('before reading'))))
    await held.beats(held.respondedBeats() + 1)
    const post = await held.post()
    expect(post.exitCode).toBe(0)
    const { sent, failed, longestGapSeconds } = heartbeatCounts(post)
    expect(sent).toBeGreaterThanOrEqual(1)
    expect(failed).toBe(4)
    expect(longestGapSeconds).toBeGreaterThanOrEqual(8)
    expect(service.task(held.taskId).state).toBe('finished')
  })

  test.concurrent('as the request is invalid: the task may still be held, so they go on', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    service.injectFault(...times(2, on('ReportTaskProgress', invalidRequest())))
    await held.beats(held.respondedBeats() + 3)
    expect(held.job.heartbeats()).toHaveLength(1)
    const post = await held.post()
    expect(heartbeatCounts(post).failed).toBe(2)
    expect(heartbeatCounts(post).sent).toBeGreaterThanOrEqual(1)
    expect(service.task(held.taskId).state).toBe('finished')
  })

  test.concurrent('stop while a beat hangs: it ends in order, and the report is made', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    service.injectFault(on('ReportTaskProgress', hang()))
    expect(await eventually(() => service.requests.at(-1)?.fault === 'hang')).toBe(true)
    // A process that does not end when it is asked to would be a warning.
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, warnings: [] })
    expect(service.task(held.taskId).state).toBe('finished')
    expect(await held.job.heartbeatsEnd()).toBe(true)
  })

  test.concurrent('what the service says of them is in no file with a secret in it', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    using held = await startActivity(service, {}, { env: service.env(TEMPORARY) })
    const canonical = `The Canonical String should have been\n'POST\nx-amz-security-token:${TEMPORARY.sessionToken}'`
    service.injectFault(on('ReportTaskProgress', error('InvalidSignatureException', canonical)))
    await held.beats(held.respondedBeats() + 1)
    const files = Object.values(held.job.files()).join('\n')
    expect(files).toContain('x-amz-security-token:***')
    expect(files).not.toContain(TEMPORARY.sessionToken)
    const post = await held.post()
    expect(post.stdout).not.toContain(TEMPORARY.sessionToken)
    expect(service.task(held.taskId).state).toBe('finished')
  })
})

describe('the temporary folder of the runner', () => {
  test.concurrent('can not be written to: main fails with one error, post says so and reports FAILED', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    // Root may write anywhere, but nobody below a file.
    writeFileSync(join(job.temp, 'file'), '')
    const env = { RUNNER_TEMP: join(job.temp, 'file') }
    using held = await startActivity(service, {}, { job, env })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    expect(held.main.errors[0]).toMatch(/ENOTDIR|EEXIST/)
    expect(held.job.heartbeats()).toEqual([])
    const post = await held.post({ jobStatus: 'failure' })
    expect(post.exitCode).toBe(0)
    expect(post.stdout).toMatch(/heartbeats were not started/)
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  test.concurrent('is not there yet: it is made', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    using held = await startActivity(service, {}, { job, env: { RUNNER_TEMP: join(job.temp, 'not', 'there') } })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, warnings: [] })
    expect(await job.heartbeatsEnd()).toBe(true)
  })

  test.concurrent('is emptied by the job: post reports, and the heartbeat ends', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    held.job[Symbol.dispose]()
    mkdirSync(held.job.temp)
    const post = await held.post()
    expect(service.task(held.taskId).state).toBe('finished')
    expect(post.exitCode).toBe(0)
    expect(post.stdout).not.toMatch(/were not started/)
    expect(await held.job.heartbeatsEnd()).toBe(true)
  })

  // Elsewhere, a process without its files can't be seen, nor ended.
  const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

  onLinux('is emptied by the job, and a beat comes: the task is still held', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    held.job[Symbol.dispose]()
    mkdirSync(held.job.temp)
    const before = held.respondedBeats()
    expect(await eventually(() => held.respondedBeats() > before)).toBe(true)
    await eventually(() => false, 500)
    expect(held.job.heartbeats()).toHaveLength(1)
    held.job.end()
  })
})

test.concurrent('the keys in the tests are not secrets that leave with a log', async () => {
  await using service = await LocalDataPipeline.start()
  using held = await startActivity(service)
  await held.beats(1)
  const post = await held.post()
  const said = held.main.stdout + post.stdout + Object.values(held.job.files()).join('\n')
  expect(said).not.toContain(TEST_CREDENTIALS.secretAccessKey)
  expect(said).not.toContain(held.taskId)
})

describe('a main step that could not hold the task', () => {
  const onLinux = process.platform === 'linux' ? test.concurrent : test.skip

  onLinux('as nothing could be saved for the post step: it fails, and post reports that', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, { precondition: 'true' }, { env: { GITHUB_STATE: '/dev/full' } })
    expect(held.main.exitCode).toBe(1)
    expect(held.main.errors).toHaveLength(1)
    expect(held.main.errors[0]).toMatch(/^Could not hold task .*ENOSPC/)
    expect(service.requests).toEqual([])
    // With continue-on-error the job goes on, and may even succeed. GitHub shows no failed step then.
    await using github = await LocalGitHub.start()
    const { id, htmlUrl } = github.addJob({ name: 'work', steps: [{ name: 'Hold', conclusion: 'success' }] })
    const contexts = { github: { token: github.token }, job: { status: 'success', check_run_id: id } }
    const post = await held.post({ contexts, env: { ...github.environment, GITHUB_STATE: undefined } })
    expect(reportsOf(service, held.taskId)).toMatchObject([
      { taskStatus: 'FAILED', errorId: 'GitHubActions:JobFailed', errorMessage: expect.stringContaining(htmlUrl) },
    ])
    expect(github.requests).toHaveLength(1)
    expect(post.warnings[0]).toContain('the task was not held')
  })

  test.concurrent('has not seen whether a precondition holds', async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(on('ReportTaskProgress', error('AccessDeniedException', 'no')))
    using held = await startActivity(service, { precondition: 'true' })
    expect(held.main.exitCode).toBe(1)
    await held.post({ jobStatus: 'failure' })
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  test.concurrent.each([
    ['with a wrong input, whatever fail-on-error says', { 'heartbeat-seconds': '1' }, 1, 'FAILED'],
    ['and went on all the same, as fail-on-error is false', {}, 0, 'FALSE'],
  ])('%s: the precondition', async (_name, inputs, exitCode, taskStatus) => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(on('ReportTaskProgress', error('AccessDeniedException', 'no')))
    using held = await startActivity(service, { precondition: 'true', 'fail-on-error': 'false', ...inputs })
    expect(held.main.exitCode).toBe(exitCode)
    await held.post({ jobStatus: 'failure' })
    expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus }])
  })

  onLinux('outputs that can not be set only tell, and are a warning', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, {}, { env: { GITHUB_OUTPUT: '/dev/full' } })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
    expect(held.main.warnings[0]).toMatch(/Could not write the outputs: ENOSPC/)
    await held.post({ jobStatus: 'success' })
    expect(service.task(held.taskId).state).toBe('finished')
  })
})
