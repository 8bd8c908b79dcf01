import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { NeededJob } from '../../../src/domain/needs.ts'
import { isBehind, matchNeededJobs } from '../../../src/evidence/needed-jobs.ts'
import type { Job } from '../../../src/github/api.ts'
import { runs } from '../../properties/runs.ts'

function job(name: string, conclusion = 'failure'): Job {
  return {
    id: 1,
    name,
    status: 'completed',
    conclusion,
    runnerName: undefined,
    link: undefined,
    steps: [],
  }
}

const failed = (key: string): NeededJob => ({ key, result: 'failure' })

const running: Job = { ...job('report'), status: 'in_progress', conclusion: undefined }

/** The names of the jobs that belong to the first needed job, and of the others. */
function match(needed: readonly NeededJob[], jobs: readonly Job[], passing: readonly string[] = []) {
  const { matched, others } = matchNeededJobs(needed, passing, jobs)
  const [first] = needed
  const own = first === undefined ? [] : (matched.get(first) ?? [])
  return { own: own.map(({ name }) => name), others: others.map(({ name }) => name) }
}

describe('the jobs of a needed job', () => {
  test.each<[string, string[], string[]]>([
    ['the one of its name', ['build'], ['build']],
    ['those of its matrix', ['build (a)', 'build (b, c)'], ['build (a)', 'build (b, c)']],
    ['those of the workflow that it calls', ['build / x', 'build / y / z'], ['build / x', 'build / y / z']],
    ['those of a matrix of calls', ['build (1) / x', 'build (2) / x'], ['build (1) / x', 'build (2) / x']],
    ['several of one name', ['build', 'build'], ['build', 'build']],
    ['not one whose name only begins like it', ['build-docs', 'builder', 'build2 (a)', 'build(a)', 'build/x'], []],
    ['not one whose name ends like it', ['re-build', 'x / build'], []],
    ['not one in other letters', ['Build'], []],
  ])('%s', (_, names, own) => {
    const result = match(
      [failed('build')],
      names.map((name) => job(name)),
    )
    expect(result.own).toEqual(own)
    expect(result.others).toEqual(names.filter((name) => !own.includes(name)))
  })

  test('a key of one needed job that begins another', () => {
    const needed = [failed('build'), failed('build-docs')]
    const { matched, others } = matchNeededJobs(needed, [], [job('build-docs (x)'), job('build (x)')])
    expect([...matched.values()].map((jobs) => jobs.map(({ name }) => name))).toEqual([
      ['build (x)'],
      ['build-docs (x)'],
    ])
    expect(others).toEqual([])
  })

  test.each<[NeededJob['result'], string[], string[]]>([
    ['failure', ['failure', 'timed_out', 'startup_failure'], ['success', 'cancelled', 'skipped', 'neutral']],
    ['cancelled', ['cancelled'], ['success', 'failure', 'skipped']],
    ['skipped', ['skipped'], ['success', 'failure', 'cancelled']],
  ])('those that ended as it did: %s', (result, alike, unlike) => {
    const jobs = [...alike, ...unlike].map((conclusion) => job(`build (${conclusion})`, conclusion))
    expect(match([{ key: 'build', result }], [...jobs, { ...running, name: 'build (runs)' }])).toEqual({
      own: alike.map((conclusion) => `build (${conclusion})`),
      others: [],
    })
  })
})

test('the others are jobs that did not succeed, never one that runs or succeeded', () => {
  const jobs = [job('Deploy'), running, job('lint', 'success'), job('docs', 'skipped')]
  expect(match([failed('deploy')], jobs)).toEqual({ own: [], others: ['Deploy'] })
})

test('the others are none of the needed jobs that are all right', () => {
  const jobs = [job('lint'), job('lint (2)'), job('docs / x'), job('linter'), job('Deploy')]
  expect(match([failed('deploy')], jobs, ['lint', 'docs']).others).toEqual(['linter', 'Deploy'])
})

test('a cancelled job is among the others only where a cancelled one is looked for', () => {
  const jobs = [job('Soak test', 'cancelled'), job('Deploy')]
  expect(match([failed('deploy')], jobs).others).toEqual(['Deploy'])
  expect(match([{ key: 'soak', result: 'cancelled' }], jobs).others).toEqual(['Soak test', 'Deploy'])
  expect(match([{ key: 'Soak test', result: 'cancelled' }], jobs).others).toEqual(['Deploy'])
})

describe('GitHub is behind', () => {
  const runs = (name: string): Job => ({ ...running, name })
  const cancelled = (key: string): NeededJob => ({ key, result: 'cancelled' })
  const skipped = (key: string): NeededJob => ({ key, result: 'skipped' })

  test.each<[string, NeededJob[], Job[], boolean]>([
    ['it shows a needed job as running', [failed('a')], [runs('a')], true],
    ['one of a matrix', [failed('a')], [job('a (1)'), runs('a (2)')], true],
    ['one that was skipped', [failed('a'), skipped('b')], [job('a'), runs('b')], true],
    ['all ended', [failed('a')], [job('a')], false],
    ['a job that nobody needs runs', [failed('a')], [job('a'), runs('soak')], false],
    ['one that is all right', [failed('a')], [runs('fine'), job('B')], false],
    ['a renamed job may be the one that runs', [failed('a')], [runs('A')], true],
    ['a renamed job is another that ended so', [failed('a')], [runs('soak'), job('A')], false],
    ['one of two renamed ones', [failed('a'), failed('b')], [runs('B'), job('A')], true],
    ['one that ended otherwise', [cancelled('a')], [runs('A'), job('B')], true],
    ['a skipped one never runs', [skipped('a')], [runs('soak')], false],
    ['none is there', [failed('a')], [], false],
  ])('%s', (_, needed, jobs, expected) => {
    expect(isBehind(needed, ['fine'], jobs)).toBe(expected)
  })
})

test('no job is given twice, and every failed one is given', () => {
  const key = fc.constantFrom('a', 'b', 'a b', 'c')
  const name = fc.tuple(key, fc.constantFrom('', ' (1)', ' / x', ' (1) / y', '-z')).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.uniqueArray(key), fc.array(name), (keys, names) => {
      const jobs = names.map((each) => job(each))
      const { matched, others } = matchNeededJobs(keys.map(failed), [], jobs)
      const given = [...matched.values()].flat()
      expect(new Set([...given, ...others]).size).toBe(given.length + others.length)
      expect(given.length + others.length).toBe(jobs.length)
    }),
    { numRuns: runs(100) },
  )
})
