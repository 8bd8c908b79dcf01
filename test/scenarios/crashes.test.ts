// Whatever is thrown, now or later, by whomever: one clean error, and exit code 1.
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { throttle } from '../fakes/aws/faults.ts'
import { REPOSITORY } from '../support/action-file.ts'
import { preloading, whenListening } from '../support/preload.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { type Reporting, reportTo } from './reporting.ts'

/** Reports with this module loaded before the action; the service throttles once, so that there is time for it. */
async function reportWith(module: string, env: Record<string, string> = {}, throttled = true): Promise<Reporting> {
  await using service = await LocalDataPipeline.start()
  if (throttled) service.injectFault(throttle())
  return await reportTo(service, { 'timeout-seconds': '5' }, { as: 'process', env: { ...preloading(module), ...env } })
}

/** Runs code in the midst of the action: some time after it has begun, however long Node takes to come to that. */
const inTheMidst = (code: string): string => whenListening('uncaughtException', 200, code)

function expectOneCleanError({ step }: Reporting, words: string | RegExp): void {
  expect(step.errors).toHaveLength(1)
  expect(step.errors[0]).toMatch(words)
  expect(step.errors[0]).not.toMatch(/\n\s+at /)
  expect(step.exitCode).toBe(1)
  expect(step.stderr).toBe('')
  const visible = step.stdout.split('\n').filter((line) => !line.startsWith('::debug::'))
  expect(visible.join('\n')).not.toMatch(/^\s+at .*:\d+:\d+/m)
}

describe('chunks of the bundle that are gone', () => {
  /** Reports with a bundle of which only the main chunk is left. */
  const reportWithout = (inputs: Record<string, string>, service: LocalDataPipeline): Promise<Reporting> =>
    inFolder(async (folder) => {
      const dist = join(folder, 'dist')
      cpSync(join(REPOSITORY, 'dist'), dist, { recursive: true })
      const bundle = join(dist, 'actions')
      for (const name of readdirSync(bundle)) if (/^\d+\.index\.js$/.test(name)) rmSync(join(bundle, name))
      return reportTo(service, inputs, { as: 'process', dist })
    })

  test.concurrent.each([{}, { 'error-stack-trace-file': 'trace.log' }])(
    'FAILED with %j is reported without details, and with a notice',
    async (inputs) => {
      await using service = await LocalDataPipeline.start()
      const { step, bodies } = await reportWithout({ status: 'FAILED', 'github-token': 'token', ...inputs }, service)
      expect(step).toMatchObject({ exitCode: 0, errors: [] })
      expect(bodies).toMatchObject([{ taskStatus: 'FAILED', errorId: 'GitHubActions:ReportedFailed' }])
      expect(step.notices).toEqual([expect.stringContaining('Some failure details are missing: ')])
    },
  )

  test.concurrent('a report that fails once is made by a second attempt', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(throttle())
    const { step, bodies } = await reportWithout({}, service)
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(step.stdout).toMatch(/Attempt 1 failed: .*Rate exceeded/)
    expect(bodies).toHaveLength(2)
  })

  test.concurrent('a report that can not be made fails the step with the reason', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(...Array.from({ length: 9 }, () => throttle()))
    const { step } = await reportWithout({ 'timeout-seconds': '2' }, service)
    expect(step.exitCode).toBe(1)
    expect(step.errors).toEqual([expect.stringMatching(/Could not report FINISHED .* in 2 s .*Rate exceeded/)])
  })
})

// What else may be thrown is in the unit tests of runAction.
describe('an uncaught exception', () => {
  test.concurrent.each([
    ['an Error', `throw new Error('out of the blue')`, /out of the blue/],
    ['undefined', `throw undefined`, /./],
    ['an object in a circle', `const o = {}; o.o = o; throw o`, /./],
    ['an Error with commands in it', `throw new Error('a\\n::add-path::/tmp/evil\\r##[add-path]/tmp')`, /a\n/],
    [
      'a Proxy that refuses everything',
      `throw new Proxy({}, { get() { throw new Error('no') }, has() { throw 1 }, ownKeys() { throw 2 }, getPrototypeOf() { throw 3 } })`,
      /./,
    ],
    ['two, which are told once', `setTimeout(() => { throw 'two' }, 10); throw 'one'`, /one/],
  ])('of %s: the report is made all the same', async (_name, code, words) => {
    const reporting = await reportWith(inTheMidst(code))
    expectOneCleanError(reporting, words)
    expect(reporting.step.commands.filter(({ name }) => name !== 'error' && name !== 'debug')).toEqual([])
    expect(reporting.bodies.length).toBeGreaterThan(0)
  })
})

test.concurrent('a late rejection', async () => {
  expectOneCleanError(await reportWith(inTheMidst(`Promise.reject(new Error('late'))`)), /late/)
})

test.concurrent('a rejection after the report was made fails the step with one error', async () => {
  // The summary comes last.
  const reporting = await reportWith(
    `import fs from 'node:fs'
     const { openSync } = fs
     fs.openSync = (path, ...more) => {
       if (path === process.env.GITHUB_STEP_SUMMARY) Promise.reject(new Error('after all'))
       return openSync(path, ...more)
     }`,
    {},
    false,
  )
  expect(reporting.bodies).toHaveLength(1)
  expectOneCleanError(reporting, /after all/)
})

test.concurrent('work that waits for what never comes does not end in green', async () => {
  // The action's requests get no answer and no error, and hold nothing open.
  const reporting = await reportWith(
    `import http from 'node:http'
     http.Agent.prototype.addRequest = () => {}
     globalThis.setTimeout = () => ({ unref() {}, ref() {}, hasRef: () => false })`,
    {},
    false,
  )
  expect(reporting.bodies).toEqual([])
  expect(reporting.step.errors).toHaveLength(1)
  expect(reporting.step.exitCode).toBe(1)
})

test.concurrent('a handle that stays open does not hold the step', async () => {
  const reporting = await reportWith(`setInterval(() => {}, 1000)`, {}, false)
  expect(reporting.step.errors).toEqual([])
  // Else it would never end.
  expect(reporting.step.exitCode).toBe(0)
})

test.concurrent('the stack is told with debug logging only', async () => {
  const { step } = await reportWith(inTheMidst(`throw new Error('where')`), { RUNNER_DEBUG: '1' })
  expect(step.commands.some(({ name, message }) => name === 'debug' && /\n\s+at /.test(message))).toBe(true)
  expect(step.errors[0]).not.toMatch(/\n\s+at /)
})
