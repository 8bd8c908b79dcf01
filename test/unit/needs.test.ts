import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ConfigurationError } from '../../src/errors.ts'
import { badJobs, checkAllowances, type NeededJob, parseNeeds, worst } from '../../src/needs.ts'
import type { Outcome } from '../../src/status.ts'
import { runs } from '../properties/runs.ts'

const NOTHING_ALLOWED = { skips: [], failures: [] }

function jobs(results: Record<string, string>): NeededJob[] {
  return parseNeeds(
    JSON.stringify(Object.fromEntries(Object.entries(results).map(([key, result]) => [key, { result }]))),
  )
}

describe('parseNeeds', () => {
  test('gives each job with its result, in the order of the workflow', () => {
    const text = '{"b":{"result":"failure","outputs":{"result":"success"}},"a":{"result":"skipped","outputs":{}}}'
    expect(parseNeeds(text)).toEqual([
      { key: 'b', result: 'failure' },
      { key: 'a', result: 'skipped' },
    ])
  })

  test('takes a job of any name', () => {
    expect(jobs({ constructor: 'failure', toString: 'success', hasOwnProperty: 'skipped' })).toHaveLength(3)
    expect(parseNeeds('{"__proto__":{"result":"failure"}}')).toEqual([{ key: '__proto__', result: 'failure' }])
  })

  test.each([
    ['an inherited word is no result', '{"a":{"result":"constructor"}}'],
    ['a result is a text', '{"a":{"result":["success"]}}'],
    ['a job is an object', '{"a":"success"}'],
    ['a job is not null', '{"a":null}'],
    ['one job without a result spoils all', '{"a":{"result":"success"},"b":{}}'],
    ['an empty result', '{"a":{"result":""}}'],
    ['spaces around a result', '{"a":{"result":" success"}}'],
    // A job that lists no needs would be reported as FINISHED whatever failed before it.
    ['no jobs', '{}'],
  ])('refuses: %s', (_, text) => {
    expect(() => parseNeeds(text)).toThrow(ConfigurationError)
  })

  test('throws nothing but ConfigurationError, and gives a known result for every job of the text', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc
        .dictionary(
          fc.string(),
          fc.record({ result: fc.oneof(fc.constantFrom('success', 'failure', 'cancelled', 'skipped'), fc.string()) }),
        )
        .map((value) => JSON.stringify(value)),
    )
    fc.assert(
      fc.property(texts, (text) => {
        let parsed: NeededJob[]
        try {
          parsed = parseNeeds(text)
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigurationError)
          return
        }
        const value = JSON.parse(text) as Record<string, { result: string }>
        expect(parsed.length).toBeGreaterThan(0)
        expect(parsed).toEqual(Object.entries(value).map(([key, { result }]) => ({ key, result })))
      }),
      { numRuns: runs(300) },
    )
  })
})

describe('checkAllowances', () => {
  const known = jobs({ build: 'success', test: 'failure' })

  test('known names are all right, and none is, too', () => {
    expect(() => checkAllowances({ skips: ['build', 'test'], failures: ['test'] }, known)).not.toThrow()
    expect(() => checkAllowances(NOTHING_ALLOWED, known)).not.toThrow()
    expect(() => checkAllowances(NOTHING_ALLOWED, [])).not.toThrow()
  })

  test.each([
    ['allowed-skips', { skips: ['tests', 'build'], failures: [] }],
    ['allowed-failures', { skips: ['build'], failures: ['tests'] }],
  ])('an unknown name in %s is told with the jobs there are', (input, allowances) => {
    expect(() => checkAllowances(allowances, known)).toThrow(ConfigurationError)
    expect(() => checkAllowances(allowances, known)).toThrow(new RegExp(`${input}.*"tests".*build, test`))
  })

  test.each(['Build', 'build ', 'build*', 'buil', 'constructor'])('%j is not the job build', (name) => {
    expect(() => checkAllowances({ skips: [name], failures: [] }, known)).toThrow(ConfigurationError)
  })
})

describe('the outcome', () => {
  const all: Outcome[] = ['failure', 'cancelled', 'skipped', 'success']

  test('is the worst of them all: failure, cancelled, skipped, success', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...all)), (outcomes) => {
        const expected = all.find((outcome) => outcomes.includes(outcome)) ?? 'success'
        expect(worst(outcomes)).toBe(expected)
      }),
    )
  })

  describe.each<Outcome>(['success', 'failure', 'cancelled', 'skipped'])('a needed job that ended as %s', (result) => {
    test.each([
      { skip: false, failure: false, bad: result !== 'success' },
      { skip: true, failure: false, bad: result === 'failure' || result === 'cancelled' },
      { skip: false, failure: true, bad: result === 'skipped' },
      { skip: true, failure: true, bad: false },
    ])('skip allowed: $skip, failure allowed: $failure; is bad: $bad', ({ skip, failure, bad }) => {
      const allowances = { skips: skip ? ['a'] : [], failures: failure ? ['a'] : [] }
      expect(badJobs([{ key: 'a', result }], allowances)).toEqual(bad ? [{ key: 'a', result }] : [])
    })
  })

  test('an allowance for one job is none for another', () => {
    const some = jobs({ a: 'failure', b: 'failure', c: 'skipped', d: 'skipped' })
    expect(badJobs(some, { skips: ['c'], failures: ['a'] }).map(({ key }) => key)).toEqual(['b', 'd'])
  })

  test('the bad jobs come worst first, and those alike in the order of the workflow', () => {
    const some = jobs({ a: 'skipped', b: 'cancelled', c: 'failure', d: 'skipped', e: 'failure', f: 'success' })
    expect(badJobs(some, NOTHING_ALLOWED).map(({ key }) => key)).toEqual(['c', 'e', 'b', 'a', 'd'])
  })
})
