import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { ACTION_FOLDERS, DO_NOT_SET, readmeOf } from '../../scripts/docs.ts'
import { readActivityReportInputs, readHeartbeatInputs } from '../../src/inputs/activity.ts'
import { readPollForTaskInputs } from '../../src/inputs/poll-for-task.ts'
import type { ReadInput } from '../../src/inputs/readers.ts'
import { readSetTaskStatusInputs } from '../../src/inputs/set-task-status.ts'
import { readTaskRunnerInputs } from '../../src/inputs/task-runner.ts'
import { inputVariables, REPOSITORY, readActionFile } from '../support/action-file.ts'
import { runStep } from '../support/step.ts'
import { workflowsIn } from './markdown-workflows.ts'

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
    expect(textOf(join(folder, 'README.md'))).toBe(readmeOf(folder))
  })

  test('has inputs that nobody should set, with a value of GitHub, in a table of their own', () => {
    const names = Object.keys(action.inputs).filter((name) => action.inputs[name]?.description.endsWith(DO_NOT_SET))
    for (const name of names) expect(action.inputs[name]?.default).toMatch(/^\$\{\{ .* \}\}$/)
    const rows = tableRows(textOf(join(folder, 'README.md')), '| input | value | meaning |')
    expect(rows.map((row) => row.split('`')[1])).toEqual(names)
  })
})

describe('the README', () => {
  const readme = textOf('README.md')
  const examples = textOf('docs/examples.md')

  test('has rows of docs/troubleshooting.md for the commonest errors', () => {
    const [header = ''] = /^\| message .*/m.exec(readme) ?? []
    const rows = tableRows(readme, header)
    expect(rows).toHaveLength(5)
    expect(textOf('docs/troubleshooting.md').split('\n')).toEqual(expect.arrayContaining(rows))
  })

  test('has an activity and two policies in valid JSON', () => {
    const [activity, ...policies] = blocksOf('json', readme).map((block) => JSON.parse(block))
    expect(activity).toMatchObject({ type: 'ShellCommandActivity', workerGroup: 'nightly' })
    expect(policies.map(({ Version: version }) => version)).toEqual(['2012-10-17', '2012-10-17'])
  })

  test('has parts of workflows that docs/examples.md has as a whole, which are run', () => {
    const parts = blocksOf('yaml', readme).filter((block) => !/^jobs:/m.test(block))
    const wholes = blocksOf('yaml', examples).filter((block) => /^jobs:/m.test(block))
    expect(parts).toHaveLength(2)
    for (const part of parts) expect(wholes.filter((whole) => isPartOf(whole, part))).toHaveLength(1)
  })

  test('has jobs that are checked together with the jobs that they need', () => {
    const block = blocksOf('yaml', readme).find((text) => text.startsWith('report:')) ?? ''
    const [workflow] = workflowsIn('README.md', `\`\`\`yaml\n${block}\`\`\`\n`)
    const { on, jobs } = parse(workflow?.text ?? '')
    expect(Object.keys(on.workflow_dispatch.inputs)).toContain('task-id')
    expect(Object.keys(jobs)).toEqual(['load', 'check', 'report'])
    expect(jobs.report).toEqual(parse(block).report)
  })
})

function textOf(file: string): string {
  return readFileSync(join(REPOSITORY, file), 'utf8')
}

/** The rows of a table, without its header. */
function tableRows(text: string, header: string): string[] {
  const lines = text.split('\n')
  const first = lines.indexOf(header) + 2
  const after = lines.findIndex((line, index) => index >= first && !line.startsWith('|'))
  return lines.slice(first, after)
}

function blocksOf(language: 'json' | 'yaml', text: string): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].flatMap(([, of, block = '']) =>
    of === language ? [block] : [],
  )
}

/** Whether the whole has all lines of the part, in their order. Only the indentation of all of them may differ. */
function isPartOf(whole: string, part: string): boolean {
  const [first = '', ...others] = part.trimEnd().split('\n')
  const lines = whole.split('\n')
  return lines.some((line, start) => {
    if (line.trimStart() !== first) return false
    const indent = line.slice(0, line.length - first.length)
    let at = start
    return others.every((other) => {
      at = lines.indexOf(indent + other, at + 1)
      return at > 0
    })
  })
}
