// No secret of the job is shown or sent: not a part of one where a text is cut, and not in another form.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { NO_CREDENTIALS } from '../fakes/aws/cloud.ts'
import { TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { error, type Fault } from '../fakes/aws/faults.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { ENCODERS, windowFinder } from '../support/secret-windows.ts'
import type { StepResult } from '../support/step.ts'
import { needsOf } from './asking-github.ts'
import { type ReportingOptions, report, reportTo } from './reporting.ts'

const SECRET = TEST_CREDENTIALS.secretAccessKey
const TOKEN = 'ghs_0123456789abcdefghijABCDEFGHIJ012345'
const secretsIn = windowFinder([SECRET, TOKEN])

const DEBUG = { RUNNER_DEBUG: '1', GH_TOKEN: TOKEN }

/** Everything that a step says, and what it sends. */
function expectNoSecret(step: StepResult, bodies: readonly unknown[] = []): void {
  const said = [step.stdout, step.stderr, step.summary, JSON.stringify(step.outputs), JSON.stringify(bodies)]
  for (const text of said) {
    expect(secretsIn(text)).toEqual([])
    // Not even the few characters that a cut might leave.
    expect(text).not.toMatch(/wJalrX|MPLEKEY|ghs_012|HIJ012345/)
  }
}

/** Each cut falls into a secret, and none between two of them. */
const SECRETS = `x${SECRET.repeat(100)}`

describe('where a text is cut', () => {
  test.each<[string, Record<string, string>]>([
    ['a value that is none', { status: `${'x'.repeat(180)}${SECRET}` }],
    ['a value that is a secret', { 'timeout-seconds': SECRETS }],
    ['needs', { needs: `${'x'.repeat(100)}${SECRET}` }],
    ['the names of jobs', { needs: needsOf({ [SECRETS]: 'success' }), 'allowed-skips': `${'x'.repeat(100)}${SECRET}` }],
    ['a task id that is too long', { 'task-id': SECRETS }],
    ['a task id that is a secret', { 'task-id': `${SECRET}.` }],
    ['a task id with control characters', { 'task-id': `${SECRET}\u0001` }],
    ['the name of a stack trace file', { status: 'FAILED', 'error-stack-trace-file': SECRETS.slice(0, 3_000) }],
    [
      'error texts',
      {
        status: 'FAILED',
        'error-id': SECRETS,
        'error-message': SECRETS.repeat(5),
        'error-stack-trace': SECRETS.repeat(3),
      },
    ],
  ])('%s', async (_name, inputs) => {
    const { step, bodies } = await report(inputs, { env: DEBUG })
    expectNoSecret(
      step,
      bodies.map(({ taskId: _, ...texts }) => texts),
    )
  })

  test.each<[string, Fault]>([
    ['a message of the service', error('AccessDeniedException', `${'x'.repeat(1_000)}${SECRETS}${'y'.repeat(1_000)}`)],
    ['a name of an error', error(`X${SECRETS}`, 'no')],
    ['a page of a proxy', { kind: 'page', status: 403, contentType: `text/html; ${SECRETS}`, text: `<p>${SECRETS}` }],
  ])('%s', async (_name, fault) => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(fault)
    const { step, bodies } = await reportTo(service, { status: 'FAILED' }, { env: DEBUG })
    expect(step.exitCode).toBe(1)
    expectNoSecret(step, bodies)
  })

  test('a message of GitHub', async () => {
    await using github = await LocalGitHub.start()
    github.injectFault({ status: 403, body: { message: `${'x'.repeat(180)}${SECRETS}` } })
    const env = { ...DEBUG, ...github.environment }
    const { step, bodies } = await report({ 'github-token': TOKEN, 'job-status': 'failure' }, { env })
    expect(step.notices.join()).toContain('GitHub responded with status 403: xxx')
    expectNoSecret(step, bodies)
  })

  // The evidence of a failure is cut before the credentials of the profile are read.
  test('evidence, with the secret of a profile', async () => {
    await using service = await LocalDataPipeline.start()
    const { step, bodies } = await reportTo(
      service,
      { needs: needsOf({ [`${'x'.repeat(12)}${SECRETS}`]: 'failure' }), 'github-token': '' },
      withProfile({ RUNNER_DEBUG: '1' }),
    )
    expect(bodies).toHaveLength(1)
    expect(String(bodies[0]?.['errorMessage'])).toContain('***')
    expect(secretsIn(JSON.stringify([bodies, step.outputs, step.summary]))).toEqual([])
  })
})

const folder = mkdtempSync(join(tmpdir(), 'secrets-'))
const PROFILE = join(folder, 'credentials')

beforeAll(() => {
  const { accessKeyId } = TEST_CREDENTIALS
  writeFileSync(PROFILE, `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${SECRET}\n`)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The credentials stand in a profile, of which the action knows nothing before it asks for them. */
function withProfile(env: Record<string, string>): ReportingOptions {
  return { env: { ...NO_CREDENTIALS, AWS_SHARED_CREDENTIALS_FILE: PROFILE, ...env } }
}

describe('in another form', () => {
  const texts = Object.entries(ENCODERS).map(([form, encode]) => `${form}: ${encode(`/${SECRET}&`)};`)
  const message = texts.join('\n')

  test('it is neither sent nor shown', async () => {
    const { step, bodies } = await report(
      { status: 'FAILED', 'error-message': message, 'error-stack-trace': message },
      { env: DEBUG },
    )
    expect(bodies).toHaveLength(1)
    expect(
      String(bodies[0]?.['errorMessage'])
        .split('\n')
        .filter((line) => !line.includes('***')),
    ).toEqual([])
    expectNoSecret(step, bodies)
  })

  test('with the secret of a profile', async () => {
    await using service = await LocalDataPipeline.start()
    const inputs = { status: 'FAILED', 'error-message': message, 'error-stack-trace': message }
    const { step, bodies } = await reportTo(service, inputs, withProfile({}))
    expect(bodies).toHaveLength(1)
    expectNoSecret(step, bodies)
  })

  test('the service says it back', async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(error('AccessDeniedException', texts.slice(0, 12).join(' ')))
    const { step } = await reportTo(service, {}, { env: DEBUG })
    expect(step.errors[0]).toContain('***')
    expectNoSecret(step)
  })
})

describe('a secret that is a word of the action', () => {
  test.each([
    ['failure', { status: 'FAILED', reported: 'true', 'error-id': 'GitHubActions:JobFailed' }],
    ['success', { status: 'FINISHED', reported: 'true', 'error-id': '' }],
  ])('%s: changes neither the report nor the outputs', async (jobStatus, outputs) => {
    const env = { GITHUB_TOKEN: 'FAILED', GH_TOKEN: 'FINISHED', ACTIONS_RUNTIME_TOKEN: 'GitHub' }
    const { step, bodies } = await report({ 'job-status': jobStatus, 'github-token': 'JobFailed' }, { env })
    expect(step.outputs).toMatchObject(outputs)
    const { status: taskStatus, 'error-id': errorId } = outputs
    expect(bodies).toMatchObject([{ taskStatus, ...(errorId && { errorId }) }])
    // In words of others it stays a secret.
    expect(step.stdout).toContain('Reported ***')
  })
})
