import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { LocalDataPipeline } from './data-pipeline.ts'

/** The tests show as skipped where there is no AWS CLI. */
const testWithCli = hasCli() ? test : test.skip

testWithCli('the AWS CLI polls for a task, reports progress and ends it', async () => {
  await using service = await LocalDataPipeline.start()
  const task = service.addTask({ workerGroup: 'builds' })

  const polled = await aws(service, 'poll-for-task', '--worker-group', 'builds', '--hostname', 'runner-1')
  expect(JSON.parse(polled)).toMatchObject({ taskObject: { taskId: task.taskId, objects: task.objects } })

  const fields = ['--fields', 'key=percentComplete,stringValue=50']
  const progress = await aws(service, 'report-task-progress', '--task-id', task.taskId, ...fields)
  expect(JSON.parse(progress)).toEqual({ canceled: false })

  const error = [
    '--error-id',
    'TestsFailed',
    '--error-message',
    'naïve 😀',
    '--error-stack-trace',
    'at a.ts:1\nat b.ts:2',
  ]
  await aws(service, 'set-task-status', '--task-id', task.taskId, '--task-status', 'FAILED', ...error)
  expect(task).toMatchObject({ state: 'failed', errorId: 'TestsFailed', errorMessage: 'naïve 😀' })
})

testWithCli('the AWS CLI shows the errors of the service', async () => {
  await using service = await LocalDataPipeline.start()
  const setStatus = aws(service, 'set-task-status', '--task-id', 'unknown', '--task-status', 'FINISHED')
  await expect(setStatus).rejects.toMatchObject({
    stderr: expect.stringContaining('(TaskNotFoundException) when calling the SetTaskStatus operation'),
  })
})

function hasCli(): boolean {
  try {
    execFileSync('aws', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function aws(service: LocalDataPipeline, ...command: string[]): Promise<string> {
  const args = ['datapipeline', '--endpoint-url', service.url, '--region', 'us-east-1', '--output', 'json', ...command]
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    LC_ALL: 'C.UTF-8',
    AWS_CONFIG_FILE: '/nonexistent/config',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_MAX_ATTEMPTS: '1',
    AWS_PAGER: '',
    ...service.env(),
  }
  const { stdout } = await promisify(execFile)('aws', args, { env, timeout: 30_000 })
  return stdout
}
