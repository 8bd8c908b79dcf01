import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { ACTION_FOLDERS, readmeOf } from '../../scripts/docs.ts'
import { readActivityReportInputs, readHeartbeatInputs } from '../../src/inputs/activity.ts'
import { readPollForTaskInputs } from '../../src/inputs/poll-for-task.ts'
import type { ReadInput } from '../../src/inputs/readers.ts'
import { readSetTaskStatusInputs } from '../../src/inputs/set-task-status.ts'
import { readTaskRunnerInputs } from '../../src/inputs/task-runner.ts'
import { inputVariables, REPOSITORY, readActionFile } from '../support/action-file.ts'
import { runStep } from '../support/step.ts'

// What action.yml declares, what the code reads and sets, and what the README says must be one thing. Nothing of GitHub
// checks it: a misspelt input is an empty string, a misspelt output is never seen.

interface Contract {
  readonly read: (read: ReadInput) => unknown
  readonly required: Readonly<Record<string, string>>
}

const contracts: Readonly<Record<string, Contract>> = {
  '.': { read: readSetTaskStatusInputs, required: { 'task-id': 'task' } },
  'task-runner': { read: readTaskRunnerInputs, required: { 'worker-group': 'nightly', run: 'true' } },
  'poll-for-task': { read: readPollForTaskInputs, required: { 'worker-group': 'nightly' } },
  activity: {
    read: (read) => [readActivityReportInputs(read), readHeartbeatInputs(read)],
    required: { 'task-id': 'task' },
  },
}

describe.each(ACTION_FOLDERS)('the action in %s', (folder) => {
  const action = readActionFile(folder)
  const { read: readInputs, required } = contracts[folder] as Contract
  const contexts = { github: {}, job: { status: 'success' }, strategy: { 'job-total': 1 } }
  const variables = inputVariables(action, required, contexts)
  const inputOf = (name: string): string => variables[`INPUT_${name.toUpperCase()}`] ?? ''

  test('declares the inputs that the code reads, no more and no fewer', () => {
    const read = new Set<string>()
    readInputs((name) => {
      read.add(name)
      return inputOf(name)
    })
    expect([...read].sort()).toEqual(Object.keys(action.inputs).sort())
  })

  test('has the defaults that the code has for an empty input', () => {
    const withoutDefaults: Record<string, string> = { ...required, 'job-status': 'success' }
    const fromCode = readInputs((name) => withoutDefaults[name] ?? '')
    expect(readInputs(inputOf)).toEqual(fromCode)
  })

  test('declares the outputs that the code sets, no more and no fewer', async () => {
    const step = await runStep({ action: folder, inputs: { ...required, 'dry-run': 'true' } })
    expect(step.errors).toEqual([])
    expect(Object.keys(step.outputs).sort()).toEqual(Object.keys(action.outputs).sort())
  })

  test('runs on Node 24, from a file that is there', () => {
    expect(action.runs.using).toBe('node24')
    expect(existsSync(join(REPOSITORY, folder, action.runs.main))).toBe(true)
  })

  test('has no expression in a description, which would keep it from loading', () => {
    const described = [action, ...Object.values(action.inputs), ...Object.values(action.outputs)]
    expect(described.filter(({ description }) => description.includes('${{'))).toEqual([])
  })

  test('has a README with the tables that "npm run docs" makes', () => {
    expect(readFileSync(join(REPOSITORY, folder, 'README.md'), 'utf8')).toBe(readmeOf(folder))
  })
})
