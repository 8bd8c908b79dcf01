import fc from 'fast-check'
import { ENCODERS } from '../support/secret-windows.ts'
import { anyLongText, anyText } from '../support/texts.ts'
import { GIVEN_SECRETS } from './credential-source.ts'

/** Credentials of the job; the first one is also in the texts. */
export const SECRETS = {
  AWS_SECRET_ACCESS_KEY: 'SECRET-abc/def+',
  AWS_SESSION_TOKEN: 'FwoGZXIvYXdzEJr//session/token+==',
  GITHUB_TOKEN: 'ghs_jobTokenJobTokenJobToken',
  ACTIONS_RUNTIME_TOKEN: 'runtime.token.runtime-token',
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'oidc.request.token-token',
} as const

/** The value of the input github-token. */
export const INPUT_TOKEN = 'ghs_inputTokenInputTokenInput'

export const ALL_SECRETS: readonly string[] = [...Object.values(SECRETS), INPUT_TOKEN]

/** A text that is valid in an environment variable: no NUL, no broken Unicode. */
export function asVariable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed()
}

/** A text without the job's credentials, as a task id is sent unchanged. */
function withoutSecrets(text: string): string {
  return text.replaceAll(/SECRET-abc(?:\/|%2F)def(?:\+|%2B)/g, '')
}

/** A secret in any form, or the rest of a truncated one. */
function anyFormOf(secrets: readonly string[]): fc.Arbitrary<string> {
  const cut = fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, { arbitrary: fc.nat(20), weight: 1 })
  return fc
    .tuple(fc.constantFrom(...secrets), fc.constantFrom(...Object.values(ENCODERS)), cut, cut)
    .map(([secret, encode, left, right]) => {
      const form = encode(secret)
      return form.slice(left, form.length - right)
    })
}

/** Texts with secrets, some of them where texts are truncated: in an error, an id, a summary, an error text. */
export function withSecrets(secrets: readonly string[]): fc.Arbitrary<string> {
  const before = fc.oneof(
    anyText,
    fc.integer({ min: 10, max: 600 }).map((length) => 'x'.repeat(length)),
  )
  return fc
    .tuple(
      before,
      fc.array(anyFormOf(secrets), { minLength: 1, maxLength: 60 }),
      fc.constantFrom('', ' ', '\n', '\u001b[0m'),
      anyText,
    )
    .map(([head, forms, gap, tail]) => [head, ...forms, tail].join(gap))
}

/** Texts that people write, or that get into an input by mistake: control characters, workflow commands, credentials. */
export const variable = fc.oneof(anyText, withSecrets(ALL_SECRETS)).map(asVariable)
export const longVariable = fc.oneof(anyLongText, withSecrets(ALL_SECRETS)).map(asVariable)

/** Texts of a report, which is sent when all of the secrets are known. */
const reportedText = fc.oneof(anyLongText, withSecrets([...ALL_SECRETS, ...GIVEN_SECRETS])).map(asVariable)

export const name = anyText.map((text) => withoutSecrets(asVariable(text)))
const longName = anyLongText.map((text) => withoutSecrets(asVariable(text)))

const sampleTaskId = fc
  .string({ unit: fc.constantFrom(...'abcXYZ019+/=:'), minLength: 1, maxLength: 1000 })
  .map((text) => text.trim() || 'a')

/** Mostly task ids, some of them unusual. */
export const taskId = fc.oneof(
  { arbitrary: sampleTaskId, weight: 12 },
  { arbitrary: name, weight: 1 },
  { arbitrary: longName, weight: 1 },
)

const boolean = fc.constantFrom('true', 'True', 'TRUE', 'false', 'False', 'FALSE', '')
const outcome = fc.constantFrom('success', 'failure', 'cancelled', 'skipped')
const jobKey = fc.constantFrom('build', 'test', 'load', 'constructor', '__proto__', 'a-b_c')
const needs = fc
  .oneof(
    fc.dictionary(jobKey, fc.record({ result: outcome, outputs: fc.constant({}) }), { minKeys: 1 }),
    fc.array(outcome, { minLength: 1 }),
  )
  .map((jobs) => JSON.stringify(jobs))

