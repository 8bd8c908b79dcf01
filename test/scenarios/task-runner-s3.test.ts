// task-runner with the AWS CLI and an S3 that others wrote: scripts, staging and logs. No describe blocks: Jest runs those one after
// the other.
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { afterAll, expect } from '@jest/globals'
import { startCloud } from '../fakes/aws/cloud.ts'
import { TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { TEST_ROLE } from '../fakes/aws/sts.ts'
import type { NewTask, Task } from '../fakes/aws/tasks.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { argumentsOf, eventually, processesWith } from '../support/processes.ts'
import { type Bucket, LocalS3, testWithS3 } from '../support/s3.ts'
import type { StepResult } from '../support/step.ts'
import { STALL_MS } from '../support/timing.ts'
import type { RunningStep } from '../support/worker.ts'
import { commandTask, definition, polledEntryOf, runTasks } from './task-running.ts'

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
  folders: {
    readonly inputs?: readonly string[]
    readonly outputs?: readonly string[]
    readonly args?: readonly string[]
  },
): NewTask {
  const { inputs = [], outputs = [], args = [] } = folders
  const nodes = [
    ...inputs.map((uri, index) => ({ key: 'input', id: `Source${index}`, uri })),
    ...outputs.map((uri, index) => ({ key: 'output', id: `Target${index}`, uri })),
  ]
  return definition(
    [
      ['type', 'ShellCommandActivity'],
      script,
      ['stage', 'true'],
      ...args.map((arg) => ['scriptArgument', arg] as const),
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
  readonly onStart?: (step: RunningStep) => void
}

/** Runs a task, and those that the service has already, in a job of its own, of which nothing is left. */
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
    ...(options.onStart && { onStart: options.onStart }),
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
const MERGE = `#!/bin/bash
set -euo pipefail
if [[ "$1" != "load" || "\${11}" != "last" || -z "$AWS_ACCESS_KEY_ID" ]]; then
  echo "usage: $0 load … last" >&2
  exit 2
fi
printf '<%s>' "$@"
echo
cat "\${INPUT1_STAGING_DIR}/part 0.csv" "\${INPUT2_STAGING_DIR}"/*.csv > "\${OUTPUT1_STAGING_DIR}/all of it.csv"
mkdir -p "\${OUTPUT1_STAGING_DIR}/by day/ü"
cp "\${INPUT1_STAGING_DIR}"/nested/*/* "\${OUTPUT1_STAGING_DIR}/by day/ü"
cd "\${INPUT1_STAGING_DIR}"
find . -type f | LC_ALL=C sort > "\${OUTPUT2_STAGING_DIR}/list.txt"`

const DATA = {
  'scripts/täglich/load day.sh': MERGE,
  // The console makes such an object for a folder.
  'orders/2026-01-12/': '',
  'orders/2026-01-12/part 0.csv': 'a,1\n',
  'orders/2026-01-12/nested/tief/Übersicht 漢字.csv': 'ü,2\n',
  'orders/2026-01-12-old/part 0.csv': 'not this\n',
  'rates/eur & usd.csv': 'b,3\n',
}

testWithS3(
  'staging: a script with many arguments, two inputs and two outputs, and a log that has no bucket',
  async () => {
    const bucket = await bucketWith(DATA)
    const args = ['load', '2026-01-12', 's3://data/in', '--mode', 'full', '--mode', 'a b', '', '$HOME', '*', 'last']
    const task = stagingTask(['scriptUri', bucket.uri('scripts/täglich/load day.sh')], {
      inputs: [bucket.uri('orders/2026-01-12'), bucket.uri('rates/')],
      outputs: [bucket.uri('out/first'), bucket.uri('out/zweite Liste/')],
      args,
    })
    await using service = await LocalDataPipeline.start()
    const entry = await polledEntryOf(service, service.addTask(task))
    const env = { ...service.env(), ...(await startedS3()).env() }
    const inputs = { task: entry, 'from-definition': 'true', 'log-uri': `s3://${bucket.name}-not/logs` }
    const step = await runTasks(service, inputs, { env, limitMs: 50_000 })
    expect(step).toMatchObject({ exitCode: 0, stderr: '', outputs: { status: 'FINISHED', reported: 'true' } })
    expect(step.warnings).toEqual([expect.stringMatching(/^The output of the task is not in S3: .*NoSuchBucket/)])
    expect(step.stdout).toContain(`${args.map((arg) => `<${arg}>`).join('')}\n`)
    expect(await bucket.texts()).toEqual({
      ...DATA,
      'out/first/all of it.csv': 'a,1\nb,3\n',
      'out/first/by day/ü/Übersicht 漢字.csv': 'ü,2\n',
      'out/zweite Liste/list.txt': './nested/tief/Übersicht 漢字.csv\n./part 0.csv\n',
    })
    // Without a role, the credentials for S3 are those of the environment.
    expect(await bucket.signers()).toEqual([TEST_CREDENTIALS.accessKeyId])
  },
)

const JOB = {
  AWS_ACCESS_KEY_ID: 'AKIAI44QH8DHBEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY',
  AWS_SESSION_TOKEN: 'of-another-session',
  // The AWS CLI fails with each of these: keys that have expired, and a profile that is not there.
  AWS_CREDENTIAL_EXPIRATION: '2026-01-12T00:00:00Z',
  AWS_PROFILE: 'nobody',
}
const SEEN = 'echo "${AWS_ACCESS_KEY_ID-none} ${AWS_PROFILE-none}"'

// Our rule: for the AWS CLI a folder without objects is no error, and S3 has no other folders.
testWithS3(
  'staging: two tasks at a time, with folders of their own and the credentials of the role, beside those of the job',
  async () => {
    const bucket = await bucketWith({ 'one/in/name': 'one', 'other/file': '' })
    await using cloud = await startCloud()
    const taskOf = (name: string): NewTask =>
      stagingTask(['command', 'exit 1'], { inputs: [bucket.uri(`${name}/in`)], outputs: [bucket.uri(`${name}/out`)] })
    cloud.service.addTask(taskOf('one'))
    // The folder of the other is empty. A script of the workflow has them as well.
    const run = `${SEEN} > "$OUTPUT1_STAGING_DIR/seen"\n${[
      'sleep 0.5; cp -r "$INPUT1_STAGING_DIR/." "$OUTPUT1_STAGING_DIR"',
      'ls -A "$INPUT1_STAGING_DIR" | wc -l; [[ -z ${INPUT2_STAGING_DIR-} ]]',
    ].join('\n')}`
    const inputs = {
      'from-definition': 'false',
      run,
      'max-tasks': '2',
      parallel: '2',
      'role-to-assume': TEST_ROLE.arn,
    }
    const env = { ...cloud.env, ...JOB }
    const { step } = await runTask(taskOf('empty'), { inputs, service: cloud.service, env })
    expect(step).toMatchObject({ exitCode: 0, warnings: [], outputs: { finished: '2' } })
    const seen = `${JOB.AWS_ACCESS_KEY_ID} nobody\n`
    const theirs = { 'one/out/name': 'one', 'one/out/seen': seen, 'empty/out/seen': seen }
    expect(await bucket.texts()).toEqual({ 'one/in/name': 'one', 'other/file': '', ...theirs })
    expect(await bucket.signers()).toEqual([cloud.sts.requests[0]?.accessKeyId])
  },
)

interface Failure {
  readonly task: (bucket: Bucket) => NewTask
  readonly errorId: string
  /** Parts of the message. */
  readonly message: readonly string[]
  readonly hasRun: boolean
}
const RUN = ['command', 'echo "$DATAPIPELINE_TASK_ID has run"; touch "${OUTPUT1_STAGING_DIR-.}/file"'] as const
const scriptOf = (uri: string): NewTask => stagingTask(['scriptUri', uri], {})
const failures: readonly Failure[] = [
  {
    task: (bucket) => scriptOf(bucket.uri('no.sh')),
    errorId: 'TaskRunner:Staging',
    message: ['Could not copy "s3://', '/no.sh" to ', '"aws s3 cp" failed (exit code 1)', 'Key "no.sh" does not exist'],
    hasRun: false,
  },
  {
    task: (bucket) => stagingTask(RUN, { inputs: [`s3://${bucket.name}-not/in`] }),
    errorId: 'TaskRunner:Staging',
    message: ['-not/in/" to ', 'NoSuchBucket'],
    hasRun: false,
  },
  {
    task: (bucket) => stagingTask(RUN, { outputs: [`s3://${bucket.name}-not/out`] }),
    errorId: 'TaskRunner:Staging',
    message: ['-not/out/"', 'NoSuchBucket'],
    hasRun: true,
  },
  {
    // The AWS CLI can only copy it in part.
    task: (bucket) =>
      stagingTask(['command', `${RUN[1].split(';')[0]}; ln -s /nowhere "$OUTPUT1_STAGING_DIR/link"`], {
        outputs: [bucket.uri('out')],
      }),
    errorId: 'TaskRunner:Staging',
    message: ['"aws s3 cp" failed (exit code 2)', 'Skipping file'],
    hasRun: true,
  },
  {
    task: (bucket) => stagingTask([RUN[0], `${RUN[1]}; ${SEEN} >&2; exit 3`], { outputs: [bucket.uri('out')] }),
    errorId: 'TaskRunner:ExitCode',
    message: ['exit code 3'],
    hasRun: true,
  },
  {
    // One file.
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
]
testWithS3('staging that fails: the task is FAILED, and nothing is uploaded', async () => {
  const bucket = await bucketWith({ 'in/file': '' })
  await using cloud = await startCloud()
  const tasks = failures.map(({ task }) => cloud.service.addTask(task(bucket)))
  const { step } = await runTask(scriptOf(bucket.uri('no.sh')), {
    inputs: { 'max-tasks': String(tasks.length), parallel: '3', 'role-to-assume': TEST_ROLE.arn },
    service: cloud.service,
    // The job has no other credentials than those of the role, which a command does not get.
    env: cloud.env,
  })
  expect(step).toMatchObject({ exitCode: 1, outputs: { count: '6', failed: '6', status: 'FAILED' } })
  expect(step.stdout).toMatch(/none none$/m)
  expect(await bucket.signers()).toEqual([cloud.sts.requests[0]?.accessKeyId])
  for (const [at, { errorId, message, hasRun }] of failures.entries()) {
    const { taskId } = tasks[at] as Task
    const task = cloud.service.task(taskId)
    expect(task).toMatchObject({ status: 'FAILED', errorId })
    for (const part of message) expect(task.errorMessage).toContain(part)
    expect(step.stdout.includes(`${taskId} has run\n`)).toBe(hasRun)
  }
  expect(await bucket.keys()).toEqual(['in/file'])
})

testWithS3('staging without the AWS CLI: the task is FAILED', async () => {
  await using service = await LocalDataPipeline.start()
  const script = service.addTask(scriptOf('s3://bucket/in/file'))
  // The command could not be started either, which would be another error.
  const output = stagingTask(RUN, { outputs: ['s3://bucket/out'] })
  const { step, task } = await runTask(output, { service, inputs: { 'max-tasks': '2' }, env: { PATH: '/nowhere' } })
  expect(step).toMatchObject({ exitCode: 1, outputs: { count: '2', failed: '2' } })
  for (const { status, errorId, errorMessage } of [service.task(script.taskId), task]) {
    expect({ status, errorId }).toEqual({ status: 'FAILED', errorId: 'TaskRunner:Staging' })
    expect(errorMessage).toContain(
      'The AWS CLI is needed to copy files from and to S3, and there is no program "aws" in PATH.',
    )
  }
})

testWithS3('log-uri gets the whole output, large and of a task that failed', async () => {
  const bucket = await bucketWith()
  const prepare = `
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
echo "no entry in fstab" >&2
seq 1 170000; seq 200001 370000 >&2; printf "\\xff\\x00end"; exit 3`
  const task = commandTask(prepare, 'us-east-1', 'fs-0a1b2c3d', '/nowhere/load data', 'etl', 'nightly')
  const inputs = { 'log-uri': bucket.uri('logs/all/'), 'fail-on-task-failure': 'false' }
  const { step, task: ended } = await runTask(task, { inputs })
  expect(step).toMatchObject({ exitCode: 0, warnings: [], stderr: '' })
  expect(ended).toMatchObject({ status: 'FAILED', errorId: 'TaskRunner:ExitCode' })
  const folder = `logs/all/${ATTEMPT_FOLDER}`
  expect(await bucket.keys()).toEqual([`${folder}/StdError.gz`, `${folder}/StdOutput.gz`])
  const numbers = (from: number): string => Array.from({ length: 170_000 }, (_, index) => `${from + index}\n`).join('')
  const first = "mount fs-0a1b2c3d.efs.us-east-1.example at '/nowhere/load data'\ncheck nightly\ngive it to etl\n"
  const expected = {
    StdOutput: Buffer.concat([Buffer.from(first + numbers(1)), Buffer.from([0xff, 0]), Buffer.from('end')]),
    StdError: Buffer.from(`no entry in fstab\n${numbers(200_001)}`),
  }
  for (const [name, bytes] of Object.entries(expected)) {
    // Too long for a comparison that shows the difference.
    expect(gunzipSync(await bucket.get(`${folder}/${name}.gz`)).equals(bytes)).toBe(true)
    expect(bytes.length).toBeGreaterThan(1024 * 1024)
  }
})

/** A server that takes connections, and never responds. */
class SilentServer {
  readonly #server: Server = createServer((socket) => socket.on('error', () => undefined))

  static async start(): Promise<SilentServer> {
    const silent = new SilentServer()
    await once(silent.#server.listen(0, '127.0.0.1'), 'listening')
    return silent
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resolves when so many of the AWS CLI wait for it. */
  async connected(count: number): Promise<void> {
    for (let connections = 0; connections < count; connections++) await once(this.#server, 'connection')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Its clients have ended.
    this.#server.close()
  }
}

const uri = 's3://bucket/folder'
const input = stagingTask(['command', 'true'], { inputs: [uri] })
const output = stagingTask(['command', 'touch "$OUTPUT1_STAGING_DIR/file"'], { outputs: [uri] })
const script = stagingTask(['scriptUri', `${uri}/run.sh`], {})

testWithS3(
  'while the AWS CLI copies, heartbeats go on; a task that is canceled ends it, and is not reported',
  async () => {
    await using silent = await SilentServer.start()
    await using service = await LocalDataPipeline.start()
    const tasks = [input, output, script].map((task) => service.addTask(task))
    const { taskId } = tasks[2] as Task
    const beats = () => service.requestsFor('ReportTaskProgress').filter(({ body }) => body['taskId'] === taskId)
    let beatsBefore = 0
    const { step } = await runTask(commandTask('false'), {
      inputs: { 'heartbeat-seconds': '5', 'max-tasks': '3', parallel: '3' },
      env: { AWS_ENDPOINT_URL_S3: silent.url },
      service,
      async onStart() {
        await silent.connected(3)
        const isBeating = ({ progressReports }: Task): boolean => progressReports.length > 1
        await eventually(() => tasks.every((task) => isBeating(service.task(task.taskId))))
        for (const task of tasks) service.cancelTask(task.taskId)
        beatsBefore = beats().length
      },
    })
    expect(step).toMatchObject({ exitCode: 0, errors: [], outputs: { canceled: '3', status: '', reported: 'false' } })
    expect(step.stdout.match(/AWS Data Pipeline canceled the task/g)?.length).toBeGreaterThanOrEqual(3)
    expect(service.requestsFor('SetTaskStatus')).toEqual([])
    expect(beats().length).toBeLessThanOrEqual(beatsBefore + 1)
  },
)

testWithS3('while the AWS CLI copies, an input and a log, the job may be cancelled', async () => {
  await using silent = await SilentServer.start()
  await using service = await LocalDataPipeline.start()
  const { taskId } = service.addTask(input)
  let cancelledAt = 0
  const { step, task } = await runTask(commandTask('true'), {
    inputs: { 'log-uri': uri, 'max-tasks': '2', parallel: '2' },
    env: { AWS_ENDPOINT_URL_S3: silent.url },
    service,
    async onStart(running) {
      await silent.connected(2)
      cancelledAt = performance.now()
      running.kill('SIGINT')
    },
  })
  // The runner kills it after 7.5 s.
  expect(performance.now() - cancelledAt).toBeLessThan(7_500 + STALL_MS)
  expect(service.task(taskId)).toMatchObject({ status: 'FAILED', errorId: 'TaskRunner:JobCancelled' })
  expect(task.status).toBe('FINISHED')
  expect(step.outputs).toMatchObject({ failed: '1', finished: '1', reported: 'true' })
})
