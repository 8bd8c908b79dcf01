import { spawn, spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LocalDataPipeline } from '../../fakes/aws/data-pipeline.ts'
import type { LocalGitHub } from '../../fakes/github/local-github.ts'
import { REPOSITORY } from '../../support/action-file.ts'
import { Job } from '../../support/job.ts'
import { node24 } from '../../support/node24.ts'
import { runStep, type StepOptions, type StepResult } from '../../support/step.ts'

/** What is measured: runs it once, with more environment variables, and returns the milliseconds from start to end. */
export interface Contestant {
  readonly key: string
  readonly title: string
  /** How the path of its script ends, for one that runs in Node. */
  readonly script?: string
  run(env?: Environment): Promise<number>
}

/** The services, and the addresses and the certificate by which they are reached over TLS. */
export interface Venue {
  readonly service: LocalDataPipeline
  readonly github: LocalGitHub
  readonly awsUrl: string
  readonly githubUrl: string
  /** The path of the file with the certificates. */
  readonly certificates: string
  /** A file for outputs of programs that are no steps. */
  readonly output: string
}

type Environment = Readonly<Record<string, string>>

/** The name of the worker group whose tasks are polled for. */
const WORKER_GROUP = 'bench'

/** Those that this machine can run, without a missing AWS CLI or boto3. */
export function contestants(venue: Venue): Contestant[] {
  const { service, certificates } = venue
  const aws: Environment = {
    ...service.env(),
    AWS_ENDPOINT_URL_DATA_PIPELINE: venue.awsUrl,
    NODE_EXTRA_CA_CERTS: certificates,
  }
  const list: Contestant[] = [
    {
      key: 'floor',
      title: 'floor: one request signed by hand, bare Node',
      script: 'floor.cjs',
      run: (env) =>
        timed([node24(), join(REPOSITORY, 'test', 'performance', 'bench', 'floor.cjs')], {
          ...aws,
          ...newTask(service),
          GITHUB_OUTPUT: venue.output,
          ...env,
        }),
    },
    {
      key: 'finished',
      title: 'root action, FINISHED',
      script: 'dist/index.js',
      run: (env) => report(venue, {}, { env: env ?? {} }, { taskStatus: 'FINISHED' }),
    },
    {
      key: 'failed',
      title: 'root action, FAILED, evidence of its own job',
      script: 'dist/index.js',
      run: (env) =>
        report(venue, {}, contextsOf(venue, 'work', 'failure', env), {
          taskStatus: 'FAILED',
          errorMessage: /failed in step "Run \.\/load\.sh"/,
        }),
    },
    {
      key: 'failed-needs',
      title: "root action, FAILED, evidence with a needed job's log and annotations",
      script: 'dist/index.js',
      run: (env) =>
        report(venue, { needs: NEEDS }, contextsOf(venue, 'report', 'success', env), {
          taskStatus: 'FAILED',
          errorMessage: /disk full/,
          errorStackTrace: /disk full/,
        }),
    },
    {
      key: 'activity',
      title: 'activity, main: acknowledged, heartbeat process ready',
      script: 'dist/activity.js',
      run: async (env) => (await activity(venue, env)).main.tookMs,
    },
    {
      key: 'activity-post',
      title: 'activity, post: reported by the heartbeat process',
      script: 'dist/activity-post.js',
      run: async (env) => (await activity(venue, {}, env)).post.tookMs,
    },
    {
      key: 'poll',
      title: 'poll-for-task, with a task waiting',
      script: 'dist/poll-for-task.js',
      async run(env) {
        service.addTask({ workerGroup: WORKER_GROUP })
        const inputs = { 'worker-group': WORKER_GROUP }
        const result = await runStep({ ...plain(venue, env), action: 'poll-for-task', inputs })
        return expectGreen(result).tookMs
      },
    },
  ]
  const forTheCli = { ...aws, AWS_CA_BUNDLE: certificates, AWS_DEFAULT_REGION: aws['AWS_REGION'] ?? '' }
  if (works('aws', '--version')) {
    list.push({
      key: 'aws-cli',
      title: 'AWS CLI: aws datapipeline set-task-status',
      run: (env) => {
        const { TASK_ID } = newTask(service)
        const args = ['datapipeline', 'set-task-status', '--task-id', TASK_ID, '--task-status', 'FINISHED']
        return timed(['aws', ...args], { ...forTheCli, ...env })
      },
    })
  }
  if (works('python3', '-c', 'import boto3')) {
    list.push({
      key: 'boto3',
      title: 'boto3 script',
      run: (env) =>
        timed(['python3', join(REPOSITORY, 'test', 'performance', 'bench', 'set_task_status.py')], {
          ...forTheCli,
          ...newTask(service),
          ...env,
        }),
    })
  }
  return list
}

