// runWorkflow leaves nothing of a run behind.
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { runWorkflow } from '../support/act.ts'
import { eventually, processesWith } from '../support/processes.ts'

const onLinux = process.platform === 'linux' ? test : test.skip

/** Whether all processes of the runs of this file have ended. */
async function haveEnded(): Promise<boolean> {
  return eventually(() => processesWith('RUNNER_TRACKING_ID', `act_${process.pid}_`).length === 0)
}

onLinux('a process that outlives its run fails the test, and is ended', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const leave = "setsid sh -c 'touch started; exec sleep 600' > /dev/null 2>&1 < /dev/null &"
  const command = `${leave} while [ ! -e started ]; do sleep 0.1; done`
  const run = runWorkflow('report.yml', { inputs: { 'task-id': taskId, command }, env: service.env() })
  await expect(run).rejects.toThrow('processes outlived the run: sleep 600')
  expect(await haveEnded()).toBe(true)
})

onLinux('a run that does not end is killed, with its steps and its heartbeat', async () => {
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask()
  const run = runWorkflow('activity.yml', {
    inputs: { 'task-id': taskId, command: 'exec sleep 600' },
    env: service.env(),
    limitMs: 4_000,
  })
  await expect(run).rejects.toThrow('act did not end within 4000 ms')
  expect(await haveEnded()).toBe(true)
})
