// What task-runner gives to a command, and what a command may do to the step.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect } from '@jest/globals'
import { startCloud } from '../fakes/aws/cloud.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { TEST_ROLE } from '../fakes/aws/sts.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { commandTask, entryOf, onLinux, runTasks } from './task-running.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

/** Shows the environment as lines of `env: NAME=value`. */
const SHOW_ENVIRONMENT = `env -0 | while IFS= read -r -d '' line; do printf 'env: %q\\n' "$line"; done`

function environmentIn(stdout: string): Record<string, string> {
  const lines = [...stdout.matchAll(/^env: (\w+)\\?=(.*)$/gm)]
  return Object.fromEntries(lines.map(([, name = '', value = '']) => [name, value]))
}

describe('the environment', () => {
  const OF_ACTIONS = {
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'secret',
    ACTIONS_RUNTIME_TOKEN: 'secret',
    STATE_other: 'x',
    INPUT_RUN_LATER: 'x',
  }

  onLinux('is that of the step, without what belongs to the action, and tells the task', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId, pipelineId, attemptId } = service.addTask()
    const step = await runTasks(service, { run: SHOW_ENVIRONMENT }, { env: { ...OF_ACTIONS, GITHUB_TOKEN: 'own' } })
    expect(step.exitCode).toBe(0)
    const environment = environmentIn(step.stdout)
    expect(environment).toMatchObject({
      GITHUB_TOKEN: 'own',
      GITHUB_RUN_ID: '4711',
      AWS_ACCESS_KEY_ID: expect.any(String),
      DATAPIPELINE_TASK_ID: taskId,
      DATAPIPELINE_PIPELINE_ID: pipelineId,
      DATAPIPELINE_ATTEMPT_ID: attemptId,
      DATAPIPELINE_TYPE: 'ShellCommandActivity',
      GITHUB_OUTPUT: expect.stringContaining('aws-datapipeline-task-'),
      GITHUB_STEP_SUMMARY: expect.stringContaining('aws-datapipeline-task-'),
    })
    const names = Object.keys(environment)
    expect(names.filter((name) => /^(INPUT_|STATE_|ACTIONS_|GITHUB_STATE$|GITHUB_ENV$)/.test(name))).toEqual([])
  })

  onLinux(
    'of what a definition says has no file commands, and a file of the fields as poll-for-task gives them',
    async () => {
      await using service = await LocalDataPipeline.start()
      const show =
        'node -p "\'fields: \' + JSON.stringify(JSON.parse(fs.readFileSync(process.env.DATAPIPELINE_FIELDS)))"'
      const entry = entryOf(service.addTask(commandTask(`${SHOW_ENVIRONMENT}\n${show}`, 'a b', 'c')))
      const files = { GITHUB_ENV: '/nowhere/env', GITHUB_PATH: '/nowhere/path' }
      const inputs = { task: entry, 'from-definition': 'true' }
      const step = await runTasks(service, inputs, { env: { ...OF_ACTIONS, ...files } })
      expect(step.exitCode).toBe(0)
      const names = Object.keys(environmentIn(step.stdout))
      expect(names).toContain('DATAPIPELINE_TASK_ID')
      expect(names.filter((name) => /^(ACTIONS_|GITHUB_(OUTPUT|ENV|PATH|STEP_SUMMARY|STATE)$)/.test(name))).toEqual([])
      const [, fields = ''] = /^fields: (.*)$/m.exec(step.stdout) ?? []
      expect(JSON.parse(fields)).toEqual((JSON.parse(entry) as { fields: unknown }).fields)
      expect(JSON.parse(fields)).toMatchObject({ scriptArgument: ['a b', 'c'] })
    },
  )

  onLinux('has no credentials of the role of the action', async () => {
    await using cloud = await startCloud()
    cloud.service.addTask()
    const step = await runTasks(
      cloud.service,
      { run: SHOW_ENVIRONMENT, 'role-to-assume': TEST_ROLE.arn },
      { env: cloud.env },
    )
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    const names = Object.keys(environmentIn(step.stdout))
    expect(names).toContain('DATAPIPELINE_TASK_ID')
    expect(names.filter((name) => /KEY|TOKEN|SECRET|ROLE/.test(name))).toEqual([])
  })
})

