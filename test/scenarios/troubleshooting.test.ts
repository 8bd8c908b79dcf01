import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { NO_CREDENTIALS } from '../fakes/aws/cloud.ts'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import {
  accessDenied,
  cutOff,
  expiredToken,
  type Fault,
  invalidRequest,
  lostReply,
  on,
  pipelineDeleted,
  pipelineNotFound,
  taskNotFound,
  throttle,
  unrecognizedClient,
} from '../fakes/aws/faults.ts'
import { LocalOidc } from '../fakes/aws/oidc.ts'
import { keysNotFetched, LocalSts, type LocalStsOptions, TEST_ROLE } from '../fakes/aws/sts.ts'
import { LocalGitHub } from '../fakes/github/local-github.ts'
import { REPOSITORY } from '../support/action-file.ts'
import { passTime } from '../support/called-step.ts'
import { perform } from '../support/perform.ts'
import { preloading } from '../support/preload.ts'
import { killAll } from '../support/processes.ts'
import { TlsFront } from '../support/proxy.ts'
import { runStep, type StepResult } from '../support/step.ts'
import { needsOf, reportFrom } from './asking-github.ts'
import { STATE_DENIED, startActivity } from './holding.ts'
import { type ReportingOptions, report, reportTo } from './reporting.ts'
import { definition, runTasks } from './task-running.ts'

/** What a message is, by the first words of the advice. */
const KINDS = { 'A warning': 'warnings', 'A notice': 'notices', 'In the log': 'log' } as const

/** A message that docs/troubleshooting.md says what to do about; a row of its table may have several. */
interface Entry {
  /** What the message says; `…` stands for what differs. */
  readonly saying: string
  readonly kind: (typeof KINDS)[keyof typeof KINDS] | 'errors'
}

