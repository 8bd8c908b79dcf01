// Which of several decisions about the end of a task is sent, and what becomes of the others.
import { describe, expect, test } from '@jest/globals'
import { Arbiter, type ArbiterDependencies, type SendOptions, type Session } from '../../../src/activity/arbiter.ts'
import { CallError } from '../../../src/aws/call-with-retry.ts'
import { classify } from '../../../src/aws/classify.ts'
import type { Decision } from '../../../src/report/decision.ts'
import { Deadline } from '../../../src/util/deadline.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const of = (by: Decision['by'], status: Decision['status']): Decision => ({ by, status, versions: [{}] })
const LOSS = of('loss', 'FAILED')
const BUDGET_MS = 60_000

/** What the service says to a decision. */
const ACCEPTED = { requestId: 'r', attempts: 1, fields: {}, origin: undefined, presumed: false }

function refusal(name: string, { outcomeUnknown = false, isSpent = false, cause = new Error('oops') } = {}): CallError {
  const failure = classify(Object.assign(new Error('oops'), { name }))
  const spent = isSpent ? new Deadline(new FakeClock(), BUDGET_MS) : undefined
  return new CallError(failure, { attempts: 1, outcomeUnknown, cause }, spent)
}

/** The service was never reached in the time of the step. */
const spent = (outcomeUnknown = false): CallError => refusal('ThrottlingException', { isSpent: true, outcomeUnknown })

type Sending = SendOptions & { readonly decision: Decision; accept(): void; refuse(error: Error): void }

/** An arbiter whose requests the test answers. */
function bench({
  isCanceled = false,
  elsewhere = undefined as ReturnType<ArbiterDependencies['reportedElsewhere']>,
} = {}) {
  const sendings: Sending[] = []
  const reported: unknown[] = []
  let turns = 0
  const clock = new FakeClock()
  const arbiter = new Arbiter({
    clock,
    region: 'us-east-1',
    send: (decision, options) =>
      new Promise((resolve, reject) => {
        sendings.push({ ...options, decision, accept: () => resolve(ACCEPTED), refuse: reject })
      }),
    isCanceled: () => isCanceled,
    reportedElsewhere: () => elsewhere,
    onReported: (report) => reported.push(report),
  })
  const session = (turn = ++turns): Session => ({ turn }) as Session
  const decide = (decision: Decision, from = session()) => arbiter.decide(decision, BUDGET_MS, from)
  /** The request number `count`, once it was sent. */
  const sending = async (count: number): Promise<Sending> => {
    for (let turn = 0; turn < 20; turn++) await undefined
    expect(sendings).toHaveLength(count)
    return sendings[count - 1] as Sending
  }
  return {
    arbiter,
    clock,
    session,
    reported,
    sending,
    decide,
    lose: () => arbiter.decideLoss(LOSS, BUDGET_MS),
    /** A decision, and what became of it. */
    async settled(decision: Decision, error?: Error) {
      const result = decide(decision)
      const sent = await sending(sendings.length + 1)
      if (error === undefined) sent.accept()
      else sent.refuse(error)
      return result
    },
  }
}

describe('after a report', () => {
  test.each(['FINISHED', 'FAILED', 'FALSE'] as const)('of %s: post and a loss send nothing', async (status) => {
    const { settled, decide, lose, reported, sending, arbiter } = bench()
    expect(await settled(of('step', status))).toEqual({ outcome: 'sent', status, region: 'us-east-1', ...ACCEPTED })
    expect(reported).toEqual([{ by: 'step', status }])
    expect(arbiter.reported).toEqual({ by: 'step', status })
    expect(await decide(of('post', 'FAILED'))).toEqual({ outcome: 'not-needed', reason: 'reported' })
    expect(await lose()).toBeUndefined()
    await sending(1)
  })

  test('that a step made by itself: the same', async () => {
    const { decide, lose, sending } = bench({ elsewhere: { by: 'step', status: 'FALSE' } })
    expect(await decide(of('post', 'FAILED'))).toEqual({ outcome: 'not-needed', reason: 'reported' })
    expect(await lose()).toBeUndefined()
    await sending(0)
  })

  test('a later root action is sent, too: the user asked for it', async () => {
    const { settled, reported } = bench()
    await settled(of('step', 'FINISHED'))
    expect(await settled(of('step', 'FAILED'))).toMatchObject({ outcome: 'sent', status: 'FAILED' })
    expect(reported).toEqual([
      { by: 'step', status: 'FINISHED' },
      { by: 'step', status: 'FAILED' },
    ])
  })
})

