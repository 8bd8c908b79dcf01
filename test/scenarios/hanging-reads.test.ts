// Files that are not regular, and reads that never return: the report is made, and the step ends.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { leftOverProcesses } from '../support/job.ts'
import { preloading } from '../support/preload.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { reportsOf, startActivity } from './holding.ts'
import { expectNoTrace, pipeIn } from './irregular-files.ts'
import { type ReportingOptions, report, reportTo } from './reporting.ts'

const onPosix = process.platform === 'win32' ? describe.skip : describe

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

/** A module that replaces `fs.promises.open` for paths that end like this. */
function whenOpening(ending: string, result: string): string {
  return `import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const { open } = fs.promises
    fs.promises.open = (path, flags, ...rest) =>
      String(path).endsWith(${JSON.stringify(ending)}) ? ${result} : open(path, flags, ...rest)
    syncBuiltinESMExports()`
}

/** Opening "gone.log" opens a named pipe that nobody writes to: a thread of libuv's pool waits, as on a drive that is gone. */
function goneDrive(folder: string, ...modules: string[]): ReportingOptions {
  const gone = whenOpening('gone.log', `open(${JSON.stringify(pipeIn(folder))}, 'r')`)
  return { as: 'process', env: preloading(gone, ...modules) }
}

// Files of other kinds are in irregular-files.test.ts.
onPosix('error-stack-trace-file that is a named pipe: one warning, and the report has no trace', () => {
  test.concurrent('which replaces a file right before it is opened', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'replaced.log')
      writeFileSync(path, 'a file')
      const replace = `(() => {
        fs.rmSync(path)
        execFileSync('mkfifo', [path])
        return open(path, flags, ...rest)
      })()`
      const module = `import { execFileSync } from 'node:child_process'; ${whenOpening('replaced.log', replace)}`
      await expectNoTrace(path, { as: 'process', env: preloading(module) })
    })
  })
})

onPosix('a read that never returns and keeps a thread of its process', () => {
  const inputs = { status: 'FAILED', 'error-stack-trace-file': 'gone.log', 'timeout-seconds': '8' }

  test.concurrent('the report is made without the trace, and the step ends with exit code 0', async () => {
    await inFolder(async (folder) => {
      const { step, bodies } = await report(inputs, goneDrive(folder))
      expect(bodies).toMatchObject([{ taskStatus: 'FAILED' }])
      expect(step).toMatchObject({ exitCode: 0, errors: [], stderr: '' })
      expect(step.warnings).toHaveLength(1)
      expect(step.warnings[0]).toContain('gone.log')
      expect(step.outputs['reported']).toBe('true')
      expect(step.stdout).toMatch(/Reported FAILED for task .*\n$/)
    })
  })

  test.concurrent('a report that fails ends the step with exit code 1', async () => {
    await inFolder(async (folder) => {
      const { step } = await report({ ...inputs, 'task-id': 'no-such-task' }, goneDrive(folder))
      expect(step).toMatchObject({ exitCode: 1, stderr: '' })
      expect(step.errors).toHaveLength(1)
      expect(step.errors[0]).toContain('Could not report FAILED')
    })
  })

  test.concurrent('the post step of activity ends, too', async () => {
    await inFolder(async (folder) => {
      await using service = await LocalDataPipeline.start()
      using held = await startActivity(service, { 'error-stack-trace-file': 'gone.log', 'timeout-seconds': '8' })
      const post = await held.post({ env: goneDrive(folder).env ?? {}, jobStatus: 'failure' })
      expect(post).toMatchObject({ exitCode: 0, stderr: '' })
      expect(reportsOf(service, held.taskId)).toMatchObject([{ taskStatus: 'FAILED' }])
      expect(await held.job.heartbeatsEnd()).toBe(true)
    })
  })

  // Larger than a pipe holds, so that most of it waits for the reader when the step is done.
  const OUTPUT = 'x'.repeat(999)
  const LINES = 1_000
  const slowReader = (folder: string): ReportingOptions => ({
    ...goneDrive(folder, `process.stdout.write('${OUTPUT}\\n'.repeat(${LINES}))`),
    onStart: (child) => {
      setImmediate(() => child.stdout?.pause())
      setTimeout(() => child.stdout?.resume(), 3_000)
    },
  })

  test.concurrent.each([
    ['that hangs', { ...inputs, 'timeout-seconds': '4' }],
    ['that does not', { status: 'FINISHED' }],
  ])('a slow reader gets all output of a step with a read %s', async (_name, inputsOfStep) => {
    await inFolder(async (folder) => {
      const { step } = await report(inputsOfStep, slowReader(folder))
      expect(step.exitCode).toBe(0)
      expect(step.stdout.split('\n').filter((line) => line === OUTPUT)).toHaveLength(LINES)
      expect(step.stdout).toMatch(/Reported \w+ for task .*\n$/)
    })
  })

  test.concurrent.each([
    ['config', 'with the region', { AWS_REGION: undefined, AWS_CONFIG_FILE: 'pipe' }, 'Could not read'],
    [
      'credentials',
      'with the keys',
      { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, AWS_SHARED_CREDENTIALS_FILE: 'pipe' },
      'Could not report FINISHED',
    ],
  ])('the file of AWS %s, %s: the report fails, and the step ends', async (_file, _with, variables, message) => {
    await inFolder(async (folder) => {
      await using service = await LocalDataPipeline.start()
      const pipe = pipeIn(folder)
      const given = Object.entries(variables).map(([name, value]) => [name, value === 'pipe' ? pipe : undefined])
      const { step } = await reportTo(
        service,
        { 'timeout-seconds': '3' },
        { as: 'process', env: Object.fromEntries(given) },
      )
      expect(step).toMatchObject({ exitCode: 1, stderr: '' })
      expect(step.errors).toHaveLength(1)
      expect(step.errors[0]).toContain(message)
    })
  })
})

onPosix('named pipes in the folder of an activity', () => {
  test.concurrent('in place of its state and log: post does not wait for them, and reports', async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    const folder = dirname(held.main.outputs['heartbeat-log'] ?? '')
    // No heartbeat process that would replace the state.
    held.job.end()
    expect(await held.job.heartbeatsEnd()).toBe(true)
    for (const name of ['state.json', 'heartbeat.log']) execFileSync('rm', ['-f', join(folder, name)])
    for (const name of ['state.json', 'heartbeat.log', 'stop']) pipeIn(folder, name)
    const post = await held.post()
    expect(post).toMatchObject({ exitCode: 0, stderr: '' })
    expect(service.task(held.taskId).state).toBe('finished')
  })
})
