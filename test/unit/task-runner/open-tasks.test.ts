import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { identify } from '../../../src/activity/process-identity.ts'
import type { Runner } from '../../../src/github/runner.ts'
import { readTaskRunnerInputs } from '../../../src/inputs/task-runner.ts'
import type { Decision } from '../../../src/report/decision.ts'
import { OpenTasks, readOpenTasks, removeOpenTasks, savedStep } from '../../../src/task-runner/open-tasks.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'

const onPosix = process.platform === 'win32' ? test.skip : test

const GIVEN: Readonly<Record<string, string>> = { 'worker-group': 'g', run: 'true', 'aws-region': 'eu-west-1' }
const INPUTS = readTaskRunnerInputs((name) => GIVEN[name] ?? '')
const COMMAND = { pid: 7, startedAt: '9' }
const DECISION: Decision = { by: 'step', status: 'FAILED', versions: [{ errorId: 'E', errorMessage: 'größe' }, {}] }

let temp = ''
beforeEach(() => {
  temp = mkdtempSync(join(tmpdir(), 'open tasks-'))
})
afterEach(() => rmSync(temp, { recursive: true, force: true }))

/** A runner that keeps what is saved, and warnings. */
function runnerWith(env: Record<string, string> = {}) {
  const saved = new Map<string, string>()
  const warnings: string[] = []
  const runner = {
    env: { RUNNER_TEMP: temp, ...env },
    log: { warning: (text: string) => warnings.push(text) },
    saveState: (name: string, value: string) => saved.set(name, value),
    state: (name: string) => saved.get(name) ?? '',
  }
  return { runner: runner as unknown as Runner, warnings }
}

/** The record of a new step, and its folder as the post step finds it. */
function begin() {
  const { runner, warnings } = runnerWith()
  const record = new OpenTasks(runner, INPUTS)
  const folder = savedStep(runner)?.folder ?? ''
  return { record, folder, warnings, file: join(folder, 'open-tasks.json') }
}

describe('what the post step finds', () => {
  test('when the main step saved nothing', () => {
    expect(savedStep(runnerWith().runner)).toBeUndefined()
  })

  test('at the start of the main step', () => {
    const { runner } = runnerWith({ AWS_ENDPOINT_URL: 'https://a', AWS_ENDPOINT_URL_STS: 'https://user:password@b' })
    new OpenTasks(runner, INPUTS)
    const saved = savedStep(runner)
    expect(saved).toMatchObject({
      step: identify(process.pid),
      aws: { region: 'eu-west-1' },
      reporting: INPUTS.reporting,
      endpoints: { AWS_ENDPOINT_URL: 'https://a' },
    })
    expect(JSON.stringify(saved)).not.toContain('password')
    expect(dirname(saved?.folder ?? '')).toBe(temp)
    expect(readOpenTasks(saved?.folder ?? '')).toEqual([])
  })

  test('is all that was noted of the open tasks', () => {
    const { record, folder } = begin()
    record.note({ taskId: 'a' })
    record.note({ taskId: '__proto__', command: COMMAND })
    record.note({ taskId: 'a', command: COMMAND })
    expect(readOpenTasks(folder)).toEqual([
      { taskId: 'a', command: COMMAND },
      { taskId: '__proto__', command: COMMAND },
    ])
    record.note({ taskId: 'a', command: undefined })
    record.note({ taskId: 'a', decision: DECISION })
    record.close('__proto__')
    record.close('unknown')
    expect(readOpenTasks(folder)).toEqual([{ taskId: 'a', decision: DECISION }])
  })

  test('is the end of a task also when its command is noted later', () => {
    const { record, folder } = begin()
    record.note({ taskId: 'a', decision: DECISION })
    record.note({ taskId: 'a', command: COMMAND })
    expect(readOpenTasks(folder)).toEqual([{ taskId: 'a', decision: DECISION, command: COMMAND }])
  })

  test('is nothing where the file is gone', () => {
    const { record, folder } = begin()
    record.note({ taskId: 'a' })
    removeOpenTasks(folder)
    expect(readOpenTasks(folder)).toEqual([])
    expect(() => removeOpenTasks(folder)).not.toThrow()
  })
})

describe('at the end', () => {
  test('nothing is left where no task is open', () => {
    const { record } = begin()
    record.note({ taskId: 'a' })
    record.close('a')
    record.end()
    expect(readdirSync(temp)).toEqual([])
  })

  test('an open task is left for the post step', () => {
    const { record, folder } = begin()
    record.note({ taskId: 'a' })
    record.end()
    expect(readOpenTasks(folder)).toEqual([{ taskId: 'a' }])
  })
})

describe('a file that can not be read is an error, and not no tasks', () => {
  test.each([
    ['is no JSON', '[{"taskId":'],
    ['is empty', ''],
    ['is too large', `["${'x'.repeat(4 * 1024 * 1024)}"]`],
  ])('as it %s', (_name, text) => {
    const { folder, file } = begin()
    writeFileSync(file, text)
    expect(() => readOpenTasks(folder)).toThrow()
  })

  onPosix('as it is a link', () => {
    const { folder, file } = begin()
    writeFileSync(join(temp, 'elsewhere'), '[]')
    rmSync(file)
    symlinkSync(join(temp, 'elsewhere'), file)
    expect(() => readOpenTasks(folder)).toThrow()
  })
})

describe('a file that can not be written', () => {
  test('at the start is an error: nothing has been taken', () => {
    writeFileSync(join(temp, 'file'), '')
    const { runner } = runnerWith({ RUNNER_TEMP: join(temp, 'file') })
    expect(() => new OpenTasks(runner, INPUTS)).toThrow(ConfigurationError)
    expect(() => new OpenTasks(runner, INPUTS)).toThrow('Could not save the state for the post step: ')
  })

  test('later is one warning: the task goes on', () => {
    const { record, folder, warnings } = begin()
    rmSync(folder, { recursive: true })
    record.note({ taskId: 'a' })
    record.close('a')
    expect(warnings).toEqual([expect.stringMatching(/^Could not save the open tasks: .*ENOENT/)])
  })
})