describe('file commands', () => {
  /** Runs a script with files for all file commands. Gives the step, and what is in the files. */
  async function runWithFiles(run: string, inputs: Readonly<Record<string, string>> = {}) {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    using job = new Job(service.env())
    const paths = { GITHUB_ENV: join(job.temp, 'env'), GITHUB_PATH: join(job.temp, 'path') }
    for (const path of Object.values(paths)) writeFileSync(path, '')
    const step = await runTasks(service, { run, ...inputs }, { env: paths })
    const files = job.files()
    return { step, task: service.task(taskId), env: files[paths.GITHUB_ENV], path: files[paths.GITHUB_PATH] }
  }

  onLinux('work as in any step, and the outputs of the action come last', async () => {
    const run = [
      'echo "rows=12" >> "$GITHUB_OUTPUT"',
      'printf "text<<END\\none\\ntwo=2\\nEND\\nstatus=FINISHED\\n" >> "$GITHUB_OUTPUT"',
      'printf "LOADED=yes" >> "$GITHUB_ENV"',
      'echo "/opt/tool/bin" >> "$GITHUB_PATH"',
      'echo "# Rows: 12" >> "$GITHUB_STEP_SUMMARY"',
      'exit 1',
    ].join('\n')
    const { step, env, path } = await runWithFiles(run, { 'fail-on-task-failure': 'false' })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(step.outputs).toMatchObject({ rows: '12', text: 'one\ntwo=2', status: 'FAILED', 'exit-code': '1' })
    expect(env).toMatch(/^LOADED<<(\S+)\nyes\n\1\n$/)
    expect(path).toBe('/opt/tool/bin\n')
    expect(step.summary).toMatch(/^# Rows: 12\n[\s\S]*FAILED/)
  })

  onLinux('that are not valid fail the step, and swallow nothing', async () => {
    const { step, task } = await runWithFiles('printf "rows=12\\ntext<<END\\none\\n" >> "$GITHUB_OUTPUT"')
    expect(task.status).toBe('FINISHED')
    expect(step.exitCode).toBe(1)
    expect(step.warnings).toEqual([
      expect.stringMatching(/GITHUB_OUTPUT in an invalid format: .*"text" has no end "END"/),
    ])
    expect(step.errors).toHaveLength(1)
    expect(step.outputs).toMatchObject({ rows: '12', status: 'FINISHED', reported: 'true' })
    expect(step.outputs).not.toHaveProperty('text')
  })
})

describe('the output', () => {
  onLinux('runs no workflow commands', async () => {
    await using service = await LocalDataPipeline.start()
    service.addTask()
    const run = [
      'echo "::error::from stdout"',
      'echo "::warning::from stderr" >&2',
      'printf "half a line\\r::notice::after a return\\n"',
      'printf "::no"; sleep 0.2; printf "tice::in two parts\\n"',
      'printf "  ::notice::indented\\n"',
      'echo "text ##[error]of the old kind"',
      'printf "\\357\\273\\277::notice::after a mark"',
    ].join('\n')
    const step = await runTasks(service, { run })
    expect(step.exitCode).toBe(0)
    expect(step.commands.map(({ name }) => name)).toEqual(['group', 'endgroup'])
    for (const text of [
      'from stdout',
      'from stderr',
      'in two parts',
      'after a return',
      'indented',
      'of the old kind',
    ]) {
      expect(step.stdout).toContain(text)
    }
  })

  onLinux('is in the report without secrets and escape sequences', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    const run = 'printf "\\033[1mkey %s\\033[0m\\n" "$AWS_SECRET_ACCESS_KEY" >&2; exit 1'
    await runTasks(service, { run })
    expect(service.task(taskId).errorStackTrace).toBe('key ***')
  })

  onLinux('of parallel tasks begins with the name of the task, without groups', async () => {
    await using service = await LocalDataPipeline.start()
    for (const day of ['12', '13']) service.addTask({ attemptId: `@Load_2026-01-${day}T00:00:00_Attempt=1` })
    const run = 'echo "$DATAPIPELINE_ATTEMPT_ID"; echo "::error::no" >&2'
    const step = await runTasks(service, { run, 'max-tasks': '2', parallel: '2' })
    expect(step).toMatchObject({ exitCode: 0, commands: [] })
    for (const name of ['Load_2026-01-12T00:00:00', 'Load_2026-01-13T00:00:00']) {
      expect(step.stdout).toContain(`${name} #1 | @${name}_Attempt=1\n`)
    }
    expect(step.outputs).toMatchObject({ count: '2', finished: '2' })
  })
})
