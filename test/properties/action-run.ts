// Runs actions within this process, in some milliseconds each, so that hundreds are possible. Only the process, the waits
// of the clock and the heartbeat process are replaced. The scenarios run the real processes.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, jest } from '@jest/globals'
import { type Contexts, inputVariables, readActionFile } from '../support/action-file.ts'
import { type Command, commandsIn, withoutMasks } from '../support/commands.ts'
import { parseFileCommands } from '../support/file-commands.ts'
import { jobContexts, jobVariables } from '../support/job-variables.ts'

const clock = await import('../../src/util/clock.ts')
const deadline = await import('../../src/util/deadline.ts')

let skippedMs = 0

/** More than any test takes. */
const NEVER_MS = 2 ** 31 - 1

/**
 * Waits between attempts take no time: they alone advance the clock. Requests in progress have no limit, as every server
 * here responds, and a slow machine must not look like a slow server.
 */
class SkippingDeadline extends deadline.Deadline {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal !== undefined) return super.sleep(NEVER_MS, signal)
    skippedMs += Math.max(0, ms)
  }
}

jest.unstable_mockModule('../../src/util/clock.ts', () => ({
  ...clock,
  systemClock: { ...clock.systemClock, now: () => skippedMs },
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

const actions = {
  'set-task-status': [(await import('../../src/actions/set-task-status.ts')).setTaskStatus, '.'],
  'poll-for-task': [(await import('../../src/actions/poll-for-task.ts')).pollForTask, 'poll-for-task'],
  activity: [(await import('../../src/actions/activity-main.ts')).activityMain, 'activity'],
  'activity-post': [(await import('../../src/actions/activity-post.ts')).activityPost, 'activity'],
} as const
const { runAction } = await import('../../src/actions/run-action.ts')

export type ActionName = keyof typeof actions

/** The result of a run of an action, as a runner sees it. */
export interface ActionRun {
  readonly exitCode: number
  readonly stdout: string
  /** The secrets that the action masked. */
  readonly masks: readonly string[]
  readonly commands: readonly Command[]
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
  readonly outputs: Readonly<Record<string, string>>
  readonly state: Readonly<Record<string, string>>
  readonly summary: string
}

export interface ActionRunOptions {
  readonly inputs: Readonly<Record<string, string>>
  /** More environment variables. */
  readonly env?: Readonly<Record<string, string>>
  readonly contexts?: Contexts
  /** Files of the workspace by name. */
  readonly files?: Readonly<Record<string, string>>
}

const folder = mkdtempSync(join(tmpdir(), 'properties-'))
const [workspace, temp] = [join(folder, 'workspace'), join(folder, 'temp')]
const files = { output: join(folder, 'output'), state: join(folder, 'state'), summary: join(folder, 'summary') }

let stdout = ''
const ownEnvironment = { ...process.env }

// Uses the process object of this test file, which is not that of Jest.
Object.defineProperties(process, {
  stdout: {
    value: {
      write(text: string) {
        stdout += text
        return true
      },
    },
  },
  exitCode: { value: undefined, writable: true },
  // Removes the handlers of the run. Jest fails the test on errors outside of it.
  on: { value: () => process },
})

afterAll(() => {
  setEnvironment(ownEnvironment)
  rmSync(folder, { recursive: true, force: true })
})

function setEnvironment(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
}

/** Runs an action as a step would: with its inputs and their defaults, and nothing from the tests' environment. */
export async function runInProcess(name: ActionName, options: ActionRunOptions): Promise<ActionRun> {
  const [action, place] = actions[name]
  for (const each of [workspace, temp]) {
    rmSync(each, { recursive: true, force: true })
    mkdirSync(each)
  }
  for (const file of Object.values(files)) writeFileSync(file, '')
  for (const [file, content] of Object.entries(options.files ?? {})) writeFileSync(join(workspace, file), content)
  setEnvironment({
    ...jobVariables({ home: folder, workspace, temp, files }),
    AWS_REGION: 'us-east-1',
    ...inputVariables(readActionFile(place), options.inputs, jobContexts(options.contexts)),
    ...options.env,
  })
  stdout = ''
  process.exitCode = undefined
  await runAction(action)
  const { visible, masks } = withoutMasks(stdout)
  const commands = commandsIn(visible)
  const messages = (command: string): string[] =>
    commands.filter((each) => each.name === command).map(({ message }) => message)
  return {
    exitCode: Number(process.exitCode ?? 0),
    stdout: visible,
    masks,
    commands,
    errors: messages('error'),
    warnings: messages('warning'),
    outputs: parseFileCommands(readFileSync(files.output, 'utf8')),
    state: parseFileCommands(readFileSync(files.state, 'utf8')),
    summary: readFileSync(files.summary, 'utf8'),
  }
}
