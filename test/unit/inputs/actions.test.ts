// The inputs of each action as a whole: defaults, every input, and what is invalid.
import { describe, expect, test } from '@jest/globals'
import { readActivityReportInputs, readHeartbeatInputs } from '../../../src/inputs/activity.ts'
import { inputAdjustments } from '../../../src/inputs/aws.ts'
import { readPollForTaskInputs } from '../../../src/inputs/poll-for-task.ts'
import { readSetTaskStatusInputs } from '../../../src/inputs/set-task-status.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'

type Inputs = Readonly<Record<string, string>>

const from = (inputs: Inputs) => (name: string) => inputs[name] ?? ''
const ROLE = 'arn:aws:iam::123456789012:role/ci'

const NO_ERROR = {
  errorId: undefined,
  errorMessage: undefined,
  errorStackTrace: undefined,
  errorStackTraceFile: undefined,
}
const DEFAULT_REPORTING = { timeoutSeconds: 120, failOnError: true, dryRun: false, summary: true }
const DEFAULT_AWS = { region: undefined, role: undefined }

const REPORTING: Inputs = { 'timeout-seconds': '9', 'fail-on-error': 'false', 'dry-run': 'true', summary: 'false' }
const AWS: Inputs = { 'aws-region': 'eu-west-1', 'role-to-assume': ROLE, 'role-session-name': 'ci', audience: 'a' }
const ERROR: Inputs = {
  'error-id': 'E',
  'error-message': 'M',
  'error-stack-trace': 'T',
  'error-stack-trace-file': 'F',
}
const READ = {
  reporting: { timeoutSeconds: 9, failOnError: false, dryRun: true, summary: false },
  aws: { region: 'eu-west-1', role: { arn: ROLE, sessionName: 'ci', audience: 'a' } },
  error: { errorId: 'E', errorMessage: 'M', errorStackTrace: 'T', errorStackTraceFile: 'F' },
}

