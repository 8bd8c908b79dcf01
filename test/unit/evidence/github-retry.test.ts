import { expect, test } from '@jest/globals'
import { askAgain, type Question } from '../../../src/evidence/github-retry.ts'
import { Deadline } from '../../../src/util/deadline.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const HANGS = Number.POSITIVE_INFINITY

/** Asks a server whose answers take so many seconds each, the last of them every further one, and never have it. */
async function ask(takes: readonly number[], question: Partial<Question<number>> = {}) {
  const clock = new VirtualClock()
  const deadline = new Deadline(clock, 10_000)
  const problems: string[] = []
  let asked = 0
  const slow = async (): Promise<number> => {
    const seconds = takes[asked] ?? takes.at(-1) ?? 0
    asked += 1
    if (seconds === HANGS) return new Promise(() => undefined)
    await clock.sleep(seconds * 1000)
    return asked
  }
  const time = { deadline, signal: new AbortController().signal }
  const response = await clock.run(
    askAgain({ ask: slow, isThere: () => false, ...question }, time, (problem) => problems.push(problem)),
  )
  return { response, asked, problems, left: deadline.remaining() / 1000 }
}

test.each<[string, number[], { asked: number; left: number }]>([
  ['a quick server', [0.1], { asked: 4, left: 6.6 }],
  ['one that takes a second and a half', [1.5], { asked: 3, left: 3.5 }],
  ['one that takes three', [3], { asked: 1, left: 7 }],
  ['one that takes nine', [9], { asked: 1, left: 1 }],
])('%s leaves time for another answer, and a download', async (_name, takes, expected) => {
  const { response, asked, problems, left } = await ask(takes)
  expect({ asked, left }).toEqual({ asked: expected.asked, left: expect.closeTo(expected.left) })
  expect([response, problems]).toEqual([asked, []])
})

test('a server that is silent after its first answer takes half of the time that is left', async () => {
  const { response, problems, left } = await ask([0.1, HANGS])
  expect([response, problems]).toEqual([1, ["GitHub's API did not answer again within 4 s"]])
  expect(left).toBeCloseTo(4.45)
})

test.each<[string, number[], number]>([
  ['a quick server', [0.1], 9],
  ['one that takes three seconds', [3], 2],
  ['one that takes six', [6], 1],
])('what is sure to come, and last, is asked for as long as there is time: %s', async (_name, takes, expected) => {
  const { response, asked } = await ask(takes, { isSure: true })
  expect([response, asked]).toEqual([expected, expected])
})
