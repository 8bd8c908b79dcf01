// task-runner takes tasks, runs a command for each, and reports how it ended.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { RUN_LINK } from '../support/step.ts'
import { commandTask, definition, entryOf, onLinux, operationsOf, polledEntryOf, runTasks } from './task-running.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

describe('a task', () => {
  onLinux('is taken, run and reported', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    using job = new Job(service.env())
    const step = await job.main('runner', {
      action: 'task-runner',
      inputs: {
        'worker-group': 'ci',
        'wait-seconds': '0',
        run: '[[ -n $BASH_VERSION ]] && echo "hello from $DATAPIPELINE_TYPE"',
      },
    })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [], notices: [], stderr: '' })
    expect(operationsOf(service)).toEqual(['PollForTask', 'ReportTaskProgress', 'SetTaskStatus'])
    expect(service.task(taskId)).toMatchObject({ state: 'finished', status: 'FINISHED' })
    expect(service.task(taskId).errorId).toBeUndefined()
    expect(step.outputs).toEqual({
      count: '1',
      finished: '1',
      failed: '0',
      false: '0',
      canceled: '0',
      'task-id': taskId,
      status: 'FINISHED',
      'exit-code': '0',
      reported: 'true',
    })
    expect(step.stdout).toMatch(
      /^::group::Task .*SayHello.*\n(?:.*\n)*hello from ShellCommandActivity\n(?:.*\n)*::endgroup::$/m,
    )
    expect(step.summary).toContain('FINISHED, exit code 0')
    expect(readdirSync(job.temp)).toEqual([])
    const post = await job.post('runner', { action: 'task-runner', inputs: {} })
    expect(post).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
  })

  onLinux('is none: the step succeeds', async () => {
    await using service = await LocalDataPipeline.start()
    const step = await runTasks(service, { run: 'exit 1' })
    expect(step).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
    expect(step.outputs).toMatchObject({ count: '0', 'task-id': '', status: '', 'exit-code': '', reported: 'false' })
    expect(operationsOf(service)).toEqual(['PollForTask'])
  })

  onLinux('is FAILED with the end of its output, the run and the job', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    const run = 'seq 1 50000; seq -f "line %g" 1 30000 >&2; printf "\\033[31mno space left\\033[0m" >&2; exit 3'
    const step = await runTasks(service, { run, 'check-run-id': '815' })
    expect(step.exitCode).toBe(1)
    expect(step.errors).toEqual([
      'Reported FAILED for SayHello_2026-01-12T00:00:00 #1: The command ended with exit code 3.',
    ])
    expect(step.warnings).toEqual([])
    expect(step.outputs).toMatchObject({ failed: '1', status: 'FAILED', 'exit-code': '3', reported: 'true' })
    const { errorId, errorMessage, errorStackTrace = '' } = service.task(taskId)
    expect(errorId).toBe('TaskRunner:ExitCode')
    expect(errorMessage).toBe(
      'The command ended with exit code 3.\n' +
        'GitHub Actions: workflow "Nightly", octo-org/pipes, run 17, attempt 2\n' +
        'https://github.com/octo-org/pipes/actions/runs/4711/job/815',
    )
    expect(errorStackTrace).toMatch(
      /^\[\.\.\. earlier output left out \.\.\.\]\nline \d+\n[\s\S]*\nline 30000\nno space left$/,
    )
    expect(errorStackTrace.length).toBeGreaterThan(3_500)
    expect(errorStackTrace.length).toBeLessThanOrEqual(4_095)
  })

  const ends = [
    ['echo why; exit 1', 'TaskRunner:ExitCode', 'exit code 1.', 'why'],
    [
      'sh -c "kill -TERM \\$\\$"',
      'TaskRunner:ExitCode',
      '143 (128 and the number of SIGTERM)',
      expect.stringContaining('Terminated'),
    ],
    ['false | cat', 'TaskRunner:ExitCode', 'exit code 1.', undefined],
    // The last: the outputs are its.
    ['kill -KILL $$', 'TaskRunner:Signal', 'by the signal SIGKILL', undefined],
  ] as const
  onLinux('that fails or is killed, itself or in a part, is FAILED', async () => {
    await using service = await LocalDataPipeline.start()
    const ids = ends.map((_, at) => service.addTask({ attemptId: `@${at}_Attempt=1` }).taskId)
    const cases = ends.map(([command], at) => `@${at}_*) ${command};;`)
    const run = `case "$DATAPIPELINE_ATTEMPT_ID" in\n${cases.join('\n')}\nesac`
    const step = await runTasks(service, { run, 'max-tasks': '0', 'fail-on-task-failure': 'false' })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(step.outputs).toMatchObject({ failed: '4', status: 'FAILED', 'exit-code': '' })
    for (const [at, [, errorId, message, trace]] of ends.entries()) {
      const task = service.task(ids[at] ?? '')
      expect(task).toMatchObject({ status: 'FAILED', errorId })
      expect(task.errorMessage).toContain(message)
      expect(task.errorMessage).toContain(RUN_LINK)
      expect(task.errorStackTrace).toEqual(trace)
    }
  })

  const unstartable = [
    [{ run: 'true', shell: 'pwsh' }, 'spawn pwsh ENOENT'],
    [{ run: 'true', 'working-directory': 'nowhere' }, 'working directory'],
  ] as const
  onLinux.each(unstartable)('can not be started with %j', async (inputs, message) => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    const step = await runTasks(service, inputs, { env: { PATH: '/nowhere' } })
    expect(step.exitCode).toBe(1)
    expect(service.task(taskId)).toMatchObject({ status: 'FAILED', errorId: 'TaskRunner:CouldNotStart' })
    expect(service.task(taskId).errorMessage).toContain(message)
  })

  const shells = [
    ['sh', 'echo sh'],
    ['python', 'import sys\nprint("python", sys.version_info.major)'],
  ] as const
  onLinux.each(shells)('runs with %s in the workspace', async (shell, script) => {
    await using service = await LocalDataPipeline.start()
    service.addTask()
    const step = await runTasks(service, { run: script, shell }, { files: { 'data.txt': 'x' } })
    expect(step.exitCode).toBe(0)
    expect(step.stdout).toMatch(new RegExp(`^${shell}`, 'm'))
  })
})

