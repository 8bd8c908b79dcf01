// The workflows of the READMEs, unchanged.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { ACTION_FOLDERS } from '../../scripts/docs.ts'
import { CredentialStore } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { LocalSts } from '../fakes/aws/sts.ts'
import { runWorkflow } from '../support/act.ts'
import { REPOSITORY } from '../support/action-file.ts'
import { reports } from './receiving.ts'

const workflows = ACTION_FOLDERS.flatMap((folder) => {
  const text = readFileSync(join(REPOSITORY, folder, 'README.md'), 'utf8')
  const blocks = text.split(/^#+ /m).flatMap((section) => {
    const heading = section.slice(0, section.indexOf('\n'))
    return [...section.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map(([, yaml = '']) => ({ heading, yaml }))
  })
  return blocks.filter(({ yaml }) => /^jobs:/m.test(yaml)).map((block) => ({ ...block, folder }))
})

/** The commands of these workflows use no AWS. */
const CREDENTIALS_STEP = /^ +- uses: aws-actions\/configure-aws-credentials@[\s\S]*?(?=^ +- )/m

test('there are some', () => {
  expect(workflows.length).toBeGreaterThanOrEqual(5)
})

describe.each(workflows)('$folder, $heading', ({ yaml }) => {
  const runsTasks = yaml.includes('/task-runner@')

  test.concurrent.each([
    ['work succeeds', 'exit 0', 'ShellCommandActivity', 'finished'],
    ['work fails', 'exit 3', 'ShellCommandActivity', 'failed'],
    ['precondition does not hold', 'exit 3', 'ShellCommandPrecondition', 'false'],
  ])('whose %s', async (_, command, type, state) => {
    const credentials = new CredentialStore([])
    await using oidc = await LocalOidc.start()
    await using service = await LocalDataPipeline.start({ credentials })
    const roles = ['pipeline-reporter', 'pipeline-runner'].map((name) => ({
      arn: `arn:aws:iam::123456789012:role/${name}`,
    }))
    await using sts = await LocalSts.start({ issuer: oidc, credentials, roles })
    const { taskId } = service.addTask({ workerGroup: 'nightly', texts: { type } })
    const script = `#!/bin/sh\n${command}\n`
    const run = await runWorkflow('readme.yml', {
      text: yaml.replace(CREDENTIALS_STEP, ''),
      inputs: { 'task-id': taskId, precondition: String(type === 'ShellCommandPrecondition') },
      files: { 'load.sh': script, 'check.sh': script, 'work.sh': script },
      env: { ...oidc.env(), ...sts.env(), AWS_ENDPOINT_URL_DATA_PIPELINE: service.url },
    })
    const errors = runsTasks && command !== 'exit 0' ? [expect.stringContaining('Reported FAILED for')] : []
    expect(run).toMatchObject({ exitCode: command === 'exit 0' ? 0 : 1, errors, warnings: [] })
    // Their scripts are not meant for preconditions.
    expect(service.task(taskId).state).toBe(runsTasks && state === 'false' ? 'failed' : state)
    expect(reports(service)).toHaveLength(1)
    expect(service.requests.map(({ response }) => response?.status)).not.toContain(400)
  })
})
