import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { runWorkflow } from '../support/act.ts'
import { received } from './receiving.ts'

// act passes an unquoted FALSE unchanged. GitHub's runner passes "false", and "true" for TRUE. The scenarios of
// status.test.ts and bad-inputs.test.ts test these.
test('statuses and texts of the workflow, written without quotes', async () => {
  await using service = await LocalDataPipeline.start()
  const [finished, failed, notTrue, skipped] = ['finished', 'failed', 'not-true', 'skipped'].map(
    (taskId) => service.addTask({ taskId }).taskId,
  )
  const run = await runWorkflow('status.yml', {
    inputs: { finished, failed, 'not-true': notTrue, skipped } as Record<string, string>,
    env: service.env(),
  })
  expect(run.exitCode).toBe(1)
  expect(run.results).toEqual({ finished: 'success', failed: 'success', 'not-true': 'success', skipped: 'failure' })
  expect(run.warnings).toEqual([])
  expect(run.errors).toEqual([
    expect.stringMatching(/^Invalid value "skipped" for input "status". Expected one of: FINISHED, FAILED, FALSE/),
  ])
  const requests = received(service).sort(([, , a], [, , b]) => String(a['taskId']).localeCompare(String(b['taskId'])))
  expect(requests).toEqual([
    [
      'SetTaskStatus',
      200,
      {
        taskId: failed,
        taskStatus: 'FAILED',
        errorId: 'Nightly:LoadFailed',
        errorMessage:
          'The load failed: "5 % of the rows", \'quoted\' & $HOME, grüße.\n' +
          'See https://github.com/octo-org/pipes/actions/runs/4711',
        errorStackTrace: 'line one\nline two\n',
      },
    ],
    ['SetTaskStatus', 200, { taskId: finished, taskStatus: 'FINISHED' }],
    ['SetTaskStatus', 200, { taskId: notTrue, taskStatus: 'FALSE', errorId: '17' }],
  ])
})