describe('a definition', () => {
  const command = 'set -eu\n[[ "$1" == "a b" ]] && echo "$# $1 $2 \'$3\' $4" "$5"\npwd; ls -A'
  onLinux('has a command of several lines and five arguments', async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask(commandTask(command, 'a b', '$HOME', '', '*', '--x="y"'))
    using job = new Job(service.env())
    const inputs = { 'worker-group': 'ci', 'wait-seconds': '0', 'from-definition': 'true' }
    const step = await job.main('runner', { action: 'task-runner', inputs })
    expect(step).toMatchObject({ exitCode: 0, warnings: [] })
    expect(step.stdout).toContain(`5 a b $HOME '' * --x="y"\n`)
    // A fresh folder, which is removed.
    const [folder = ''] = new RegExp(`^${job.temp}/.*$`, 'm').exec(step.stdout) ?? []
    expect(folder).toMatch(/aws-datapipeline-task-\w+\/work$/)
    expect(existsSync(folder)).toBe(false)
    expect(service.task(taskId).status).toBe('FINISHED')
  })

  const activity = ['type', 'ShellCommandActivity'] as const
  const touched = ['command', 'touch ran; echo it ran'] as const
  const refused: [what: string, Parameters<typeof definition>[0], message: string][] = [
    ['another type', [['type', 'CopyActivity'], touched], 'Its type is "CopyActivity"'],
    ['no type', [touched], 'has no type'],
    ['both', [activity, touched, ['scriptUri', 's3://b/k']], 'both command and scriptUri'],
    ['neither', [activity, ['command', '  ']], 'neither command nor scriptUri'],
    ['two commands', [activity, touched, ['command', 'b']], '"command" several times'],
    ['a script elsewhere', [activity, ['scriptUri', 'https://example.com/x.sh']], 'Expected an address such as s3://'],
    ['an expression', [activity, ['scriptUri', 's3://b/#{myScript}']], 'was not evaluated'],
    ['a stage that is no boolean', [activity, touched, ['stage', 'perhaps']], 'stage is "perhaps"'],
  ]
  onLinux('that is wrong: FAILED before anything runs', async () => {
    await using service = await LocalDataPipeline.start()
    const ids = refused.map(([, fields]) => service.addTask(definition(fields)).taskId)
    const step = await runTasks(service, { 'from-definition': 'true', 'max-tasks': '0' })
    expect(step).toMatchObject({ exitCode: 1, outputs: { failed: String(refused.length) } })
    expect(step.stdout).not.toContain('it ran')
    const ended = refused.map(([what], at) => {
      const { status, errorId, errorMessage, errorStackTrace } = service.task(ids[at] ?? '')
      return { what, status, errorId, errorMessage, errorStackTrace }
    })
    const failed = { status: 'FAILED', errorId: 'TaskRunner:Definition', errorStackTrace: undefined }
    expect(ended).toEqual(
      refused.map(([what, , message]) => ({ what, ...failed, errorMessage: expect.stringContaining(message) })),
    )
  })

  onLinux('names local files for its output', async () => {
    await using service = await LocalDataPipeline.start()
    const temp = new Job()
    const out = join(temp.temp, 'out.txt')
    const fields = [
      ['stdout', out],
      ['stderr', 's3://bucket/err'],
    ] as const
    service.addTask(definition([['type', 'ShellCommandActivity'], ['command', 'echo one; echo two >&2'], ...fields]))
    const step = await runTasks(service, { 'from-definition': 'true' })
    expect(step.exitCode).toBe(0)
    expect(temp.files()).toEqual({ [out]: 'one\n' })
    expect(step.notices).toEqual([
      expect.stringContaining('stderr of the definition is "s3://bucket/err", and is not written'),
    ])
    temp[Symbol.dispose]()
  })
})

