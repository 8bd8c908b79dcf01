import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { inFolder } from '../support/temporary-folder.ts'
import { reportTo } from './reporting.ts'

const NONE = { AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined }

/** Reports with this environment, and gives the region that signed the request. */
async function regionOf(
  inputs: Record<string, string>,
  env: Record<string, string | undefined>,
  config = '',
): Promise<string | undefined> {
  return inFolder(async (folder) => {
    writeFileSync(join(folder, 'config'), config)
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(service, inputs, {
      env: { ...NONE, AWS_CONFIG_FILE: join(folder, 'config'), ...env },
    })
    expect(step.errors).toEqual([])
    expect(step.warnings).toEqual([])
    expect(step.exitCode).toBe(0)
    expect(step.stdout).toContain(` in ${service.requests[0]?.region}`)
    return service.requests[0]?.region
  })
}

describe('the region', () => {
  const PROFILES = '[default]\nregion = ap-northeast-1\n[profile reporter]\nregion = ap-southeast-2\n'
  const ALL = { AWS_REGION: 'us-west-2', AWS_DEFAULT_REGION: 'eu-west-1' }

  test.each([
    ['the input', { 'aws-region': 'us-east-1' }, ALL, 'us-east-1'],
    ['AWS_REGION', {}, ALL, 'us-west-2'],
    ['AWS_REGION with a line end after it', {}, { ...ALL, AWS_REGION: 'us-west-2\n' }, 'us-west-2'],
    ['AWS_REGION, when the input is empty', { 'aws-region': '' }, ALL, 'us-west-2'],
    ['AWS_DEFAULT_REGION', {}, { AWS_DEFAULT_REGION: 'eu-west-1' }, 'eu-west-1'],
    ['AWS_DEFAULT_REGION, when AWS_REGION is empty', {}, { ...ALL, AWS_REGION: '' }, 'eu-west-1'],
    ['the default profile', {}, {}, 'ap-northeast-1'],
    ['the profile that AWS_PROFILE names', {}, { AWS_PROFILE: 'reporter' }, 'ap-southeast-2'],
    ['the profile that AWS_DEFAULT_PROFILE names', {}, { AWS_DEFAULT_PROFILE: 'reporter' }, 'ap-southeast-2'],
    ['the profile, when both variables are empty', {}, { AWS_REGION: '', AWS_DEFAULT_REGION: '' }, 'ap-northeast-1'],
  ])('is taken from %s', async (_name, inputs, env, region) => {
    expect(await regionOf(inputs, env, PROFILES)).toBe(region)
  })
})

test.each([
  ['absent', NONE],
  ['empty', { AWS_REGION: '', AWS_DEFAULT_REGION: '' }],
])('no region (%s): one error that names the input and the five regions', async (_name, env) => {
  await using service = await LocalDataPipeline.start()
  const { step, bodies, taskId } = await reportTo(service, { status: 'FAILED' }, { env })
  expect(bodies).toEqual([])
  expect(step.errors).toHaveLength(1)
  expect(step.errors[0]).toContain('aws-region')
  expect(step.errors[0]).toContain(taskId.slice(0, 12))
  for (const region of ['us-east-1', 'us-west-2', 'eu-west-1', 'ap-northeast-1', 'ap-southeast-2']) {
    expect(step.errors[0]).toContain(region)
  }
  expect(step.exitCode).toBe(1)
  expect(step.outputs).toMatchObject({ status: 'FAILED', reported: 'false' })
})

test.each(['eu-central-1', 'us-gov-west-1', 'cn-north-1', 'moon-north-1'])(
  '%s, where the service is not known to be: one warning, and it is tried',
  async (region) => {
    await using service = await LocalDataPipeline.start()
    const { step, bodies } = await reportTo(service, { 'aws-region': region })
    expect(step.warnings).toHaveLength(1)
    expect(step.warnings[0]).toContain(region)
    expect(step.warnings[0]).toContain('ap-southeast-2')
    expect(bodies).toHaveLength(1)
    expect(service.requests[0]?.region).toBe(region)
    expect(step.exitCode).toBe(0)
  },
)
