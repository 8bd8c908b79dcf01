import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { blockingJobs, mostSevere, type NeededJob } from '../../../src/domain/needs.ts'
import type { Outcome } from '../../../src/domain/task-status.ts'
import { runs } from '../../properties/runs.ts'

const NOTHING_ALLOWED = { skips: [], failures: [] }

function jobs(results: Readonly<Record<string, Outcome>>): NeededJob[] {
  return Object.entries(results).map(([key, result]) => ({ key, result }))
}

describe('the outcome', () => {
  const all: Outcome[] = ['failure', 'cancelled', 'skipped', 'success']

  test('is the most severe of: failure, cancelled, skipped, success', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...all)), (outcomes) => {
        const expected = all.find((outcome) => outcomes.includes(outcome)) ?? 'success'
        expect(mostSevere(outcomes)).toBe(expected)
      }),
      { numRuns: runs(100) },
    )
  })

  describe.each<Outcome>(['success', 'failure', 'cancelled', 'skipped'])('a needed job that ended as %s', (result) => {
    test.each([
      { skip: false, failure: false, blocks: result !== 'success' },
      { skip: true, failure: false, blocks: result === 'failure' || result === 'cancelled' },
      { skip: false, failure: true, blocks: result === 'skipped' },
      { skip: true, failure: true, blocks: false },
    ])('skip allowed: $skip, failure allowed: $failure; blocks: $blocks', ({ skip, failure, blocks }) => {
      const allowances = { skips: skip ? ['a'] : [], failures: failure ? ['a'] : [] }
      expect(blockingJobs([{ key: 'a', result }], allowances)).toEqual(blocks ? [{ key: 'a', result }] : [])
    })
  })

  test('results without names block, except for success', () => {
    const some = (['skipped', 'success', 'failure'] as const).map((result) => ({ key: undefined, result }))
    expect(blockingJobs(some, NOTHING_ALLOWED).map(({ result }) => result)).toEqual(['failure', 'skipped'])
  })

  test('an allowance for one job is none for another', () => {
    const some = jobs({ a: 'failure', b: 'failure', c: 'skipped', d: 'skipped' })
    expect(blockingJobs(some, { skips: ['c'], failures: ['a'] }).map(({ key }) => key)).toEqual(['b', 'd'])
  })

  test('blocking jobs are sorted by severity, and then in the order of the workflow', () => {
    const some = jobs({ a: 'skipped', b: 'cancelled', c: 'failure', d: 'skipped', e: 'failure', f: 'success' })
    expect(blockingJobs(some, NOTHING_ALLOWED).map(({ key }) => key)).toEqual(['c', 'e', 'b', 'a', 'd'])
  })
})