/** Each value is valid most of the time, so that an action accepts its inputs. */
function mostly(good: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof({ arbitrary: good, weight: 60 }, { arbitrary: variable, weight: 1 })
}

/** Nothing, most of the time, as a job that is not needed is rejected. */
function seldom(some: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof({ arbitrary: fc.constant(''), weight: 12 }, { arbitrary: some, weight: 1 })
}

const reporting = {
  precondition: mostly(boolean),
  'error-id': reportedText,
  'error-message': reportedText,
  'error-stack-trace': reportedText,
  'error-stack-trace-file': fc.constantFrom('', 'trace.log', 'missing.log', '.', '../temp', '::error::x\n'),
}

const common = {
  'aws-region': mostly(fc.constantFrom('us-east-1', 'eu-west-1', 'xx-north-9', '')),
  'timeout-seconds': mostly(fc.constantFrom('1', '30', '120', '3600')),
  'fail-on-error': mostly(boolean),
  'dry-run': mostly(fc.constantFrom('false', '', '', '', '', 'true')),
  summary: mostly(fc.constantFrom('true', 'true', 'false')),
}

const evidence = {
  'check-run-id': fc.constantFrom('', '0', '17', '90251632269', '-1', 'x', '9'.repeat(40)),
}

/** A `with:`. Missing inputs get the default of action.yml. */
function inputs(required: Record<string, fc.Arbitrary<string>>, optional: Record<string, fc.Arbitrary<string>>) {
  return fc
    .record({ ...required, ...optional }, { requiredKeys: Object.keys(required) })
    .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)))
}

export const setTaskStatusInputs = inputs(
  { 'task-id': taskId, 'github-token': fc.constant(INPUT_TOKEN) },
  {
    status: mostly(
      fc.constantFrom('', '', 'FINISHED', 'failed', 'False', 'success', 'failure', 'cancelled', 'timed_out'),
    ),
    needs: mostly(fc.oneof(fc.constant(''), needs)),
    'allowed-skips': seldom(fc.constantFrom('build', 'build,test', ' load \r\n')),
    'allowed-failures': seldom(fc.constantFrom('test', 'test\nload')),
    'job-status': mostly(fc.constantFrom('success', 'failure', 'cancelled', 'Failure')),
    ...reporting,
    ...common,
    ...evidence,
  },
)

export const pollForTaskInputs = inputs(
  { 'worker-group': fc.oneof({ arbitrary: fc.constant('ci'), weight: 4 }, { arbitrary: name, weight: 1 }) },
  {
    'wait-seconds': mostly(fc.constantFrom('0', '1', '5')),
    'max-tasks': mostly(fc.constantFrom('1', '2', '5', '256')),
    hostname: name,
    'taskrunner-id': fc.oneof(fc.constant(''), name),
    'job-total': mostly(fc.constantFrom('1', '3', '256')),
    ...common,
  },
)

export const activityInputs = inputs(
  { 'task-id': taskId, 'github-token': fc.constant(INPUT_TOKEN) },
  {
    'heartbeat-seconds': mostly(fc.constantFrom('5', '60', '300')),
    'on-cancel': mostly(fc.constantFrom('ignore', 'cancel-run')),
    'max-lifetime-minutes': mostly(fc.constantFrom('1', '7200')),
    report: mostly(fc.constantFrom('true', 'true', 'true', 'false')),
    'job-status': mostly(fc.constantFrom('success', 'failure', 'cancelled')),
    ...reporting,
    ...common,
    ...evidence,
  },
)

/** Any text in any input, also where it makes no sense. */
export function anyInputs(names: readonly string[]): fc.Arbitrary<Record<string, string>> {
  const word = fc.constantFrom(
    'true',
    'FALSE',
    '0',
    '1',
    '256',
    '432001',
    '1e3',
    ' 5',
    'success',
    'FAILED',
    'ignore',
    '{}',
  )
  return fc.dictionary(fc.constantFrom(...names), fc.oneof(word, longVariable, needs, taskId))
}