describe('the input task', () => {
  onLinux('runs one that poll-for-task has taken, acknowledged again', async () => {
    await using service = await LocalDataPipeline.start()
    const task = service.addTask(commandTask('echo "$DATAPIPELINE_ATTEMPT_ID $1"', 'x'))
    const step = await runTasks(service, { task: await polledEntryOf(service, task), 'from-definition': 'true' })
    expect(step).toMatchObject({ exitCode: 0, warnings: [] })
    expect(step.stdout).toContain(`${task.attemptId} x\n`)
    expect(operationsOf(service).slice(2)).toEqual(['ReportTaskProgress', 'SetTaskStatus'])
    expect(service.task(task.taskId)).toMatchObject({ status: 'FINISHED', progressReports: { length: 2 } })
  })

  onLinux.each([
    ['with its objects', (entry: object) => entry, 'the input "Orders" is compressed ("gzip")'],
    ['without', (entry: object) => ({ ...entry, objects: undefined }), 'came without the object "Orders"'],
  ] as const)('stages a task by its objects: %s', async (_what, change, message) => {
    await using service = await LocalDataPipeline.start()
    const fields = [
      ['type', 'ShellCommandActivity'],
      ['command', 'true'],
      ['stage', 'true'],
      ['input', { ref: 'Orders' }],
    ] as const
    const node = [
      ['type', 'S3DataNode'],
      ['compression', 'gzip'],
    ] as const
    const task = service.addTask(definition(fields, { Orders: node }))
    const entry = change(JSON.parse(entryOf(task)) as object)
    await runTasks(service, { task: JSON.stringify(entry), 'from-definition': 'true' })
    expect(service.task(task.taskId)).toMatchObject({ status: 'FAILED', errorId: 'TaskRunner:Definition' })
    expect(service.task(task.taskId).errorMessage).toContain(message)
  })

  onLinux.each(['canceled', 'gone'] as const)('names one that is %s: nothing is run', async (how) => {
    await using service = await LocalDataPipeline.start()
    const task = service.addTask()
    const entry = entryOf(task)
    if (how === 'canceled') service.cancelTask(task.taskId)
    const gone = JSON.stringify({ ...(JSON.parse(entry) as object), 'task-id': 'another' })
    const step = await runTasks(service, { task: how === 'gone' ? gone : entry, run: 'echo ran' })
    expect(step).toMatchObject({ exitCode: 0, errors: [] })
    expect(step.stdout).not.toMatch(/^ran$/m)
    expect(step.outputs).toMatchObject({ count: '1', canceled: '1', status: '', reported: 'false' })
    expect(operationsOf(service)).toEqual(['ReportTaskProgress'])
  })
})