describe('the service has canceled the task', () => {
  test('post and a loss send nothing; a root action is sent', async () => {
    const { decide, lose, settled } = bench({ isCanceled: true })
    expect(await decide(of('post', 'FAILED'))).toEqual({ outcome: 'not-needed', reason: 'canceled' })
    expect(await lose()).toBeUndefined()
    expect(await settled(of('step', 'FAILED'))).toMatchObject({ outcome: 'sent' })
  })

  test('what a root action has decided before is sent after a loss', async () => {
    const { lose, settled, sending } = bench({ isCanceled: true })
    await settled(of('step', 'FALSE'), spent())
    const losing = lose()
    const sent = await sending(2)
    expect(sent.decision.status).toBe('FALSE')
    sent.accept()
    expect(await losing).toMatchObject({ outcome: 'sent', status: 'FALSE' })
  })
})

describe('of two steps', () => {
  test('the later replaces the one that is being sent, which is told to stop', async () => {
    const { decide, sending } = bench()
    const first = decide(of('step', 'FINISHED'))
    const { deadline, isStillWanted, refuse } = await sending(1)
    expect([deadline.remaining(), isStillWanted()]).toEqual([BUDGET_MS, true])
    const second = decide(of('step', 'FAILED'))
    expect([deadline.remaining(), isStillWanted()]).toEqual([0, false])
    refuse(spent())
    expect(await first).toEqual({ outcome: 'superseded' })
    const sent = await sending(2)
    expect(sent.decision.status).toBe('FAILED')
    expect(sent.isStillWanted()).toBe(true)
    sent.accept()
    expect(await second).toMatchObject({ outcome: 'sent', status: 'FAILED' })
  })

  test('of three, the second is not sent at all', async () => {
    const { decide, sending } = bench()
    const first = decide(of('step', 'FINISHED'))
    const { refuse } = await sending(1)
    const [second, third] = (['FAILED', 'FALSE'] as const).map((status) => decide(of('step', status)))
    refuse(spent())
    const sent = await sending(2)
    expect(sent.decision.status).toBe('FALSE')
    sent.accept()
    expect([await first, await second]).toEqual([{ outcome: 'superseded' }, { outcome: 'superseded' }])
    expect(await third).toMatchObject({ outcome: 'sent', status: 'FALSE' })
  })

  test('a root action that began earlier, and arrives later, is not sent; a post step is', async () => {
    const { decide, settled, session, sending } = bench()
    const [early, earlyPost] = [session(), session()]
    await settled(of('step', 'FINISHED'), spent())
    expect(await decide(of('step', 'FAILED'), early)).toEqual({ outcome: 'superseded' })
    void decide(of('post', 'FAILED'), earlyPost)
    expect((await sending(2)).decision.by).toBe('post')
  })
})

