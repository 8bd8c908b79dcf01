// What goes wrong between the heartbeats and AWS: a failed beat is no reason to let the task go.
import { writeFileSync } from 'node:fs'
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
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import { emptyTemp, FAST_HEARTBEAT, heartbeatCounts, heartbeatGroup, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const TEMPORARY: Required<Omit<Credentials, 'expiresAt'>> = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token=='.repeat(8),
}

describe('beats that fail', () => {
  test.concurrent('in every way: tried again, and recover; the longest gap tells of it, and no file has a secret', async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    using held = await startActivity(service, {}, { env: { ...service.env(TEMPORARY), ...FAST_HEARTBEAT } })
    const canonical = `The Canonical String should have been\n'POST\nx-amz-security-token:${TEMPORARY.sessionToken}'`
    const faults = [
      // The first, due after 4.5 s, and those tried again 0.25, 0.5 and 1 s later at the soonest; then again after 2 s.
      ...times(4, reset('before reading')),
      ...times(2, throttle()),
      internalError(),
      bare(503),
      html(502),
      // The task may still be held.
      invalidRequest(),
      error('InvalidSignatureException', canonical),
    ]
    service.injectFault(...faults.map((fault) => on('ReportTaskProgress', fault)))
    // How much sooner is in the unit tests of the heartbeats, which have a clock of their own.
    await held.beats(held.respondedBeats() + 7 + 2)
    expect(held.job.heartbeats()).toHaveLength(1)
    const files = Object.values(held.job.files()).join('\n')
    expect(files).toContain('x-amz-security-token:***')
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, warnings: [] })
    const { sent, failed, longestGapSeconds } = heartbeatCounts(post)
    expect(failed).toBe(faults.length)
    expect(sent).toBeGreaterThanOrEqual(2)
    expect(longestGapSeconds).toBeGreaterThanOrEqual(8)
    expect(heartbeatGroup(post)?.text).toMatch(/Rate exceeded/)
    for (const secret of [TEMPORARY.secretAccessKey, TEMPORARY.sessionToken, held.taskId])
      expect(held.main.stdout + post.stdout + files).not.toContain(secret)
    expect(service.task(held.taskId).state).toBe('finished')
  })

  test.concurrent('stop while a beat hangs: it ends in order, and the report is made', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, {}, { env: FAST_HEARTBEAT })
    service.injectFault(on('ReportTaskProgress', hang()))
    expect(await eventually(() => service.requests.at(-1)?.fault === 'hang')).toBe(true)
    // A process that does not end when it is asked to would be a warning.
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, warnings: [] })
    expect(service.task(held.taskId).state).toBe('finished')
    expect(await held.job.heartbeatsEnd()).toBe(true)
    const said = held.main.stdout + post.stdout + Object.values(held.job.files()).join('\n')
    expect(said).not.toContain(TEST_CREDENTIALS.secretAccessKey)
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

  test.concurrent('is not there yet: it is made; a job status that nobody knows is an error, after the beats', async () => {
    await using service = await LocalDataPipeline.start()
    using job = new Job()
    using held = await startActivity(service, {}, { job, env: { RUNNER_TEMP: join(job.temp, 'not', 'there') } })
    expect(held.main).toMatchObject({ exitCode: 0, errors: [] })
    const post = await held.post({ jobStatus: 'perhaps' })
    expect(post).toMatchObject({ exitCode: 1, warnings: [], errors: [expect.stringContaining('job-status')] })
    expect(reportsOf(service, held.taskId)).toEqual([])
    expect(await job.heartbeatsEnd()).toBe(true)
  })

  // Elsewhere, a process without its files can't be seen, nor ended.
  const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

  onLinux('is emptied by the job: the task is still held, post reports, and the heartbeat ends', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, {}, { env: FAST_HEARTBEAT })
    emptyTemp(held.job)
    // The first may have been on its way. After the second, the state of the first was saved.
    const before = held.respondedBeats()
    expect(await eventually(() => held.respondedBeats() > before + 2)).toBe(true)
    expect(held.job.heartbeats()).toHaveLength(1)
    const post = await held.post()
    expect(service.task(held.taskId).state).toBe('finished')
    expect(post.exitCode).toBe(0)
    expect(post.stdout).not.toMatch(/were not started/)
    expect(await held.job.heartbeatsEnd()).toBe(true)
  })
})
