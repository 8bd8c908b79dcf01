import { expect, test } from '@jest/globals'
import { renewBetweenBeats } from '../../../src/activity/credential-renewal.ts'
import { FakeClock } from '../../support/fake-clock.ts'

async function renew(renewCredentials: () => Promise<boolean>) {
  const clock = new FakeClock()
  const lines: string[] = []
  const log = (line: string): void => {
    lines.push(line)
  }
  const differ = await clock.run(renewBetweenBeats(renewCredentials, { clock, timeoutMs: 20_000, log }))
  return { differ, log: lines.join('\n'), tookMs: clock.now() }
}

test.each([true, false])('says whether the credentials differ: %s', async (differ) => {
  expect(await renew(async () => differ)).toEqual({ differ, log: '', tookMs: 0 })
})

test('logs why it failed', async () => {
  const { differ, log } = await renew(() => Promise.reject(new Error('STS is away')))
  expect(differ).toBe(false)
  expect(log).toContain('STS is away')
})

test('gives up a renewal that never ends', async () => {
  const { differ, log, tookMs } = await renew(() => new Promise(() => {}))
  expect(differ).toBe(false)
  expect(log).toContain('no response within 20 s')
  expect(tookMs).toBe(20_000)
})
