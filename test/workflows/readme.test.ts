// The workflows of the READMEs and the docs, as they are there.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { ACTION_FOLDERS } from '../../scripts/docs.ts'
import { CredentialStore, TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { LocalSts } from '../fakes/aws/sts.ts'
import { runWorkflow } from '../support/act.ts'
import { REPOSITORY } from '../support/action-file.ts'
import { reports } from './receiving.ts'

const documents = [
  ...ACTION_FOLDERS.map((folder) => join(folder, 'README.md')),
  ...globSync('docs/*.md', { cwd: REPOSITORY }).sort(),
]

const workflows = documents.flatMap((file) => {
  const text = readFileSync(join(REPOSITORY, file), 'utf8')
  const blocks = text.split(/^#+ /m).flatMap((section) => {
    const heading = section.slice(0, section.indexOf('\n'))
    return [...section.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, yaml = '']) => ({ heading, yaml }))
  })
  return blocks.filter(({ yaml }) => /^jobs:/m.test(yaml)).map((block) => ({ ...block, file }))
})

/** What differs here from the text of a document. */
const DIFFERENCES: readonly (readonly [found: RegExp, instead: string])[] = [
  // The commands of these workflows use no AWS.
  [/^ +- uses: aws-actions\/configure-aws-credentials@[\s\S]*?(?=^ +- )/m, ''],
  // act starts a workflow of one event only, unless it is told which.
  [/^ {2}schedule:\n.*\n(?=[\s\S]*^ {2}workflow_dispatch:)|(?<=^ {2}workflow_dispatch:.*\n) {2}schedule:\n.*\n/m, ''],
  [/\[self-hosted, linux\]/, 'ubuntu-latest'],
  [/(?<=wait-seconds: )\d{3,}/, '1'],
]

test('there are some in the README, and in the docs', () => {
  expect(workflows.map(({ file }) => file)).toEqual(expect.arrayContaining(['README.md', 'docs/examples.md']))
  expect(workflows.length).toBeGreaterThanOrEqual(7)
})

describe.each(workflows)('$file, $heading', ({ yaml }) => {
  const runsTasks = yaml.includes('/task-runner@')
  const runsDefinitions = yaml.includes('from-definition: true')
  const text = DIFFERENCES.reduce((changed, [found, instead]) => changed.replace(found, instead), yaml)

  test.concurrent.each([
    ['work succeeds', 'exit 0', 'ShellCommandActivity', 'finished'],
    ['work fails', 'exit 3', 'ShellCommandActivity', 'failed'],
    ['precondition does not hold', 'exit 3', 'ShellCommandPrecondition', 'false'],
  ])('whose %s', async (_, command, type, state) => {
    // Scripts are not meant for preconditions.
    const reported = runsTasks && !runsDefinitions && state === 'false' ? 'failed' : state
    // A workflow without a role uses the credentials of its machine.
    const usesRole = yaml.includes('role-to-assume:')
    const credentials = new CredentialStore(usesRole ? [] : [TEST_CREDENTIALS])
    await using oidc = await LocalOidc.start()
    await using service = await LocalDataPipeline.start({ credentials })
    const roles = [{ arn: 'arn:aws:iam::123456789012:role/pipeline-runner' }]
    await using sts = await LocalSts.start({ issuer: oidc, credentials, roles })
    const fields = { type, command, orderDate: '2026-11-27', preconditionTimeout: '1 second', retryDelay: '1 second' }
    const { taskId } = service.addTask({ workerGroup: 'nightly', texts: fields })
    const script = `#!/bin/sh\n${command}\n`
    const run = await runWorkflow('readme.yml', {
      text,
      inputs: { 'task-id': taskId, precondition: String(type === 'ShellCommandPrecondition') },
      files: { 'load.sh': script, 'check.sh': script, 'work.sh': script },
      env: {
        ...oidc.env(),
        ...sts.env(),
        ...(usesRole ? {} : service.env()),
        AWS_ENDPOINT_URL_DATA_PIPELINE: service.url,
      },
    })
    const failsStep = runsTasks ? reported === 'failed' : command !== 'exit 0'
    const errors = runsTasks && failsStep ? [expect.stringContaining('Reported FAILED for')] : []
    expect(run).toMatchObject({ exitCode: failsStep ? 1 : 0, errors, warnings: [] })
    expect(service.task(taskId).state).toBe(reported)
    expect(reports(service)).toHaveLength(1)
    expect(service.requests.map(({ response }) => response?.status)).not.toContain(400)
  })
})
