// task-runner with the AWS CLI and an S3 that others wrote: scripts, staging and logs.
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect } from '@jest/globals'
import { startCloud } from '../fakes/aws/cloud.ts'
import { TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { TEST_ROLE } from '../fakes/aws/sts.ts'
import type { NewTask, Task } from '../fakes/aws/tasks.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { argumentsOf, processesWith } from '../support/processes.ts'
import { type Bucket, LocalS3, testWithS3 } from '../support/s3.ts'
import type { StepResult } from '../support/step.ts'
import { STALL_MS } from '../support/timing.ts'
import type { RunningStep } from '../support/worker.ts'
import { commandTask, definition, entryOf, runTasks } from './task-running.ts'

/** One server for all tests, each of which has a bucket of its own. Concurrent tests start before `beforeAll`. */
let server: Promise<LocalS3> | undefined
function startedS3(): Promise<LocalS3> {
  server ??= LocalS3.start()
  return server
}

afterAll(async () => {
  await (await server)?.[Symbol.asyncDispose]()
  expect(await leftOverProcesses()).toEqual([])
})

type Fields = Parameters<typeof definition>[0]
type Variables = Readonly<Record<string, string | undefined>>

/** An activity that stages folders: each is a data node, in this order. */
function stagingTask(
  script: Fields[number],
  folders: { readonly inputs?: readonly string[]; readonly outputs?: readonly string[] },
): NewTask {
  const { inputs = [], outputs = [] } = folders
  const nodes = [
    ...inputs.map((uri, index) => ({ key: 'input', id: `Source${index}`, uri })),
    ...outputs.map((uri, index) => ({ key: 'output', id: `Target${index}`, uri })),
  ]
  return definition(
    [
      ['type', 'ShellCommandActivity'],
      script,
      ['stage', 'true'],
      ...nodes.map(({ key, id }) => [key, { ref: id }] as const),
    ],
    Object.fromEntries(
      nodes.map(({ id, uri }) => [
        id,
        [
          ['type', 'S3DataNode'],
          ['directoryPath', uri],
        ],
      ]),
    ),
  )
}

interface Run {
  readonly inputs?: Readonly<Record<string, string>>
  readonly env?: Variables
  /** Default: one of its own. */
  readonly service?: LocalDataPipeline
  readonly onStart?: (step: RunningStep, taskId: string) => void
}

/** Runs one task in a job of its own, of which nothing is left. */
async function runTask(task: NewTask, options: Run = {}): Promise<{ step: StepResult; task: Task }> {
  await using own = options.service === undefined ? await LocalDataPipeline.start() : undefined
  const service = options.service ?? (own as LocalDataPipeline)
  const { taskId } = service.addTask(task)
  using job = new Job({ ...service.env(), ...(await startedS3()).env(), ...options.env })
  const inputs = { 'worker-group': 'ci', 'wait-seconds': '0', 'from-definition': 'true', ...options.inputs }
  const step = await job.main('runner', {
    action: 'task-runner',
    inputs,
    // Python starts slowly, and several tests start it at once.
    limitMs: 50_000,
    onStart: (running) => options.onStart?.(running, taskId),
  })
  expect(readdirSync(job.temp)).toEqual([])
  expect(processesWith('RUNNER_TRACKING_ID', job.trackingId).map(argumentsOf)).toEqual([])
  return { step, task: service.task(taskId) }
}

async function bucketWith(objects: Parameters<LocalS3['createBucket']>[0] = {}): Promise<Bucket> {
  return (await startedS3()).createBucket(objects)
}

const ATTEMPT_FOLDER =
  'df-0937003356ZJEXAMPLE/SayHello/@SayHello_2026-01-12T00:00:00/@SayHello_2026-01-12T00:00:00_Attempt=1'

// The shapes that public pipelines have, written anew.
describe('a pipeline with', () => {
  const PREPARE = `
region="$1"; volume="$2"; folder="$3"
owner="$4"; label="$5"
if ! [[ -d "$folder" ]]; then
  echo "mount $volume.efs.$region.example at '$folder'"
fi
for what in "check $label" \\
            "give it to $owner"
do
  echo "$what"
done
echo "no entry in fstab" >&2`

  testWithS3('a command of many lines and five arguments, and logs in S3', async () => {
    const bucket = await bucketWith()
    const task = commandTask(PREPARE, 'us-east-1', 'fs-0a1b2c3d', '/nowhere/load data', 'etl', 'nightly')
    const { step, task: ended } = await runTask(task, { inputs: { 'log-uri': bucket.uri('logs/all/') } })
    expect(step).toMatchObject({ exitCode: 0, warnings: [], stderr: '' })
    expect(ended.status).toBe('FINISHED')
    const folder = `logs/all/${ATTEMPT_FOLDER}`
    expect(await bucket.keys()).toEqual([`${folder}/StdError.gz`, `${folder}/StdOutput.gz`])
    expect(gunzipSync(await bucket.get(`${folder}/StdOutput.gz`)).toString()).toBe(
      "mount fs-0a1b2c3d.efs.us-east-1.example at '/nowhere/load data'\ncheck nightly\ngive it to etl\n",
    )
    expect(gunzipSync(await bucket.get(`${folder}/StdError.gz`)).toString()).toBe('no entry in fstab\n')
  })

  testWithS3('a script in S3 and many arguments, in their order', async () => {
    const script = `#!/bin/bash
if [[ "$1" != "load" || "\${11}" != "last" ]]; then
  echo "usage: $0 load … last" >&2
  exit 2
fi
printf '<%s>' "$@"
echo`
    const bucket = await bucketWith({ 'scripts/täglich/load day.sh': script })
    const args = ['load', '2026-01-12', 's3://data/in', '--mode', 'full', '--mode', 'a b', '', '$HOME', '*', 'last']
    const { step, task } = await runTask(
      definition([
        ['scriptArgument', args[0] ?? ''],
        ['type', 'ShellCommandActivity'],
        ['scriptUri', bucket.uri('scripts/täglich/load day.sh')],
        ...args.slice(1).map((arg) => ['scriptArgument', arg] as const),
      ]),
    )
    expect(step).toMatchObject({ exitCode: 0, warnings: [], stderr: '' })
    expect(step.stdout).toContain(`${args.map((arg) => `<${arg}>`).join('')}\n`)
    expect(task.status).toBe('FINISHED')
  })

  const MERGE = `set -euo pipefail
cat "\${INPUT1_STAGING_DIR}/part 0.csv" "\${INPUT2_STAGING_DIR}"/*.csv > "\${OUTPUT1_STAGING_DIR}/all of it.csv"
mkdir -p "\${OUTPUT1_STAGING_DIR}/by day/ü"
cp "\${INPUT1_STAGING_DIR}"/nested/*/* "\${OUTPUT1_STAGING_DIR}/by day/ü"
cd "\${INPUT1_STAGING_DIR}"
find . -type f | LC_ALL=C sort > "\${OUTPUT2_STAGING_DIR}/list.txt"`

  const DATA = {
    // The console makes such an object for a folder.
    'orders/2026-01-12/': '',
    'orders/2026-01-12/part 0.csv': 'a,1\n',
    'orders/2026-01-12/nested/tief/Übersicht 漢字.csv': 'ü,2\n',
    'orders/2026-01-12-old/part 0.csv': 'not this\n',
    'rates/eur & usd.csv': 'b,3\n',
  }

  testWithS3('two inputs and two outputs in S3', async () => {
    const bucket = await bucketWith(DATA)
    const task = stagingTask(['command', MERGE], {
      inputs: [bucket.uri('orders/2026-01-12'), bucket.uri('rates/')],
      outputs: [bucket.uri('out/first'), bucket.uri('out/zweite Liste/')],
    })
    const { step } = await runTask(task)
    expect(step).toMatchObject({ exitCode: 0, warnings: [], stderr: '', outputs: { status: 'FINISHED' } })
    expect(await bucket.texts()).toEqual({
      ...DATA,
      'out/first/all of it.csv': 'a,1\nb,3\n',
      'out/first/by day/ü/Übersicht 漢字.csv': 'ü,2\n',
      'out/zweite Liste/list.txt': './nested/tief/Übersicht 漢字.csv\n./part 0.csv\n',
    })
  })
})

describe('staging', () => {
  testWithS3('gives each of two tasks at a time its own folders, for a script of the workflow as well', async () => {
    const bucket = await bucketWith({ 'one/in/name': 'one', 'two/in/name': 'two' })
    await using service = await LocalDataPipeline.start()
    const taskOf = (name: string): NewTask =>
      stagingTask(['command', 'exit 1'], { inputs: [bucket.uri(`${name}/in`)], outputs: [bucket.uri(`${name}/out`)] })
    service.addTask(taskOf('one'))
    const run = 'sleep 0.5; cp "$INPUT1_STAGING_DIR"/* "$OUTPUT1_STAGING_DIR"; [[ -z ${INPUT2_STAGING_DIR-} ]]'
    const inputs = { 'from-definition': 'false', run, 'max-tasks': '2', parallel: '2' }
    const { step } = await runTask(taskOf('two'), { inputs, service })
    expect(step).toMatchObject({ exitCode: 0, outputs: { finished: '2' } })
    expect(await bucket.texts()).toMatchObject({ 'one/out/name': 'one', 'two/out/name': 'two' })
  })

  testWithS3('works for a task that poll-for-task has taken', async () => {
    const bucket = await bucketWith({ 'in/name': 'from S3' })
    const task = stagingTask(['command', 'cat "$INPUT1_STAGING_DIR/name"'], { inputs: [bucket.uri('in')] })
    await using service = await LocalDataPipeline.start()
    const entry = await entryOf(service, service.addTask(task))
    const env = { ...service.env(), ...(await startedS3()).env() }
    const step = await runTasks(service, { task: entry, 'from-definition': 'true' }, { env })
    expect(step).toMatchObject({ exitCode: 0, warnings: [], outputs: { status: 'FINISHED' } })
    expect(step.stdout).toMatch(/^from S3$/m)
  })

  // Our rule: for the AWS CLI a folder without objects is no error, and S3 has no other folders.
  testWithS3('of a folder without objects gives an empty folder', async () => {
    const bucket = await bucketWith({ 'other/file': '' })
    const task = stagingTask(['command', 'ls -A "$INPUT1_STAGING_DIR" | wc -l'], {
      inputs: [bucket.uri('nothing')],
      outputs: [bucket.uri('also-nothing')],
    })
    const { step } = await runTask(task)
    expect(step).toMatchObject({ exitCode: 0, warnings: [], outputs: { status: 'FINISHED' } })
    expect(step.stdout).toMatch(/^0$/m)
    expect(await bucket.keys()).toEqual(['other/file'])
  })

  interface Failure {
    readonly task: (bucket: Bucket) => NewTask
    readonly errorId: string
    /** Parts of the message. */
    readonly message: readonly string[]
    readonly hasRun: boolean
    readonly env?: Variables
  }
  const RUN = ['command', 'echo "it has run"; touch "${OUTPUT1_STAGING_DIR-.}/file"'] as const
  const NO_PROGRAMS = { PATH: '/nowhere' }
  const NO_CLI = 'The AWS CLI is needed to copy files from and to S3, and there is no program "aws" in PATH.'
  const scriptOf = (uri: string): NewTask =>
    definition([
      ['type', 'ShellCommandActivity'],
      ['scriptUri', uri],
    ])

  const failures: readonly [string, Failure][] = [
    [
      'a script that is not there',
      {
        task: (bucket) => scriptOf(bucket.uri('no.sh')),
        errorId: 'TaskRunner:Staging',
        message: [
          'Could not copy "s3://',
          '/no.sh" to ',
          '"aws s3 cp" failed (exit code 1)',
          'Key "no.sh" does not exist',
        ],
        hasRun: false,
      },
    ],
    [
      'an input in a bucket that is not there',
      {
        task: (bucket) => stagingTask(RUN, { inputs: [bucket.uri('in'), `s3://${bucket.name}-not/in`] }),
        errorId: 'TaskRunner:Staging',
        message: ['-not/in/" to ', 'NoSuchBucket'],
        hasRun: false,
      },
    ],
    [
      'an output in a bucket that is not there',
      {
        task: (bucket) => stagingTask(RUN, { outputs: [`s3://${bucket.name}-not/out`] }),
        errorId: 'TaskRunner:Staging',
        message: ['-not/out/"', 'NoSuchBucket'],
        hasRun: true,
      },
    ],
    [
      'an output that the AWS CLI can only copy in part',
      {
        task: (bucket) =>
          stagingTask(['command', 'echo "it has run"; ln -s /nowhere "$OUTPUT1_STAGING_DIR/link"'], {
            outputs: [bucket.uri('out')],
          }),
        errorId: 'TaskRunner:Staging',
        message: ['"aws s3 cp" failed (exit code 2)', 'Skipping file'],
        hasRun: true,
      },
    ],
    [
      'a command that fails',
      {
        task: (bucket) => stagingTask([RUN[0], `${RUN[1]}; exit 3`], { outputs: [bucket.uri('out')] }),
        errorId: 'TaskRunner:ExitCode',
        message: ['exit code 3'],
        hasRun: true,
      },
    ],
    [
      'an input that is one file',
      {
        task: (bucket) =>
          definition([['type', 'ShellCommandActivity'], RUN, ['stage', 'true'], ['input', { ref: 'File' }]], {
            File: [
              ['type', 'S3DataNode'],
              ['filePath', bucket.uri('in/file')],
            ],
          }),
        errorId: 'TaskRunner:Definition',
        message: [`It can't be staged: the input "File"`, 'filePath'],
        hasRun: false,
      },
    ],
    [
      'a script, and no AWS CLI',
      {
        task: (bucket) => scriptOf(bucket.uri('in/file')),
        errorId: 'TaskRunner:Staging',
        message: [NO_CLI],
        hasRun: false,
        env: NO_PROGRAMS,
      },
    ],
    [
      'an output, and no AWS CLI',
      {
        task: (bucket) => stagingTask(RUN, { outputs: [bucket.uri('out')] }),
        errorId: 'TaskRunner:Staging',
        message: [NO_CLI],
        // The command could not be started either, which would be another error.
        hasRun: false,
        env: NO_PROGRAMS,
      },
    ],
  ]
  testWithS3.each(failures)('of a task with %s: FAILED, and nothing is uploaded', async (_what, failure) => {
    const bucket = await bucketWith({ 'in/file': 'echo "it has run"' })
    const { step, task } = await runTask(failure.task(bucket), { env: failure.env ?? {} })
    expect(step).toMatchObject({ exitCode: 1, outputs: { count: '1', failed: '1', status: 'FAILED' } })
    expect(task).toMatchObject({ status: 'FAILED', errorId: failure.errorId })
    for (const part of failure.message) expect(task.errorMessage).toContain(part)
    expect(/^it has run$/m.test(step.stdout)).toBe(failure.hasRun)
    expect(await bucket.keys()).toEqual(['in/file'])
  })
})

describe('log-uri', () => {
  testWithS3('gets the whole output, large and of a task that failed', async () => {
    const bucket = await bucketWith()
    const command = 'seq 1 170000; seq 200001 370000 >&2; printf "\\xff\\x00end"; exit 3'
    const inputs = { 'log-uri': bucket.uri('logs'), 'fail-on-task-failure': 'false' }
    const { step, task } = await runTask(commandTask(command), { inputs })
    expect(step).toMatchObject({ exitCode: 0, warnings: [], stderr: '' })
    expect(task).toMatchObject({ status: 'FAILED', errorId: 'TaskRunner:ExitCode' })
    const logOf = async (name: string): Promise<Buffer> =>
      gunzipSync(await bucket.get(`logs/${ATTEMPT_FOLDER}/${name}.gz`))
    const numbers = (from: number): string =>
      Array.from({ length: 170_000 }, (_, index) => `${from + index}\n`).join('')
    const stdout = await logOf('StdOutput')
    expect(stdout.length).toBeGreaterThan(1024 * 1024)
    // Too long for a comparison that shows the difference.
    expect(stdout.equals(Buffer.concat([Buffer.from(numbers(1)), Buffer.from([0xff, 0]), Buffer.from('end')]))).toBe(
      true,
    )
    expect((await logOf('StdError')).equals(Buffer.from(numbers(200_001)))).toBe(true)
  })

  testWithS3('in a bucket that is not there is a warning, and the task is FINISHED', async () => {
    const bucket = await bucketWith()
    const inputs = { 'log-uri': `s3://${bucket.name}-not/logs` }
    const { step, task } = await runTask(commandTask('true'), { inputs })
    expect(task.status).toBe('FINISHED')
    expect(step).toMatchObject({ exitCode: 0, errors: [], outputs: { reported: 'true' } })
    expect(step.warnings).toEqual([expect.stringMatching(/^The output of the task is not in S3: .*NoSuchBucket/)])
  })
})

describe('the credentials for S3', () => {
  const JOB = {
    AWS_ACCESS_KEY_ID: 'AKIAI44QH8DHBEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY',
    AWS_SESSION_TOKEN: 'of-another-session',
    // The AWS CLI fails with each of these: keys that have expired, and a profile that is not there.
    AWS_CREDENTIAL_EXPIRATION: '2026-01-12T00:00:00Z',
    AWS_PROFILE: 'nobody',
  }

  testWithS3.each<[string, Variables, string]>([
    ['where the job has none', {}, 'none none'],
    ['beside those of the job', JOB, `${JOB.AWS_ACCESS_KEY_ID} nobody`],
  ])('are those of the role, which the command does not get: %s', async (_what, env, seen) => {
    const bucket = await bucketWith({ 'in/file': '' })
    await using cloud = await startCloud()
    const command = 'echo "${AWS_ACCESS_KEY_ID-none} ${AWS_PROFILE-none}" > "$OUTPUT1_STAGING_DIR/seen"'
    const task = stagingTask(['command', command], { inputs: [bucket.uri('in')], outputs: [bucket.uri('out')] })
    const inputs = { 'role-to-assume': TEST_ROLE.arn }
    const { step } = await runTask(task, { inputs, service: cloud.service, env: { ...cloud.env, ...env } })
    expect(step).toMatchObject({ exitCode: 0, warnings: [] })
    expect((await bucket.get('out/seen')).toString()).toBe(`${seen}\n`)
    expect(await bucket.signers()).toEqual([cloud.sts.requests[0]?.accessKeyId])
  })

  testWithS3('are those of the environment without a role, and the command has them, too', async () => {
    const bucket = await bucketWith({ 'run.sh': '[[ "$AWS_ACCESS_KEY_ID" == "$1" ]]' })
    const { accessKeyId } = TEST_CREDENTIALS
    const { step } = await runTask(
      definition([
        ['type', 'ShellCommandActivity'],
        ['scriptUri', bucket.uri('run.sh')],
        ['scriptArgument', accessKeyId],
      ]),
    )
    expect(step.exitCode).toBe(0)
    expect(await bucket.signers()).toEqual([accessKeyId])
  })
})

/** A server that takes connections, and never responds. */
class SilentServer {
  readonly #server: Server = createServer((socket) => socket.on('error', () => undefined))
  readonly #connected = once(this.#server, 'connection')

  static async start(): Promise<SilentServer> {
    const silent = new SilentServer()
    await once(silent.#server.listen(0, '127.0.0.1'), 'listening')
    return silent
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resolves when the AWS CLI waits for it. */
  async connected(): Promise<void> {
    await this.#connected
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its clients have ended.
    this.#server.close()
  }
}

describe('while the AWS CLI copies', () => {
  const uri = 's3://bucket/folder'
  const copies: readonly [string, NewTask][] = [
    [
      'a script',
      definition([
        ['type', 'ShellCommandActivity'],
        ['scriptUri', `${uri}/run.sh`],
      ]),
    ],
    ['an input', stagingTask(['command', 'true'], { inputs: [uri] })],
    ['an output', stagingTask(['command', 'touch "$OUTPUT1_STAGING_DIR/file"'], { outputs: [uri] })],
  ]
  testWithS3.each(copies)(
    '%s, heartbeats go on; one that is canceled ends it, and is not reported',
    async (_what, task) => {
      await using silent = await SilentServer.start()
      await using service = await LocalDataPipeline.start()
      const { step, task: ended } = await runTask(task, {
        inputs: { 'heartbeat-seconds': '5' },
        env: { AWS_ENDPOINT_URL_S3: silent.url },
        service,
        onStart(_step, taskId) {
          void silent
            .connected()
            .then(() => service.received('ReportTaskProgress', 2))
            .then(() => service.cancelTask(taskId))
        },
      })
      expect(step).toMatchObject({ exitCode: 0, errors: [], outputs: { canceled: '1', status: '', reported: 'false' } })
      expect(step.stdout).toContain('AWS Data Pipeline canceled the task')
      expect(service.requestsFor('SetTaskStatus')).toEqual([])
      expect(ended.progressReports).toHaveLength(3)
    },
  )

  testWithS3.each([
    ['an input', copies[1]?.[1] as NewTask, {}, { status: 'FAILED', errorId: 'TaskRunner:JobCancelled' }],
    ['the log', commandTask('true'), { 'log-uri': uri }, { status: 'FINISHED' }],
  ] as const)('%s, the job may be cancelled', async (_what, task, inputs, end) => {
    await using silent = await SilentServer.start()
    let cancelledAt = 0
    const { step, task: ended } = await runTask(task, {
      inputs,
      env: { AWS_ENDPOINT_URL_S3: silent.url },
      onStart(running) {
        void silent.connected().then(() => {
          cancelledAt = performance.now()
          running.kill('SIGINT')
        })
      },
    })
    // The runner kills it after 7.5 s.
    expect(performance.now() - cancelledAt).toBeLessThan(7_500 + STALL_MS)
    expect(ended).toMatchObject(end)
    expect(step.outputs).toMatchObject({ reported: 'true' })
  })
})