describe('the root action', () => {
  const read = (inputs: Inputs) => readSetTaskStatusInputs(from({ 'task-id': 't', 'job-status': 'success', ...inputs }))

  test('by default', () => {
    expect(read({})).toEqual({
      taskId: 't',
      status: { status: 'FINISHED', cause: { kind: 'job', outcome: 'success' } },
      error: NO_ERROR,
      evidence: { githubToken: undefined, checkRunId: undefined },
      aws: DEFAULT_AWS,
      reporting: DEFAULT_REPORTING,
    })
  })

  test('with every input', () => {
    const inputs = { status: 'Failed', 'github-token': 'g', 'check-run-id': '7', ...ERROR, ...AWS, ...REPORTING }
    expect(read(inputs)).toEqual({
      taskId: 't',
      status: { status: 'FAILED', cause: { kind: 'given' } },
      evidence: { githubToken: 'g', checkRunId: 7 },
      ...READ,
    })
  })

  test.each<[string, Inputs, object]>([
    ['the job failed', { 'job-status': 'failure' }, { status: 'FAILED', cause: { kind: 'job', outcome: 'failure' } }],
    ['a failed precondition', { 'job-status': 'failure', precondition: 'true' }, { status: 'FALSE' }],
    [
      'a failed composite action',
      { 'action-status': 'failure' },
      { status: 'FAILED', cause: { kind: 'job', outcome: 'failure', unlisted: 'composite-action' } },
    ],
    [
      'needed jobs, some of them allowed to fail',
      {
        needs:
          '{"a":{"result":"failure"},"b":{"result":"skipped"},"c":{"result":"cancelled"},"d":{"result":"success"}}',
        'allowed-failures': 'a',
        'allowed-skips': 'b',
      },
      {
        status: 'FAILED',
        cause: { kind: 'needs', jobs: [{ key: 'c', result: 'cancelled' }], passing: ['a', 'b', 'd'] },
      },
    ],
  ])('%s', (_name, inputs, status) => {
    expect(read(inputs).status).toMatchObject(status)
  })

  test.each(['0', '-1', '1.5', 'x', '12345678901234567'])('check-run-id %s counts as none', (id) => {
    expect(read({ 'check-run-id': id }).evidence.checkRunId).toBeUndefined()
  })

  test.each<[Inputs, RegExp]>([
    [{ 'task-id': '' }, /^Input "task-id" is empty\. Expected the task id from PollForTask\.$/],
    [
      { 'task-id': 'x'.repeat(2049) },
      /^Input "task-id" has 2049 characters \(it begins with "x{40}…"\)\. Expected at most 2048\.$/,
    ],
    [{ 'task-id': 'a\u001bb' }, /^Invalid value "a\\u001bb" for input "task-id"\. Expected no control characters/],
    [
      { status: 'done' },
      /^Invalid value "done" for input "status"\. Expected one of: FINISHED, FAILED, FALSE, success, /,
    ],
    [{ status: 'skipped' }, /for input "status"/],
    [
      { 'job-status': '' },
      /^Invalid value "" for input "job-status"\. Expected one of: success, failure, cancelled\. Omit it/,
    ],
    [{ 'job-status': 'skipped' }, /for input "job-status"/],
    [
      { 'action-status': 'skipped' },
      /for input "action-status"\. Expected one of: success, failure, cancelled\. Omit it/,
    ],
    [{ precondition: 'yes' }, /for input "precondition"/],
    [{ needs: 'x' }, /for input "needs"\. Expected the needs context/],
    [{ 'allowed-skips': 'a' }, /^Input "allowed-skips" is set, but "needs" is not\.$/],
    [{ status: 'FAILED', needs: 'x' }, /for input "needs"/],
    [{ 'aws-region': 'us_east' }, /for input "aws-region"\. Expected the pipeline's region/],
    [{ 'aws-region': '-us' }, /for input "aws-region"/],
    [{ 'aws-region': 'u'.repeat(64) }, /63 letters/],
    [{ 'role-to-assume': 'ci' }, /for input "role-to-assume"\. Expected the ARN of an IAM role/],
    [{ 'role-to-assume': ROLE.padEnd(2049, 'r') }, /2048 characters/],
    [{ 'role-to-assume': ROLE, audience: 'a'.repeat(1025) }, /for input "audience"\. Expected 1 to 1024 characters/],
    [{ 'timeout-seconds': '0' }, /a whole number from 1 to 3600/],
    [{ 'timeout-seconds': '3601' }, /a whole number from 1 to 3600/],
    [{ 'fail-on-error': '1' }, /for input "fail-on-error"/],
    [{ 'dry-run': '1' }, /for input "dry-run"/],
    [{ summary: '1' }, /for input "summary"/],
  ])('%j is invalid', (inputs, message) => {
    expect(() => read(inputs)).toThrow(ConfigurationError)
    expect(() => read(inputs)).toThrow(message)
  })
})

describe('activity', () => {
  test('by default', () => {
    expect(readActivityReportInputs(from({ 'task-id': 't' }))).toEqual({
      taskId: 't',
      precondition: false,
      error: NO_ERROR,
      aws: DEFAULT_AWS,
      reporting: DEFAULT_REPORTING,
      report: true,
    })
    expect(readHeartbeatInputs(from({ 'job-status': 'success' }))).toEqual({
      evidence: { githubToken: undefined, checkRunId: undefined },
      jobToken: undefined,
      heartbeatSeconds: 60,
      onCancel: 'ignore',
      maxLifetimeMinutes: 7200,
    })
  })

  test('with every input', () => {
    const inputs = { 'task-id': 't', precondition: 'true', report: 'false', ...ERROR, ...AWS, ...REPORTING }
    expect(readActivityReportInputs(from(inputs))).toEqual({ taskId: 't', precondition: true, report: false, ...READ })
    const others = {
      'job-status': 'failure',
      'github-token': 'g',
      'check-run-id': '7',
      'job-token': 'j',
      'heartbeat-seconds': '5',
      'on-cancel': 'cancel-run',
      'max-lifetime-minutes': '1',
    }
    expect(readHeartbeatInputs(from(others))).toEqual({
      evidence: { githubToken: 'g', checkRunId: 7 },
      jobToken: 'j',
      heartbeatSeconds: 5,
      onCancel: 'cancel-run',
      maxLifetimeMinutes: 1,
    })
  })

  test.each<[Inputs, RegExp]>([
    [{ 'job-status': '' }, /for input "job-status"/],
    [{ 'heartbeat-seconds': '4' }, /a whole number from 5 to 300/],
    [{ 'heartbeat-seconds': '301' }, /a whole number from 5 to 300/],
    [{ 'max-lifetime-minutes': '7201' }, /a whole number from 1 to 7200/],
    [{ 'on-cancel': 'stop' }, /^Invalid value "stop" for input "on-cancel"\. Expected ignore or cancel-run\.$/],
  ])('%j is invalid', (inputs, message) => {
    expect(() => readHeartbeatInputs(from({ 'job-status': 'success', ...inputs }))).toThrow(message)
  })

  test.each<[Inputs, RegExp]>([
    [{ 'task-id': '' }, /Input "task-id" is empty/],
    [{ report: 'no' }, /for input "report"/],
    [{ precondition: 'no' }, /for input "precondition"/],
  ])('%j is invalid for its report', (inputs, message) => {
    expect(() => readActivityReportInputs(from({ 'task-id': 't', ...inputs }))).toThrow(message)
  })
})

describe('poll-for-task', () => {
  const read = (inputs: Inputs) => readPollForTaskInputs(from({ 'worker-group': 'g', ...inputs }))

  test('by default', () => {
    expect(read({})).toEqual({
      workerGroup: 'g',
      waitSeconds: 90,
      maxTasks: 1,
      hostname: undefined,
      taskrunnerId: undefined,
      jobTotal: 1,
      aws: DEFAULT_AWS,
      reporting: DEFAULT_REPORTING,
    })
  })

  test('with every input', () => {
    const inputs = { 'wait-seconds': '0', 'max-tasks': '256', hostname: 'h', 'taskrunner-id': 'r', 'job-total': '3' }
    expect(read({ ...inputs, ...AWS, ...REPORTING })).toEqual({
      workerGroup: 'g',
      waitSeconds: 0,
      maxTasks: 256,
      hostname: 'h',
      taskrunnerId: 'r',
      jobTotal: 3,
      aws: READ.aws,
      reporting: READ.reporting,
    })
  })

  test.each(['0', '-1', '257', 'x', ''])('job-total %j counts as one job', (total) => {
    expect(read({ 'job-total': total }).jobTotal).toBe(1)
  })

  test.each<[Inputs, RegExp]>([
    [
      { 'worker-group': '' },
      /^Input "worker-group" is empty\. Expected the workerGroup of the activities, in the same case\.$/,
    ],
    [{ 'worker-group': 'g'.repeat(1025) }, /1 to 1024 characters/],
    [{ hostname: 'h\u0007' }, /for input "hostname"/],
    [{ 'taskrunner-id': 'r'.repeat(1025) }, /for input "taskrunner-id"/],
    [{ 'wait-seconds': '432001' }, /a whole number from 0 to 432000/],
    [{ 'max-tasks': '0' }, /a whole number from 1 to 256/],
    [{ 'max-tasks': '257' }, /a whole number from 1 to 256/],
  ])('%j is invalid', (inputs, message) => {
    expect(() => read(inputs)).toThrow(message)
  })
})

describe('a session name that STS rejects', () => {
  test.each<[string, Inputs, string[]]>([
    [
      'is replaced, with one sentence',
      { 'role-to-assume': ROLE, 'role-session-name': 'dependabot[bot]' },
      ['dependabot-bot'],
    ],
    ['is no matter without a role', { 'role-session-name': 'dependabot[bot]' }, []],
    ['is not there', { 'role-to-assume': ROLE, 'role-session-name': 'ci' }, []],
  ])('%s', (_name, inputs, names) => {
    const adjustments = inputAdjustments(from(inputs))
    expect(adjustments).toEqual(names.map((name) => expect.stringContaining(`The session is named "${name}".`)))
    const { aws } = readSetTaskStatusInputs(from({ 'task-id': 't', 'job-status': 'success', ...inputs }))
    if (names.length > 0) expect(aws.role?.sessionName).toBe(names[0])
  })
})