/** Checks that the service received what a contestant should have sent. */
export function checkOutcome(service: LocalDataPipeline): void {
  const unfit = service.requests.filter(({ response }) => response?.status !== 200)
  if (unfit.length > 0) throw new Error(`the service refused ${unfit.length} requests`)
}

const NEEDS = JSON.stringify({ load: { result: 'failure', outputs: {} } })

function contextsOf({ github, githubUrl }: Venue, name: string, status: string, env: Environment = {}): Differences {
  const job = github.jobs.find((each) => each.name === name)
  return {
    contexts: { github: { token: github.token }, job: { status, check_run_id: job?.id } },
    env: { ...github.environment, GITHUB_API_URL: githubUrl, ...env },
  }
}

/** The environment of a user's step, without what the tests add to be quick. */
function plain(venue: Venue, env: Environment = {}): { env: Record<string, string | undefined> } {
  const { service, awsUrl, certificates } = venue
  const places = { AWS_ENDPOINT_URL_DATA_PIPELINE: awsUrl, NODE_EXTRA_CA_CERTS: certificates }
  return { env: { ...service.env(), ...places, NODE_COMPILE_CACHE: undefined, ...env } }
}

type Differences = Pick<StepOptions, 'contexts'> & { readonly env: Environment }

/** Runs a report and checks what arrived: a step that does less than it should is not a valid measurement. */
async function report(
  venue: Venue,
  inputs: Record<string, string>,
  { env, ...options }: Differences,
  expected: Readonly<Record<string, string | RegExp>>,
): Promise<number> {
  const { service } = venue
  const { taskId } = service.addTask()
  const result = await runStep({ ...options, ...plain(venue, env), inputs: { 'task-id': taskId, ...inputs } })
  const body = service.requestsFor('SetTaskStatus').at(-1)?.body ?? {}
  for (const [name, expectedValue] of Object.entries(expected)) {
    const is = String(body[name])
    if (typeof expectedValue === 'string' ? is !== expectedValue : !expectedValue.test(is)) {
      throw new Error(`${name} is ${JSON.stringify(is)}, not ${expectedValue}:\n${result.stdout}`)
    }
  }
  return expectGreen(result).tookMs
}

/** @param env of the main step @param ofPost more variables of the post step */
async function activity(
  venue: Venue,
  env: Environment = {},
  ofPost: Environment = {},
): Promise<{ main: StepResult; post: StepResult }> {
  const { taskId } = venue.service.addTask()
  using job = new Job()
  const options = { action: 'activity', inputs: { 'task-id': taskId } }
  const main = expectGreen(await job.main('activity', { ...options, ...plain(venue, env) }))
  const post = expectGreen(await job.post('activity', { ...options, ...plain(venue, ofPost) }))
  if (venue.service.task(taskId).status !== 'FINISHED') throw new Error(`the activity is not FINISHED:\n${post.stdout}`)
  job.end()
  return { main, post }
}

function expectGreen(result: StepResult): StepResult {
  if (result.exitCode !== 0) throw new Error(`the step failed:\n${result.stdout}\n${result.stderr}`)
  return result
}

function newTask(service: LocalDataPipeline): { TASK_ID: string } {
  return { TASK_ID: service.addTask().taskId }
}

function works(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function timed([command = '', ...args]: readonly string[], env: Environment): Promise<number> {
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const base = { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), AWS_EC2_METADATA_DISABLED: 'true' }
    const child = spawn(command, args, { env: { ...base, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(performance.now() - started)
      else reject(new Error(`${command} ended with ${code}:\n${stderr}`))
    })
  })
}