describe('a decision that the service may not have', () => {
  test.each([
    ['FINISHED', 'FINISHED', 'step'],
    ['FINISHED', 'FAILED', 'post'],
    ['FINISHED', 'FALSE', 'post'],
    ['FAILED', 'FINISHED', 'step'],
    ['FALSE', 'FAILED', 'step'],
  ] as const)('root %s, and post %s: that of %s', async (root, post, by) => {
    const { settled, decide, sending } = bench()
    expect(await settled(of('step', root), spent())).toMatchObject({ outcome: 'failed', timeSpent: true })
    void decide(of('post', post))
    expect((await sending(2)).decision).toEqual(of(by, by === 'step' ? root : post))
  })

  test.each([
    ['as the time is over', true, spent()],
    ['with its credentials', true, refusal('AccessDeniedException')],
    ['for good', false, refusal('InvalidRequestException')],
    ['as there is no such task', false, refusal('TaskNotFoundException')],
  ])('refused %s, which leaves it open: %s', async (_name, isOpen, error) => {
    const { settled, lose, sending } = bench()
    await settled(of('step', 'FALSE'), error)
    void lose()
    expect((await sending(2)).decision).toEqual(isOpen ? of('step', 'FALSE') : LOSS)
  })

  test('whose attempt had no response: that is known when it is sent again, and not of another', async () => {
    const { settled, decide, lose, sending } = bench()
    await settled(of('step', 'FALSE'), spent(true))
    void decide(of('post', 'FAILED'))
    const again = await sending(2)
    expect(again).toMatchObject({ decision: of('step', 'FALSE'), mayHaveLanded: true })
    again.refuse(spent())
    void lose()
    const third = await sending(3)
    expect(third.mayHaveLanded).toBe(true)
    third.refuse(spent())
    void decide(of('step', 'FINISHED'))
    expect((await sending(4)).mayHaveLanded).toBe(false)
  })

  test('says how it failed, with the hint', async () => {
    const { settled } = bench()
    const cause = new ConfigurationError('wrong', { hint: 'Do this.' })
    expect(await settled(of('step', 'FAILED'), refusal('InvalidRequestException', { cause }))).toEqual({
      outcome: 'failed',
      failure: expect.objectContaining({ kind: 'invalid-request' }),
      attempts: 1,
      timeSpent: false,
      outcomeUnknown: false,
      origin: undefined,
      source: undefined,
      hint: 'Do this.',
      region: 'us-east-1',
    })
  })
})

describe('a loss', () => {
  test('is sent in half of the time, by no step', async () => {
    const { lose, sending, arbiter } = bench()
    const losing = lose()
    const sent = await sending(1)
    expect(sent).toMatchObject({ decision: LOSS, session: undefined })
    expect(sent.deadline.remaining()).toBe(BUDGET_MS / 2)
    expect(arbiter.isBusy).toBe(true)
    sent.accept()
    expect(await losing).toMatchObject({ outcome: 'sent' })
    expect(arbiter.isBusy).toBe(false)
  })

  test('is nothing where it is not to be reported, and nothing is open', async () => {
    const { arbiter, sending } = bench()
    expect(await arbiter.decideLoss(undefined, BUDGET_MS)).toBeUndefined()
    await sending(0)
  })

  test.each([
    ['succeeds: nothing else is sent', true],
    ['fails: it is sent again', false],
  ])('while a decision is sent, which %s', async (_name, succeeds) => {
    const { decide, lose, sending } = bench()
    const deciding = decide(of('post', 'FINISHED'))
    const first = await sending(1)
    const losing = lose()
    // It is not aborted, and leaves time for another attempt.
    expect(first.deadline.remaining()).toBe(BUDGET_MS / 2)
    expect(first.isStillWanted()).toBe(true)
    if (succeeds) {
      first.accept()
      expect(await deciding).toMatchObject({ outcome: 'sent' })
      expect(await losing).toBeUndefined()
      await sending(1)
      return
    }
    first.refuse(spent())
    const again = await sending(2)
    expect(again.decision).toEqual(of('post', 'FINISHED'))
    again.accept()
    expect(await losing).toMatchObject({ outcome: 'sent', status: 'FINISHED' })
  })

  test('is replaced by a step that decides meanwhile', async () => {
    const { decide, lose, sending } = bench()
    const losing = lose()
    const first = await sending(1)
    void decide(of('step', 'FALSE'))
    expect(first.isStillWanted()).toBe(false)
    first.refuse(spent())
    expect(await losing).toEqual({ outcome: 'superseded' })
    expect((await sending(2)).decision).toEqual(of('step', 'FALSE'))
  })
})

test('a step that has to end leaves time for another attempt: the one under way gets a third of the rest', async () => {
  const { arbiter, clock, decide, sending } = bench()
  // Nothing is being sent.
  arbiter.shorten(1_000)
  void decide(of('step', 'FALSE'))
  const { deadline } = await sending(1)
  const hanging = deadline.within(
    BUDGET_MS,
    () => new Promise(() => {}),
    (ms) => new Error(`over after ${ms} ms`),
  )
  arbiter.shorten(9_000)
  await expect(clock.run(hanging)).rejects.toThrow('over after 3000 ms')
  expect(deadline.remaining()).toBe(BUDGET_MS - 3_000)
})
