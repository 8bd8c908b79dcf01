// Steps as calls of `src` within this process, in some milliseconds each, so that hundreds are possible. Only the process, the
// waits of the clock and the heartbeat process are replaced. What a process does beyond that, `runStep` shows.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { types } from 'node:util'
import { afterAll, jest } from '@jest/globals'
import { prepareStep, resultOf, type StepOptions, type StepResult } from './step.ts'

const clock = await import('../../src/util/clock.ts')
const deadline = await import('../../src/util/deadline.ts')

// Node's own errors come from outside of Jest's context, where they are no instances of the `Error` of this one.
Object.defineProperty(Error, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    if (this === Error && types.isNativeError(value)) return true
    return Function.prototype[Symbol.hasInstance].call(this, value)
  },
})

/** More than any test takes. */
const NEVER_MS = 2 ** 31 - 1

let nowMs = 0

/** The timeouts of work in progress. */
const timeouts = new Set<{ readonly at: number; wake(): void }>()

/**
 * Waits between attempts take no time: they advance the clock. Work in progress has its timeout only by `passTime`, so that a
 * slow machine does not look like a slow server.
 */
class SkippingDeadline extends deadline.Deadline {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return passTime(Math.max(0, ms))
    const woken = new AbortController()
    const timeout = { at: nowMs + ms, wake: () => woken.abort() }
    timeouts.add(timeout)
    await super.sleep(NEVER_MS, AbortSignal.any([signal, woken.signal]))
    timeouts.delete(timeout)
  }
}

/** Advances the clock of the step, and ends what takes longer. */
export function passTime(ms: number): void {
  nowMs += ms
  for (const timeout of timeouts) if (timeout.at <= nowMs) timeout.wake()
}

jest.unstable_mockModule('../../src/util/clock.ts', () => ({
  ...clock,
  systemClock: { ...clock.systemClock, now: () => nowMs },
}))
jest.unstable_mockModule('../../src/util/deadline.ts', () => ({ Deadline: SkippingDeadline }))

/** An id that no process has, as it is above the maximum. */
const NOBODY = { pid: 2 ** 30, startedAt: undefined }
const NOWHERE = join(tmpdir(), 'no', 'such', 'folder')

jest.unstable_mockModule('../../src/activity/heartbeat-launcher.ts', () => ({
  launchHeartbeat: () => ({ process: NOBODY, folder: NOWHERE, start: async () => NOBODY, cancel() {} }),
  endOfLog: () => '',
}))

// It would end the process of the tests, or replace it by a shell.
jest.unstable_mockModule('../../src/util/end-process.ts', () => ({ endProcess: async () => {} }))

const actions = await import('../../src/actions/index.ts')
const ACTIONS = {
  '.': { main: actions.setTaskStatus },
  'poll-for-task': { main: actions.pollForTask },
  activity: { main: actions.activityMain, post: actions.activityPost },
} as const

/** How to call a step. The others of StepOptions need a process. */
export interface CallOptions
  extends Omit<StepOptions, 'dist' | 'onStart' | 'stdout' | 'startedBy' | 'worker' | 'limitMs'> {
  /** Time passes when the step only waits: then it comes to its next timeout at once. For a server that does not respond. */
  readonly timePasses?: boolean
}

/** A server of this process responds in less time, and what this process computes does not count. */
const MOMENT_MS = 10

/** Passes time up to the next timeout whenever this process was idle for two moments. @returns what ends that */
function passIdleTime(): () => void {
  let before = performance.eventLoopUtilization()
  let idle = 0
  const look = setInterval(() => {
    const { utilization } = performance.eventLoopUtilization(before)
    before = performance.eventLoopUtilization()
    const isReading = process.getActiveResourcesInfo().some((name) => /^(FSReq|GetAddrInfo)/.test(name))
    idle = utilization < 0.5 && !isReading ? idle + 1 : 0
    if (idle < 2 || timeouts.size === 0) return
    idle = 0
    // At least one, as sums of fractions are not exact.
    passTime(Math.max(1, Math.min(...[...timeouts].map(({ at }) => at)) - nowMs))
  }, MOMENT_MS)
  return () => clearInterval(look)
}

const OF_A_PROCESS: readonly (keyof StepOptions)[] = ['dist', 'onStart', 'stdout', 'startedBy', 'worker', 'limitMs']

const folder = mkdtempSync(join(tmpdir(), 'called-'))
// Always the same, as @actions/core keeps the path of the summary.
const files = { output: join(folder, 'output'), state: join(folder, 'state'), summary: join(folder, 'summary') }

let stdout = ''
const ownEnvironment = { ...process.env }

// Uses the process object of this test file, which is not that of Jest.
Object.defineProperties(process, {
  stdout: {
    value: {
      writableLength: 0,
      write(text: string | Buffer, done?: () => void) {
        stdout += text.toString()
        done?.()
        return true
      },
    },
  },
  exitCode: { value: undefined, writable: true },
  // Removes the handlers of the run. Jest fails the test on errors outside of it.
  on: { value: () => process },
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function setEnvironment(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
}

let last: Promise<unknown> = Promise.resolve()

/**
 * Runs a step as `runStep` does, but without its process. One at a time, as all of them have this process. `tookMs` is in the time
 * of the step: what it waited.
 */
export function callStep(options: CallOptions): Promise<StepResult> {
  for (const name of OF_A_PROCESS) if (name in options) throw new Error(`the option ${name} needs a process`)
  const called = last.then(() => call(options))
  last = called.catch(() => undefined)
  return called
}

async function call(options: CallOptions): Promise<StepResult> {
  const stages: { readonly [stage: string]: (typeof actions)['setTaskStatus'] } =
    ACTIONS[(options.action ?? '.') as keyof typeof ACTIONS]
  const action = stages[options.stage ?? 'main']
  if (action === undefined) throw new Error(`the action has no ${options.stage} script`)
  // With a home of its own: the SDK reads the files of a profile once.
  const home = mkdtempSync(join(folder, 'step-'))
  try {
    const { env } = prepareStep(home, options, files)
    const needsProcess = Object.keys(env).find((name) => name.startsWith('NODE_'))
    if (needsProcess !== undefined) throw new Error(`the variable ${needsProcess} needs a process`)
    setEnvironment(env)
    stdout = ''
    process.exitCode = undefined
    const started = nowMs
    const stopTime = options.timePasses ? passIdleTime() : () => {}
    await actions.runAction(action).finally(stopTime)
    const outcome = { exitCode: Number(process.exitCode ?? 0), stdout, stderr: '' }
    return { ...resultOf(outcome, files), tookMs: Math.round(nowMs - started), endedAt: Date.now() }
  } finally {
    setEnvironment(ownEnvironment)
    rmSync(home, { recursive: true })
  }
}
