import { describe, expect, test } from '@jest/globals'
import { CallError } from '../../../src/aws/call-with-retry.ts'
import { classify } from '../../../src/aws/classify.ts'
import { type ErrorContext, explainError } from '../../../src/aws/explain-error.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'

const CONTEXT: ErrorContext = { aws: { region: undefined, role: undefined }, region: 'us-east-1', env: {} }

interface Options {
  readonly outcomeUnknown?: boolean
  readonly origin?: string
  readonly spent?: boolean
}

function callError(cause: Error, { outcomeUnknown = false, origin, spent = false }: Options = {}): CallError {
  const budget = spent ? { budgetMs: 120_000, input: 'timeout-seconds', isShortened: false } : undefined
  return new CallError(classify(cause), { attempts: 5, outcomeUnknown, origin, cause }, budget)
}

function awsError(name: string, requestId?: string): Error {
  return Object.assign(new Error('oops'), { name, $metadata: { httpStatusCode: 400, requestId } })
}

test('what happened, the request id and one hint', () => {
  const text = explainError(callError(awsError('TaskNotFoundException', 'r-1')), CONTEXT)
  expect(text).toMatch(/^TaskNotFoundException: oops\. Request id: r-1\. Check the input task-id\./)
})

test('a spent budget: the attempts, the budget and its input', () => {
  const text = explainError(callError(awsError('ThrottlingException'), { spent: true }), CONTEXT)
  expect(text).toMatch(
    /^gave up after 5 attempts in 120 s \(timeout-seconds\)\. Last error: ThrottlingException: oops\. If/,
  )
})

describe('a response that was lost', () => {
  test.each([
    ['SetTaskStatus', / One attempt got no response and may have succeeded\. /],
    ['ReportTaskProgress', / One attempt got no response and may have succeeded\. /],
    ['PollForTask', / If it had a task, another poll gets that after two minutes\. /],
  ] as const)('of %s', (operation, expected) => {
    const error = callError(awsError('InternalServiceError'), { outcomeUnknown: true })
    expect(explainError(error, { ...CONTEXT, operation })).toMatch(expected)
  })

  test('of none: no word of it', () => {
    expect(explainError(callError(awsError('InternalServiceError')), CONTEXT)).not.toContain('may have')
  })
})

test('the hint of a configuration error, however deep, goes before all others', () => {
  const cause = new Error('no', { cause: new ConfigurationError('wrong', { hint: 'Do this.' }) })
  expect(explainError(callError(cause), CONTEXT)).toMatch(/ Do this\.$/)
})

test('an address that is none', () => {
  const cause = Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL' })
  expect(explainError(callError(cause), CONTEXT)).toMatch(/A setting is not an address/)
})

test.each([
  ['the environment', {}, {}, /^AccessDeniedException: oops\. Allow the call/],
  ['a profile', {}, { AWS_PROFILE: 'ci' }, /those of the profile "ci", which AWS_PROFILE names/],
])('credentials of %s', (_name, aws, env, expected) => {
  const context = { ...CONTEXT, aws: { ...CONTEXT.aws, ...aws }, env }
  expect(explainError(callError(awsError('AccessDeniedException')), context)).toMatch(expected)
})

test('the credentials of another process that made the call, and not those of this one', () => {
  const source = { usesRole: false, profile: { name: 'held', variable: 'AWS_PROFILE' } } as const
  const cause = awsError('AccessDeniedException')
  const error = new CallError(classify(cause), { attempts: 1, outcomeUnknown: false, source, cause })
  const text = explainError(error, { ...CONTEXT, env: { AWS_PROFILE: 'own' } })
  expect(text).toMatch(/those of the profile "held"/)
  expect(text).not.toContain('own')
})

test.each([
  ['an error', new Error('oops'), 'oops'],
  ['a configuration error', new ConfigurationError('wrong', { hint: 'Do this.' }), 'wrong Do this.'],
  ['anything', 'oops', 'oops'],
])('%s that no call threw', (_name, error, expected) => {
  expect(explainError(error, CONTEXT)).toBe(expected)
})
