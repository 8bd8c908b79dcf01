import { describe, expect, test } from '@jest/globals'
import type { NeededJob } from '../../../src/domain/needs.ts'
import type { NeededJobFacts } from '../../../src/evidence/facts.ts'
import { explainNeededJobs } from '../../../src/evidence/needed-job-evidence.ts'
import { matchNeededJobs } from '../../../src/evidence/needed-jobs.ts'
import type { Annotation, Job } from '../../../src/github/api.ts'

const LOAD: NeededJob = { key: 'load', result: 'failure' }
const CHECK: NeededJob = { key: 'check', result: 'skipped' }

const job = (name: string, conclusion = 'failure', parts: object = {}): Job =>
  ({
    id: 1,
    name,
    status: 'completed',
    conclusion,
    link: `https://${name}`,
    runnerName: 'r',
    steps: [],
    ...parts,
  }) as unknown as Job

const error = (message: string): Annotation => ({ level: 'failure', message, place: undefined }) as Annotation

/** What was fetched: the jobs of the run, with the errors and the log of the first of them. */
function factsOf(
  needed: readonly NeededJob[],
  jobs: readonly Job[],
  parts: Partial<NeededJobFacts> = {},
): NeededJobFacts {
  return { jobs: matchNeededJobs(needed, [], jobs), annotations: new Map(), log: undefined, ...parts }
}

const cause = (...jobs: NeededJob[]) => ({ kind: 'needs', jobs, passing: [] }) as const

test('nothing was fetched: the keys and results', () => {
  expect(explainNeededJobs(cause(LOAD, CHECK), undefined, true)).toEqual({
    jobs: [
      { name: 'load', outcome: 'failure', steps: [], excerpt: undefined, link: undefined },
      { name: 'check', outcome: 'skipped', steps: [], excerpt: undefined, link: undefined },
    ],
    related: [],
    remarks: [],
    trace: undefined,
  })
})

test('a matrix: each of its jobs', () => {
  const jobs = [job('load (a)'), job('load (b)', 'success'), job('load (c)')]
  const { jobs: found } = explainNeededJobs(cause(LOAD), factsOf([LOAD], jobs), true)
  expect(found.map(({ name }) => name)).toEqual(['load (a)', 'load (c)'])
})

describe('errors', () => {
  const failed = job('load')

  test('the log comes before annotations, and both are in the trace', () => {
    const log = { text: 'line\nerror: no rule', error: 'no rule', isElsewhere: () => false }
    const facts = factsOf([LOAD], [failed], { log, annotations: new Map([[failed, [error('syntax')]]]) })
    const { jobs, trace } = explainNeededJobs(cause(LOAD), facts, true)
    expect(jobs).toMatchObject([{ name: 'load', excerpt: 'no rule', link: 'https://load' }])
    expect(trace).toBe('error: syntax\nline\nerror: no rule')
  })

  test('without a log, annotations alone', () => {
    const facts = factsOf([LOAD], [failed], { annotations: new Map([[failed, [error('syntax')]]]) })
    expect(explainNeededJobs(cause(LOAD), facts, true)).toMatchObject({
      jobs: [{ excerpt: 'syntax' }],
      trace: 'error: syntax',
    })
  })

  test('an error that the log shows in another step does not count', () => {
    const log = { text: 'line', error: undefined, isElsewhere: (message: string) => message === 'elsewhere' }
    const annotations = new Map([[failed, [error('elsewhere'), error('here')]]])
    const facts = factsOf([LOAD], [failed], { log, annotations })
    expect(explainNeededJobs(cause(LOAD), facts, true)).toMatchObject({
      jobs: [{ excerpt: 'here' }],
      trace: 'error: here\nline',
    })
  })

  test('no trace when none is wanted', () => {
    const facts = factsOf([LOAD], [failed], { annotations: new Map([[failed, [error('syntax')]]]) })
    expect(explainNeededJobs(cause(LOAD), facts, false).trace).toBeUndefined()
  })
})

describe('other jobs of the run that failed', () => {
  test('are related when a needed job was skipped because of one', () => {
    const facts = factsOf([CHECK], [job('check', 'skipped'), job('build')])
    expect(explainNeededJobs(cause(CHECK), facts, true).related).toMatchObject([{ name: 'build', outcome: 'failure' }])
  })

  test('are related when a needed job has another name', () => {
    const facts = factsOf([LOAD], [job('Load the data')])
    const { jobs, related } = explainNeededJobs(cause(LOAD), facts, true)
    expect(jobs).toMatchObject([{ name: 'load', outcome: 'failure' }])
    expect(related).toMatchObject([{ name: 'Load the data' }])
  })

  test('are not when the needed job explains itself', () => {
    const facts = factsOf([LOAD], [job('load'), job('build')])
    expect(explainNeededJobs(cause(LOAD), facts, true).related).toEqual([])
  })
})
