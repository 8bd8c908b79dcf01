import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { Job } from '../../../support/job.ts'
import { eventually, exists, isAlive } from '../../../support/processes.ts'

test('a job whose reports are as expected ends well, and with it its service', async () => {
  const expected = 'FAILED Job:Planned\nFINISHED\n'
  using job = new Job()
  const local = { action: 'test/fakes/aws/job', inputs: { tasks: '2', expected } }
  const envFile = join(job.temp, 'env')
  const started = await job.main('local', { ...local, env: { GITHUB_ENV: envFile } })
  try {
    expect(started).toMatchObject({ exitCode: 0, errors: [] })
    const env = Object.fromEntries(
      readFileSync(envFile, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s)),
    )
    const poll = { action: 'poll-for-task', inputs: { 'worker-group': 'ci', 'max-tasks': '2' }, env }
    const tasks = JSON.parse((await job.main('poll', poll)).outputs['tasks'] ?? '[]') as { 'task-id': string }[]
    expect(tasks).toHaveLength(2)
    for (const [index, task] of tasks.entries()) {
      const inputs = {
        'task-id': task['task-id'],
        ...(index === 0 ? { status: 'FAILED', 'error-id': 'Job:Planned' } : {}),
      }
      expect(await job.main(`report-${index}`, { inputs, env })).toMatchObject({ exitCode: 0 })
    }
  } finally {
    const compared = await job.post('local', local)
    expect(compared).toMatchObject({ exitCode: 0, errors: [] })
    expect(compared.stdout).toMatch(/PollForTask .*\n(.*\n)*SetTaskStatus .*"taskStatus":"FINISHED".* → 200\n/)
  }
  const pid = Number(started.state['pid'])
  // Where no process reaps orphans, one that has ended stays as a zombie.
  const isRunning = process.platform === 'linux' ? isAlive : exists
  expect(await eventually(() => !isRunning(pid))).toBe(true)
})

test('a service that is gone is an error, and nothing else is ended', async () => {
  using job = new Job()
  const compared = await job.post('local', {
    action: 'test/fakes/aws/job',
    inputs: { tasks: '1', expected: 'FINISHED' },
  })
  expect(compared).toMatchObject({
    exitCode: 1,
    errors: ['The local Data Pipeline was gone before the job ended.', 'Expected the reports "FINISHED", and got "".'],
  })
})
