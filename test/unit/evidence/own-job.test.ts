import { describe, expect, test } from '@jest/globals'
import type { Cause } from '../../../src/domain/cause.ts'
import type { EvidenceRequest } from '../../../src/evidence/facts.ts'
import { explainOwnJob, isOwnJob } from '../../../src/evidence/own-job.ts'
import type { Job } from '../../../src/github/api.ts'

const step = (name: string, conclusion: string | undefined) => ({ name, conclusion }) as Job['steps'][number]
const JOB = {
  id: 1,
  name: 'build (a)',
  link: 'https://job',
  steps: [step('Run make', 'failure'), step('Post', 'success')],
} as unknown as Job
const CANCELED = { ...JOB, steps: [step('a', 'cancelled'), step('b', 'cancelled')] } as Job

type OwnCause = Exclude<Cause, { kind: 'needs' }>

test.each<[string, OwnCause, Job | undefined, object]>([
  [
    'it failed, and nothing is known of it',
    { kind: 'job', outcome: 'failure' },
    undefined,
    { jobs: [{ name: 'build', outcome: 'failure', steps: [] }], remarks: [] },
  ],
  [
    'it failed',
    { kind: 'job', outcome: 'failure' },
    JOB,
    { jobs: [{ name: 'build (a)', outcome: 'failure', steps: ['Run make'], link: 'https://job' }], remarks: [] },
  ],
  [
    'it was canceled: the first step that was',
    { kind: 'job', outcome: 'cancelled' },
    CANCELED,
    { jobs: [{ outcome: 'cancelled', steps: ['a'] }] },
  ],
  [
    'a step of a composite action failed: GitHub lists none of these',
    { kind: 'job', outcome: 'failure', unlisted: 'composite-action' },
    JOB,
    { jobs: [{ steps: [] }], remarks: [expect.stringContaining('inside the composite action')] },
  ],
  [
    'a main step failed and was allowed to: it is not listed as failed',
    { kind: 'job', outcome: 'failure', unlisted: 'continue-on-error' },
    JOB,
    { jobs: [{ steps: [] }], remarks: [] },
  ],
  [
    'the workflow said so: failed steps are a remark',
    { kind: 'given' },
    JOB,
    { jobs: [{ outcome: 'reported', steps: [] }], remarks: ['Failed steps: "Run make".'] },
  ],
])('%s', (_name, cause, job, expected) => {
  expect(explainOwnJob(cause, job, 'build')).toMatchObject({ related: [], trace: undefined, ...expected })
})

describe('isOwnJob', () => {
  const request = (checkRunId: number | undefined, runnerName: string | undefined) =>
    ({ checkRunId, run: { runnerName } }) as unknown as EvidenceRequest
  const job = (parts: Partial<Job>) => ({ id: 1, status: 'in_progress', runnerName: 'r', ...parts }) as Job

  test.each<[string, Job, EvidenceRequest, boolean]>([
    ['the id', job({}), request(1, 'other'), true],
    ['another id', job({ id: 2 }), request(1, 'r'), false],
    ['the runner', job({}), request(undefined, 'r'), true],
    ['the runner of a job that begins', job({ status: 'queued' }), request(undefined, 'r'), true],
    ['the runner of a job that has ended', job({ status: 'completed' }), request(undefined, 'r'), false],
    ['another runner', job({ runnerName: 's' }), request(undefined, 'r'), false],
    ['no runner', job({ runnerName: undefined }), request(undefined, undefined), false],
  ])('by %s: %#', (_name, candidate, asked, expected) => {
    expect(isOwnJob(candidate, asked)).toBe(expected)
  })
})
