import { expect, test } from '@jest/globals'
import { fetchUntilComplete, type Query } from '../../../src/evidence/github-retry.ts'
import { Deadline } from '../../../src/util/deadline.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const HANGS = Number.POSITIVE_INFINITY

/** Fetches from a server whose responses take these seconds each, the last of them for all further ones. None is complete. */
async function fetchFrom(takes: readonly number[], query: Partial<Query<number>> = {}) {
  const clock = new FakeClock()
  const deadline = new Deadline(clock, 10_000)
  const problems: string[] = []
  let fetches = 0
  const slow = async (): Promise<number> => {
    const seconds = takes[fetches] ?? takes.at(-1) ?? 0
    fetches += 1
    if (seconds === HANGS) return new Promise(() => undefined)
    await clock.sleep(seconds * 1000)
    return fetches
  }
  const time = { deadline, signal: new AbortController().signal }
  const response = await clock.run(
    fetchUntilComplete({ fetch: slow, isComplete: () => false, ...query }, time, (problem) => problems.push(problem)),
  )
  return { response, fetches, problems, left: deadline.remaining() / 1000 }
}

test.each<[string, number[], { fetches: number; left: number }]>([
  ['a quick server', [0.1], { fetches: 4, left: 6.6 }],
  ['one that takes a second and a half', [1.5], { fetches: 3, left: 3.5 }],
  ['one that takes three', [3], { fetches: 1, left: 7 }],
  ['one that takes nine', [9], { fetches: 1, left: 1 }],
])('%s leaves time for another query and a download', async (_name, takes, expected) => {
  const { response, fetches, problems, left } = await fetchFrom(takes)
  expect({ fetches, left }).toEqual({ fetches: expected.fetches, left: expect.closeTo(expected.left) })
  expect([response, problems]).toEqual([fetches, []])
})

test('a server that hangs after its first response takes half of the time that is left', async () => {
  const { response, problems, left } = await fetchFrom([0.1, HANGS])
  expect([response, problems]).toEqual([1, ["GitHub's API did not respond again within 4.5 s"]])
  expect(left).toBeCloseTo(4.45)
})

test.each<[string, number[], number]>([
  ['a quick server', [0.1], 9],
  ['one that takes three seconds', [3], 2],
  ['one that takes six', [6], 1],
])('what is certain to come, and last, is fetched until the deadline: %s', async (_name, takes, expected) => {
  const { response, fetches } = await fetchFrom(takes, { isCertain: true })
  expect([response, fetches]).toEqual([expected, expected])
})
