import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { accessDenied, hang, invalidRequest, taskNotFound } from '../fakes/aws/faults.ts'
import { reportTo } from './reporting.ts'

describe('fail-on-error: false', () => {
  test.each([
    ['the task is not found', taskNotFound(), {}],
    ['access is denied', accessDenied(), {}],
    ['the request is invalid', invalidRequest(), {}],
    ['nobody answers', hang(), {}],
    ['there are no credentials', undefined, { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined }],
    ['there is no region', undefined, { AWS_REGION: undefined }],
    ['the endpoint is plain http', undefined, { AWS_ENDPOINT_URL_DATA_PIPELINE: 'http://example.com' }],
    ['nobody listens', undefined, { AWS_ENDPOINT_URL_DATA_PIPELINE: 'http://127.0.0.1:9' }],
  ] as const)('%s: one warning with the same words, and the step is green', async (_name, fault, env) => {
    await using service = await LocalDataPipeline.start()
    if (fault) service.keepInjectingFault(fault)
    const inputs = { 'fail-on-error': 'false', 'timeout-seconds': '2' }
    const { step, taskId } = await reportTo(service, inputs, { env, timePasses: fault?.kind === 'hang' })
    expect(step.errors).toEqual([])
    expect(step.warnings).toHaveLength(1)
    expect(step.warnings[0]).toContain('Could not report FINISHED')
    expect(step.warnings[0]).toContain(taskId.slice(0, 12))
    expect(step.exitCode).toBe(0)
    expect(step.outputs).toMatchObject({ status: 'FINISHED', reported: 'false' })
    expect(step.summary).toContain('no')
  })

  test('changes nothing when the report is made', async () => {
    await using service = await LocalDataPipeline.start()
    const { step } = await reportTo(service, { 'fail-on-error': 'false' })
    expect(step.warnings).toEqual([])
    expect(step.outputs['reported']).toBe('true')
    expect(step.exitCode).toBe(0)
  })
})

test('fail-on-error: true is the default', async () => {
  await using service = await LocalDataPipeline.start()
  service.injectFault(taskNotFound())
  const { step } = await reportTo(service, {})
  expect(step.errors).toHaveLength(1)
  expect(step.exitCode).toBe(1)
})
