// With whose credentials a decision is sent, and where to.
import { describe, expect, jest, test } from '@jest/globals'
import type { SendOptions, Session } from '../../../src/activity/arbiter.ts'
import type { StaticCredentials } from '../../../src/activity/heartbeat-message.ts'
import type { DataPipeline } from '../../../src/aws/data-pipeline.ts'
import { CredentialsError } from '../../../src/aws/errors.ts'
import type { Runner } from '../../../src/github/runner.ts'
import { Deadline } from '../../../src/util/deadline.ts'
import { FakeClock } from '../../support/fake-clock.ts'

type Answer = Error | 'accepted'

/** A Data Pipeline that answers so, one request after the other, and accepts all further ones. */
function pipeline(answers: Answer[], region = 'us-east-1') {
  const requests: unknown[] = []
  const next = (): void => {
    const answer = answers.shift() ?? 'accepted'
    if (answer !== 'accepted') throw answer
  }
  const hasCredentials = (): boolean => !(answers[0] instanceof CredentialsError)
  return {
    requests,
    region,
    unusualOrigin: undefined,
    source: undefined,
    credentials: async () => (hasCredentials() ? {} : next()),
    renewCredentials: async () => false,
    hasNewSession: () => true,
    async setTaskStatus(request: unknown, { onSend }: { onSend?: () => void }) {
      onSend?.()
      requests.push(request)
      next()
      return { requestId: 'r' }
    },
    close: jest.fn(),
  }
}

let ofTheStep = pipeline([])
const connectDataPipeline = jest.fn(async (..._given: unknown[]) => ofTheStep)
jest.unstable_mockModule('../../../src/aws/client.ts', () => ({ connectDataPipeline }))
const { decisionSender } = await import('../../../src/activity/decision-sender.ts')

const OWN: StaticCredentials = { accessKeyId: 'ASIALATER', secretAccessKey: 'secret', sessionToken: 'token' }
const SECRET = 'wJalrXUtnFEMI/K7MDENG'
const refusal = (name: string): Error => Object.assign(new Error(`no, ${SECRET}`), { name })
const missing = (cause: string): Error => new CredentialsError('No AWS credentials', { cause: refusal(cause) })

interface Scene {
  /** What the service says to the credentials that hold the task. */
  readonly held?: Answer[]
  /** And to those of the step. */
  readonly own?: Answer[]
  /** Undefined: the step has none. */
  readonly credentials?: () => Promise<StaticCredentials | undefined>
  /** No step waits for it. */
  readonly isLoss?: boolean
  readonly mayHaveLanded?: boolean
}

/** Sends a decision, and gives what became of it. */
async function send({ held = [], own = [], credentials = async () => OWN, isLoss, mayHaveLanded = false }: Scene) {
  connectDataPipeline.mockClear()
  ofTheStep = pipeline(own)
  const holding = pipeline(held)
  const clock = new FakeClock()
  const said: unknown[] = []
  const session: Session = {
    turn: 1,
    log: (_level, text) => void said.push(text),
    credentials: jest.fn(credentials),
    mayHaveLanded: (value) => void said.push(value),
  }
  const runner = { secrets: [SECRET], log: {}, redact: (text: string) => text.replaceAll(SECRET, '***') }
  const logged: string[] = []
  const sender = decisionSender({
    taskId: 't',
    dataPipeline: holding as unknown as DataPipeline,
    runner: runner as unknown as Runner,
    log: (line) => logged.push(line),
  })
  const options: SendOptions = {
    deadline: new Deadline(clock, 60_000),
    isStillWanted: () => true,
    mayHaveLanded,
    session: isLoss ? undefined : session,
  }
  const fields = { errorId: 'Nightly:Root', errorMessage: `failed with ${SECRET}` }
  const sending = sender({ by: 'step', status: 'FAILED', versions: [fields] }, options)
  const outcome = await clock.run(sending.catch((thrown: unknown) => thrown))
  return { outcome, holding, other: ofTheStep, session, said, logged }
}

const SENT = { taskId: 't', taskStatus: 'FAILED', errorId: 'Nightly:Root', errorMessage: expect.any(String) }

test('the credentials that hold the task do: those of the step are not asked for, and no secret is sent', async () => {
  const { outcome, holding, session } = await send({})
  expect(outcome).toMatchObject({ requestId: 'r', attempts: 1, presumed: false })
  expect(holding.requests).toEqual([SENT])
  expect(JSON.stringify(holding.requests)).not.toContain(SECRET)
  expect(session.credentials).not.toHaveBeenCalled()
})