/** The table of the messages of the actions. */
function entriesOf(document: string): Entry[] {
  const [, rows = ''] = /^\| the message says \|.*\n\| -.*\n((?:\|.*\n)+)/m.exec(document) ?? []
  return rows
    .trim()
    .split('\n')
    .flatMap((row) => {
      const [, says = '', advice = ''] = row.split(/(?<!\\)\|/).map((cell) => cell.trim())
      const kind = Object.entries(KINDS).find(([words]) => advice.startsWith(words))?.[1] ?? 'errors'
      return [...says.matchAll(/`([^`]+)`/g)].map(([, saying = '']) => ({ saying, kind }))
    })
}

/** The saying with anything, even nothing, for each `…`. */
function patternOf(saying: string): RegExp {
  const literally = (part: string): string => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return new RegExp(saying.split('…').map(literally).join('[\\s\\S]*'))
}

type Inputs = Readonly<Record<string, string>>

const TEMPORARY = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYTEMPORARY=',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE/session+token==',
}

/** The mistake that a saying is about, made as a user makes it, in a step that is called. */
const CALLED: Readonly<Record<string, () => Promise<StepResult>>> = {
  'Input "task-id" is empty': reportWith({ 'task-id': '' }),
  // What GitHub makes of `needs: ${{ needs }}`.
  'Invalid value … for input "needs". Expected the needs context': reportWith({ needs: 'Object' }),
  'Input "needs" is {}': reportWith({ needs: '{}' }),
  'Input "needs" is []': reportWith({ needs: '[]' }),
  'Input "allowed-…" names jobs, but "needs" has results without names': reportWith({
    needs: '["success"]',
    'allowed-skips': 'load',
  }),
  'Input "allowed-…" names "…", which this job does not need': reportWith({
    needs: needsOf({ load: 'success' }),
    'allowed-skips': 'Load',
  }),
  'Invalid value "…" for input "…". Expected …': reportWith({ status: 'skipped' }),
  "error-stack-trace-file: … can't be read": reportWith({ status: 'FAILED', 'error-stack-trace-file': 'no.log' }),
  'Some failure details are missing': async () => {
    await using github = await LocalGitHub.start()
    const { id } = github.addJob({ name: 'load' })
    github.injectFault('forbidden')
    return (await reportFrom(github, {}, { jobStatus: 'failure', checkRunId: id })).step
  },

  'Could not load credentials from any providers': reportWith({}, { env: NO_CREDENTIALS }),
  ExpiredTokenException: reportTrouble(expiredToken()),
  'AWS does not know these credentials': reportTrouble(unrecognizedClient()),
  AccessDeniedException: reportTrouble(accessDenied()),
  'Not authorized to perform sts:AssumeRoleWithWebIdentity': reportWithRole({
    sts: { roles: [{ ...TEST_ROLE, subject: /^repo:octo-org\/another:/ }] },
  }),
  InvalidIdentityToken: reportWithRole({ inputs: { audience: 'octo-org' } }),
  "Couldn't retrieve verification key from your identity provider": reportWithRole({
    inputs: { 'timeout-seconds': '4' },
    prepare: ({ sts }) => sts.keepInjectingFault(keysNotFetched()),
  }),
  'which this job has no permission to request': reportWith(
    { 'role-to-assume': TEST_ROLE.arn },
    { env: NO_CREDENTIALS },
  ),
  "GitHub no longer accepts this job's permission to request tokens": reportWithRole({
    env: { ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'expired' },
  }),
  "This runner can't reach GitHub's token service": reportWithRole({
    inputs: { 'timeout-seconds': '4' },
    prepare: ({ oidc }) => oidc.stop(),
  }),

  'No AWS region is set': reportWith({}, { env: { AWS_REGION: undefined } }),
  'AWS Data Pipeline is documented for …, not for …': async () => {
    await using service = await LocalDataPipeline.start({ region: 'eu-central-1' })
    return (await reportTo(service, { 'aws-region': 'eu-central-1' })).step
  },
  'No task for worker group': async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 50 })
    service.addTask({ workerGroup: 'nightly' })
    const inputs = { 'worker-group': 'Nightly', 'wait-seconds': '0' }
    return await perform({ action: 'poll-for-task', inputs, env: service.env() })
  },
  'A poll was cut off after … s while the service held it': async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(cutOff('gateway', 1_000))
    const inputs = { 'worker-group': 'ci', 'wait-seconds': '0' }
    const polling = perform({ action: 'poll-for-task', inputs, env: service.env() })
    await service.received('PollForTask')
    passTime(6_000)
    return await polling
  },
  TaskNotFoundException: reportTrouble(taskNotFound()),
  PipelineDeletedException: reportTrouble(pipelineDeleted()),
  PipelineNotFoundException: reportTrouble(pipelineNotFound()),
  InvalidRequestException: reportTrouble(invalidRequest()),
  'A report of … got no response': async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(lostReply())
    return (await reportTo(service)).step
  },
  'gave up after … attempts in … s (timeout-seconds)': reportTrouble(throttle(), { 'timeout-seconds': '8' }),
  'This machine does not trust the certificate of the endpoint': async () => {
    await using service = await LocalDataPipeline.start()
    await using front = await TlsFront.start(service.url)
    return (await reportTo(service, {}, { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: front.url } })).step
  },
  'is plain http, which reveals the session token': reportWith(
    {},
    { env: { AWS_ENDPOINT_URL_DATA_PIPELINE: 'http://pipeline.example' } },
  ),
  'gets no token, because it is not https': reportWith(
    { 'role-to-assume': TEST_ROLE.arn },
    { env: { ACTIONS_ID_TOKEN_REQUEST_URL: 'http://tokens.example', ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'a-token' } },
  ),
}

/** The mistakes of steps that start processes. */
const PROCESSES: Readonly<Record<string, () => Promise<StepResult>>> = {
  'Neither the input "worker-group" nor "task" is set': runnerWith({ run: 'true' }),
  'Both inputs "worker-group" and "task" are set': runnerWith({ 'worker-group': 'ci', task: '{}', run: 'true' }),
  'Neither the input "run" nor "from-definition" is set': runnerWith({ 'worker-group': 'ci' }),
  'Both inputs "run" and "from-definition" are set': runnerWith({
    'worker-group': 'ci',
    run: 'true',
    'from-definition': 'true',
  }),
  // What GitHub makes of `task: ${{ matrix.task }}`, and of an entry of another output.
  'Invalid value … for input "task". Expected a JSON object': runnerWith({ task: 'Object', run: 'true' }),
  'The input "task" has no valid "task-id"': runnerWith({ task: '{}', run: 'true' }),
  'No more tasks for worker group': async () => {
    await using service = await LocalDataPipeline.start({ pollHoldMs: 50 })
    return await runTasks(service, { run: 'true' })
  },
  'Reported FAILED for …': async () => {
    await using service = await LocalDataPipeline.start()
    service.addTask()
    return await runTasks(service, { run: 'exit 1' })
  },
  'has no preconditionTimeout, so it is tried for … minutes': async () => {
    await using service = await LocalDataPipeline.start()
    service.addTask({ texts: { type: 'ShellCommandPrecondition' } })
    return await runTasks(service, { run: 'true', 'run-preconditions': 'true' })
  },
  'of the definition is "…", and is not written': async () => {
    await using service = await LocalDataPipeline.start()
    const fields = { type: 'ShellCommandActivity', command: 'true', stdout: 's3://bucket/out' }
    service.addTask(definition(Object.entries(fields)))
    return await runTasks(service, { 'from-definition': 'true' })
  },
  'AWS Data Pipeline no longer has task …. Nothing is run': async () => {
    await using service = await LocalDataPipeline.start()
    return await runTasks(service, { task: '{"task-id":"ended"}', run: 'true' })
  },
  'Could not hold task …: AWS Data Pipeline canceled the task': async () => {
    await using service = await LocalDataPipeline.start()
    const { taskId } = service.addTask()
    service.cancelTask(taskId)
    using held = await startActivity(service, { 'task-id': taskId })
    return held.main
  },
  'The heartbeat process did not start': async () => {
    await using service = await LocalDataPipeline.start()
    const crash = 'if (process.argv[1].endsWith("heartbeat.js")) throw new Error("no room")'
    using held = await startActivity(service, {}, { env: preloading(crash) })
    return held.main
  },
  'The heartbeats were not started': async () => {
    await using service = await LocalDataPipeline.start()
    service.injectFault(accessDenied('ReportTaskProgress'))
    using held = await startActivity(service)
    return await held.post({ jobStatus: 'failure' })
  },
  'The heartbeat process ended early': async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service)
    killAll(held.job.heartbeats())
    return await held.post()
  },
  'Could not save the state for the post step: EACCES': async () => {
    await using service = await LocalDataPipeline.start()
    using held = await startActivity(service, {}, { env: preloading(STATE_DENIED) })
    return held.main
  },
  'The AWS credentials in the environment expire': async () => {
    await using service = await LocalDataPipeline.start({ credentials: [TEMPORARY] })
    using held = await startActivity(service, {}, { env: service.env(TEMPORARY) })
    await held.post()
    return held.main
  },
}

function reportWith(inputs: Inputs, options: ReportingOptions = {}): () => Promise<StepResult> {
  return async () => (await report(inputs, options)).step
}

function runnerWith(inputs: Inputs): () => Promise<StepResult> {
  return async () => await runStep({ action: 'task-runner', inputs })
}

interface RoleMistake {
  readonly inputs?: Inputs
  readonly env?: Readonly<Record<string, string>>
  readonly sts?: Partial<LocalStsOptions>
  readonly prepare?: (cloud: { readonly sts: LocalSts; readonly oidc: LocalOidc }) => unknown
}

/** A report by a role that is assumed with an OIDC token. */
function reportWithRole({ inputs, env, sts: options, prepare }: RoleMistake): () => Promise<StepResult> {
  return async () => {
    await using service = await LocalDataPipeline.start()
    await using oidc = await LocalOidc.start()
    await using sts = await LocalSts.start({ issuer: oidc, credentials: service.credentials, ...options })
    const variables = { ...oidc.env(), ...sts.env(), ...NO_CREDENTIALS, ...env }
    await prepare?.({ sts, oidc })
    return (await reportTo(service, { 'role-to-assume': TEST_ROLE.arn, ...inputs }, { env: variables })).step
  }
}

/** A report to a service that answers all SetTaskStatus so. */
function reportTrouble(fault: Fault, inputs: Inputs = {}): () => Promise<StepResult> {
  return async () => {
    await using service = await LocalDataPipeline.start()
    service.keepInjectingFault(on('SetTaskStatus', fault))
    return (await reportTo(service, inputs)).step
  }
}

const entries = entriesOf(readFileSync(join(REPOSITORY, 'docs', 'troubleshooting.md'), 'utf8'))

describe('the table of docs/troubleshooting.md', () => {
  test('and the mistakes made here are about the same messages', () => {
    expect(entries.map(({ saying }) => saying).sort()).toEqual(Object.keys({ ...CALLED, ...PROCESSES }).sort())
  })

  async function expectSaid({ saying, kind }: Entry, mistake: (() => Promise<StepResult>) | undefined): Promise<void> {
    const step = await mistake?.()
    expect(kind === 'log' ? [step?.stdout] : step?.[kind]).toContainEqual(expect.stringMatching(patternOf(saying)))
    // What is no error has not failed the step.
    expect(step?.exitCode).toBe(kind === 'errors' ? 1 : 0)
  }

  test.each(entries.filter(({ saying }) => !(saying in PROCESSES)))('$saying', async (entry) => {
    await expectSaid(entry, CALLED[entry.saying])
  })

  test.concurrent.each(entries.filter(({ saying }) => saying in PROCESSES))('$saying', async (entry) => {
    await expectSaid(entry, PROCESSES[entry.saying])
  })
})
