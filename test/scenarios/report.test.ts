import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { RUN_LINK } from '../support/step.ts'
import { reportTo } from './reporting.ts'

test('a job that succeeded is reported as FINISHED, in one line', async () => {
  await using service = await LocalDataPipeline.start()
  const { step, taskId } = await reportTo(service, {}, { as: 'process' })

  expect(step.errors).toEqual([])
  expect(step.stderr).toBe('')
  expect(step.exitCode).toBe(0)
  expect(service.requestsFor('SetTaskStatus').map(({ body }) => body)).toEqual([{ taskId, taskStatus: 'FINISHED' }])
  expect(step.outputs).toEqual({
    status: 'FINISHED',
    'error-id': '',
    'error-message': '',
    reported: 'true',
    'request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
  expect(step.stdout.trim().split('\n')).toHaveLength(1)
  expect(step.stdout).toContain(`Reported FINISHED for task ${taskId.slice(0, 12)}`)
  expect(step.stdout).toContain(String(step.outputs['request-id']))
  expect(step.summary).toContain('FINISHED')
  expect(step.summary).toContain(RUN_LINK)
})
