import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { runWorkflow } from '../support/act.ts'
import { phasesOf, reports } from './receiving.ts'

test('a step reports the task that activity holds: once; a step with continue-on-error that fails: FINISHED', async () => {
  await using service = await LocalDataPipeline.start()
  const [held, forgiven] = ['held', 'forgiven'] as const
  for (const taskId of [held, forgiven]) service.addTask({ taskId })
  const run = await runWorkflow('steps.yml', { inputs: { held, forgiven }, env: service.env() })
  expect(run).toMatchObject({
    exitCode: 1,
    results: { held: 'failure', forgiven: 'success' },
    errors: [],
    warnings: [],
  })
  for (const taskId of [held, forgiven]) {
    expect(phasesOf(service, taskId)).toEqual(['ReportTaskProgress', 'SetTaskStatus'])
  }
  expect(reports(service)).toHaveLength(2)
  expect(reports(service)).toContainEqual({ taskId: held, taskStatus: 'FALSE', errorId: 'NoData' })
  expect(reports(service)).toContainEqual({ taskId: forgiven, taskStatus: 'FINISHED' })
  expect(run.output).toMatch(/Nothing is reported for task held: .*reported by another step/)
})
