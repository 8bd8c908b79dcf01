import { describe, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { LocalProxy } from '../support/proxy.ts'
import { localEvidence, report, reportTo } from './reporting.ts'

describe('dry-run', () => {
  test('shows what would be sent, and calls nothing', async () => {
    const { step, bodies, taskId } = await report({
      'dry-run': 'true',
      status: 'false',
      'error-id': 'Service_X',
      'error-message': 'why\nnot',
      'error-stack-trace': '\u001b[31mtrace',
    })
    expect(bodies).toEqual([])
    expect(step.errors).toEqual([])
    expect(step.stdout).toContain(taskId)
    expect(step.stdout).toContain('FALSE')
    expect(step.stdout).toContain('"why\\nnot"')
    expect(step.stdout).toContain('"trace"')
    expect(step.warnings).toHaveLength(2)
    expect(step.outputs).toEqual({
      status: 'FALSE',
      'error-id': expect.stringMatching(/.Service_X$/),
      'error-message': 'why\nnot',
      reported: 'false',
      'request-id': '',
    })
    expect(step.summary).toContain('dry run')
    expect(step.exitCode).toBe(0)
  })

  test('of a failure shows the evidence that needs no call, and says nothing of the rest', async () => {
    const { step, bodies, taskId } = await report({ 'dry-run': 'true' }, { jobStatus: 'failure' })
    const request = { taskId, taskStatus: 'FAILED', ...localEvidence('failure') }
    expect(bodies).toEqual([])
    expect(step.stdout).toContain(JSON.stringify(request, null, 2))
    expect(step.commands).toEqual([])
    expect(step.outputs).toEqual({
      status: 'FAILED',
      'error-id': request.errorId,
      'error-message': request.errorMessage,
      reported: 'false',
      'request-id': '',
    })
    expect(step.exitCode).toBe(0)
  })

  test('of FINISHED leaves the error inputs out, too', async () => {
    const { step } = await report({ 'dry-run': 'true', 'error-id': 'NotSent' })
    expect(step.stdout).not.toContain('NotSent')
    expect(step.outputs).toMatchObject({ status: 'FINISHED', 'error-id': '' })
  })

  test('needs neither region nor credentials', async () => {
    const { step } = await report(
      { 'dry-run': 'true' },
      { env: { AWS_REGION: undefined, AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined } },
    )
    expect(step.errors).toEqual([])
    expect(step.exitCode).toBe(0)
  })

  test('asks for no token, assumes no role, and goes to no proxy', async () => {
    await using service = await LocalDataPipeline.start()
    await using oidc = await LocalOidc.start()
    await using proxy = await LocalProxy.start()
    const { step } = await reportTo(
      service,
      { 'dry-run': 'true', status: 'FAILED', 'error-id': 'x', 'role-to-assume': 'arn:aws:iam::123456789012:role/ci' },
      { env: { ...oidc.env(), HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url } },
    )
    expect(oidc.requests).toEqual([])
    expect(service.requests).toEqual([])
    expect(proxy.requests).toEqual([])
    expect(step.exitCode).toBe(0)
  })

  test('reads the stack trace file', async () => {
    const { step } = await report(
      { 'dry-run': 'true', status: 'FAILED', 'error-stack-trace-file': 'log' },
      { files: { log: 'from the file' } },
    )
    expect(step.stdout).toContain('from the file')
  })
})
