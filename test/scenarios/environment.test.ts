// What machines, containers and older servers may not have: the status is reported all the same.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { NO_CREDENTIALS } from '../fakes/aws/cloud.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { Job } from '../support/job.ts'
import { perform } from '../support/perform.ts'
import { preloading } from '../support/preload.ts'
import type { StepResult } from '../support/step.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { report, reportTo } from './reporting.ts'

test.concurrent('no HOME, PATH, temporary folder or workspace', async () => {
  const names = ['HOME', 'USERPROFILE', 'PATH', 'TMPDIR', 'TEMP', 'TMP', 'RUNNER_TEMP', 'GITHUB_WORKSPACE']
  const { step, bodies } = await report(
    { status: 'FAILED', 'error-stack-trace-file': 'load.log' },
    {
      as: 'process',
      env: Object.fromEntries(names.map((name) => [name, undefined])),
      files: { 'load.log': 'no disk' },
    },
  )
  expect(bodies).toMatchObject([{ taskStatus: 'FAILED', errorStackTrace: 'no disk' }])
  expect(step.errors).toEqual([])
  expect(step.warnings).toEqual([])
  expect(step.stderr).toBe('')
  expect(step.exitCode).toBe(0)
})

describe('a user whom the system does not know, as in a container with a number for a user', () => {
  // Node asks the system for the home directory where HOME is missing.
  const NO_PASSWD = `
    import os from 'node:os'
    import { syncBuiltinESMExports } from 'node:module'
    os.homedir = () => {
      if (process.env.HOME) return process.env.HOME
      throw new Error('A system error occurred: uv_os_homedir returned ENOENT')
    }
    syncBuiltinESMExports()`

  test.concurrent.each([
    ['missing', undefined],
    ['empty', ''],
  ])('HOME is %s: reported with the credentials that are there', async (_name, HOME) => {
    const env = { ...preloading(NO_PASSWD), HOME, USERPROFILE: undefined }
    const { step, bodies } = await report({}, { as: 'process', env })
    expect(step.errors).toEqual([])
    expect(bodies).toHaveLength(1)
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('no credentials either: one error that says so', async () => {
    const env = { ...preloading(NO_PASSWD), ...NO_CREDENTIALS, HOME: undefined, USERPROFILE: undefined }
    const { step } = await report({ 'timeout-seconds': '12' }, { as: 'process', env })
    expect(step.errors).toHaveLength(1)
    expect(step.errors[0]).toContain('credentials')
    expect(step.errors[0]).not.toContain('homedir')
  })
})

test.concurrent('HOME is empty: profiles of the workspace are not taken for those of the user', async () => {
  const { step, bodies } = await report(
    { 'aws-region': '' },
    {
      as: 'process',
      env: { HOME: '', USERPROFILE: undefined, AWS_REGION: undefined, AWS_CONFIG_FILE: undefined },
      files: { '.aws/config': '[default]\nregion = eu-west-1\n' },
    },
  )
  expect(bodies).toEqual([])
  expect(step.errors).toHaveLength(1)
  expect(step.errors[0]).toContain('No AWS region')
})

test.concurrent('nothing is written into the workspace or the home', async () => {
  await inFolder(async (folder) => {
    const [home, workspace] = [join(folder, 'home'), join(folder, 'work space')]
    mkdirSync(home)
    mkdirSync(workspace)
    await using service = await LocalDataPipeline.start()
    using job = new Job({ ...service.env(), HOME: home, USERPROFILE: home, GITHUB_WORKSPACE: workspace })
    const inputs = { 'task-id': service.addTask().taskId }
    await job.main('activity', { action: 'activity', inputs })
    const post = await job.post('activity', { action: 'activity', inputs })
    expect(post.exitCode).toBe(0)
    expect([...readdirSync(home), ...readdirSync(workspace)]).toEqual([])
  })
})

// A system may let one be a superuser of one's own, who may not mount all the same.
const tryMount = ['unshare', '--map-root-user', '--mount', 'mount', '-o', 'bind,ro', tmpdir(), tmpdir()] as const
const whereOneMayMount = (
  process.platform === 'linux' && spawnSync(tryMount[0], tryMount.slice(1)).status === 0 ? test.concurrent : test.skip
) as typeof test.concurrent

whereOneMayMount('workspace, home and the files of the runner are read-only (Linux): a warning each', async () => {
  // Permissions would not do: the superuser may write everywhere. The home has all the others in it. Not by sh, which
  // drops variables with a hyphen in their names.
  const mount = 'mount -o bind,ro "$HOME" "$HOME" && cd "$GITHUB_WORKSPACE" && exec "$@"'
  const { step, bodies } = await report(
    { status: 'FAILED', 'error-stack-trace-file': 'load.log' },
    {
      as: 'process',
      startedBy: ['unshare', '--map-root-user', '--mount', 'bash', '-c', mount, 'bash'],
      files: { 'load.log': 'no disk' },
    },
  )
  expect(bodies).toMatchObject([{ taskStatus: 'FAILED', errorStackTrace: 'no disk' }])
  expect(step.errors).toEqual([])
  expect(step.warnings).toHaveLength(2)
  expect(step.warnings.join()).toMatch(/outputs.*summary/s)
  expect(step.exitCode).toBe(0)
})

test.concurrent('a temporary folder that can not be written to: activity fails, and its end is reported', async () => {
  await inFolder(async (folder) => {
    writeFileSync(join(folder, 'file'), '')
    await using service = await LocalDataPipeline.start()
    using job = new Job({ ...service.env(), RUNNER_TEMP: join(folder, 'file', 'temp') })
    const { taskId } = service.addTask()
    const step = { action: 'activity', inputs: { 'task-id': taskId } }
    const main = await job.main('activity', step)
    expect(main.exitCode).toBe(1)
    expect(main.errors).toHaveLength(1)
    expect(main.errors[0]).toContain('Could not write the files of the heartbeat process')
    const post = await job.post('activity', { ...step, jobStatus: 'failure' })
    expect(post.exitCode).toBe(0)
    expect(post.warnings).toHaveLength(1)
    expect(service.task(taskId).status).toBe('FAILED')
  })
})

describe('the files of the runner', () => {
  /** What steps of a runner without these files say instead. */
  const said = (step: StepResult, name: string): Record<string, string> =>
    Object.fromEntries(
      step.commands
        .filter((command) => command.name === name)
        .map(({ properties, message }) => [properties['name'] ?? '', message]),
    )

  test.concurrent('none: outputs go the way of older runners, and there is no summary', async () => {
    const { step, bodies } = await report(
      { status: 'FAILED', 'error-message': 'line 1\nline 2, 100%' },
      {
        as: 'process',
        env: { GITHUB_OUTPUT: undefined, GITHUB_STATE: undefined, GITHUB_STEP_SUMMARY: undefined },
      },
    )
    expect(bodies).toHaveLength(1)
    expect(step.warnings).toEqual([])
    expect(said(step, 'set-output')).toMatchObject({
      status: 'FAILED',
      'error-message': 'line 1\nline 2, 100%',
      reported: 'true',
    })
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('none: activity holds the task, and reports', async () => {
    await using service = await LocalDataPipeline.start()
    const none = { GITHUB_OUTPUT: undefined, GITHUB_STATE: undefined, GITHUB_STEP_SUMMARY: undefined }
    using job = new Job({ ...service.env(), ...none })
    const { taskId } = service.addTask()
    const step = { action: 'activity', inputs: { 'task-id': taskId } }
    const main = await job.main('activity', step)
    expect(main.exitCode).toBe(0)
    expect(said(main, 'set-output')).toMatchObject({ canceled: 'false' })
    const state = Object.entries(said(main, 'save-state')).map(([name, value]) => [`STATE_${name}`, value])
    const post = await job.post('activity', { ...step, env: Object.fromEntries(state) })
    expect(post.stdout).toContain('Heartbeats: ')
    expect(post.warnings).toEqual([])
    expect(service.task(taskId).status).toBe('FINISHED')
  })
})

test('in a container: a stack trace file by its path outside of it is explained', async () => {
  const path = join(tmpdir(), 'no-such-folder', 'pipes', 'load.log')
  await using service = await LocalDataPipeline.start()
  const outside = await reportTo(service, { status: 'FAILED', 'error-stack-trace-file': path })
  expect(outside.step.warnings).toHaveLength(1)
  expect(outside.step.warnings[0]).toContain('relative to the workspace')
  expect(outside.bodies).toHaveLength(1)
  const relative = await reportTo(service, { status: 'FAILED', 'error-stack-trace-file': 'load.log' })
  expect(relative.step.warnings[0]).not.toContain('relative to the workspace')
})

test('poll-for-task: a runner with an empty name is told by the name of the machine', async () => {
  await using service = await LocalDataPipeline.start()
  service.addTask({ workerGroup: 'nightly' })
  const env = { ...service.env(), RUNNER_NAME: ' ' }
  const step = await perform({ action: 'poll-for-task', inputs: { 'worker-group': 'nightly' }, env })
  expect(step.outputs['found']).toBe('true')
  expect(service.requestsFor('PollForTask')[0]?.body['hostname']).toMatch(/\S/)
})