test('what goes wrong meanwhile is told to the step, without secrets', async () => {
  const { outcome, said, logged } = await send({ held: [refusal('ThrottlingException')] })
  expect(outcome).toMatchObject({ attempts: 2 })
  expect(said).toEqual([true, false, expect.stringMatching(/Attempt 1 failed: no, \*\*\*\. Trying again/), true])
  expect(logged).toHaveLength(1)
})

describe('the credentials that hold the task', () => {
  test.each([
    ['expired', refusal('ExpiredTokenException')],
    ['are unknown', refusal('UnrecognizedClientException')],
    ['may not report', refusal('AccessDeniedException')],
    ['are missing', missing('CredentialsProviderError')],
  ])('%s: those of the step are used at once, in the region where the task is held', async (_name, error) => {
    const { outcome, holding, other } = await send({ held: [error] })
    expect(outcome).toMatchObject({ requestId: 'r', attempts: 1 })
    expect(holding.requests.length).toBeLessThanOrEqual(1)
    expect(other.requests).toEqual([SENT])
    const aws = { region: 'us-east-1', role: undefined }
    expect(connectDataPipeline).toHaveBeenCalledWith(aws, expect.objectContaining({ requestLimitMs: 10_000 }), OWN)
    expect(other.close).toHaveBeenCalled()
  })

  test('are refused, and the step has none, or is lost: those that hold the task are tried again', async () => {
    const held = (): Answer[] => [refusal('UnrecognizedClientException'), refusal('UnrecognizedClientException')]
    expect((await send({ held: held(), credentials: async () => undefined })).outcome).toMatchObject({ attempts: 2 })
    const { outcome, session } = await send({ held: held(), isLoss: true })
    expect(outcome).toMatchObject({ attempts: 3 })
    expect(session.credentials).not.toHaveBeenCalled()
  })

  test('are refused, and the step hangs while it gets its own: its time is over', async () => {
    const held = [refusal('ExpiredTokenException')]
    const { outcome, other } = await send({ held, credentials: () => new Promise(() => {}) })
    expect(outcome).toMatchObject({ timeSpent: true, failure: { kind: 'credentials-expired' } })
    expect(other.requests).toEqual([])
  })

  test('do not matter to what the service finds wrong', async () => {
    const { outcome, session } = await send({ held: [refusal('TaskNotFoundException')] })
    expect(outcome).toMatchObject({ failure: { kind: 'task-not-found' } })
    expect(session.credentials).not.toHaveBeenCalled()
  })
})

describe('the credentials of the step', () => {
  const UNKNOWN = 'UnrecognizedClientException'

  test.each([
    ['are unknown', UNKNOWN],
    ['may not report', 'AccessDeniedException'],
    ['are of an account without the task', 'TaskNotFoundException'],
  ])('%s, and the others may recover: it is sent with those', async (_name, answer) => {
    for (const first of [refusal(UNKNOWN), missing('InternalServiceError'), missing('AccessDeniedException')]) {
      const { outcome, holding, other } = await send({ held: [first], own: Array(9).fill(refusal(answer)) })
      expect(outcome).toMatchObject({ requestId: 'r' })
      expect(holding.requests.at(-1)).toEqual(SENT)
      expect(other.close).toHaveBeenCalled()
    }
  })

  test.each([
    ['with those that hold the task expired', 'ExpiredTokenException', 'TaskNotFoundException', 'task-not-found'],
    ['as the request is invalid', UNKNOWN, 'InvalidRequestException', 'invalid-request'],
  ])('are refused, %s: nothing else is tried', async (_name, first, second, kind) => {
    const { outcome, holding } = await send({ held: [refusal(first)], own: [refusal(second)] })
    expect(outcome).toMatchObject({ failure: { kind } })
    expect(holding.requests).toHaveLength(1)
  })
})

test('an attempt that had no response: that the task is not found means that the report landed', async () => {
  const landed = await send({ held: [refusal('TaskNotFoundException')], mayHaveLanded: true })
  expect(landed.outcome).toMatchObject({ presumed: true })
  expect(landed.said[0]).toBe(true)
  const other = await send({
    held: [refusal('AccessDeniedException')],
    own: [refusal('TaskNotFoundException')],
    mayHaveLanded: true,
  })
  expect(other.outcome).toMatchObject({ presumed: true })
})
