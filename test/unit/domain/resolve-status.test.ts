import { describe, expect, test } from '@jest/globals'
import { type JobFacts, resolveStatus } from '../../../src/domain/resolve-status.ts'

const TASK_STATUSES = ['FINISHED', 'FAILED', 'FALSE'] as const
const LOAD = { key: 'load', result: 'failure' } as const
const SKIPPED = { key: 'check', result: 'skipped' } as const

test.each(TASK_STATUSES)('the workflow says %s: nothing else counts', (given) => {
  expect(resolveStatus({ given })).toEqual({ status: given, cause: { kind: 'given' } })
})

describe('only the job', () => {
  test.each([
    ['success', false, 'FINISHED'],
    ['success', true, 'FINISHED'],
    ['failure', false, 'FAILED'],
    ['failure', true, 'FALSE'],
    ['cancelled', false, 'FAILED'],
    ['cancelled', true, 'FAILED'],
  ] as const)('%s, precondition %s: %s', (job, precondition, status) => {
    expect(resolveStatus({ job, precondition })).toEqual({ status, cause: { kind: 'job', outcome: job } })
  })
})

describe('in a composite action', () => {
  test.each([
    ['success', 'success', 'FINISHED', { outcome: 'success' }],
    ['success', 'failure', 'FAILED', { outcome: 'failure', unlisted: 'composite-action' }],
    ['success', 'cancelled', 'FAILED', { outcome: 'cancelled', unlisted: 'composite-action' }],
    ['failure', 'success', 'FAILED', { outcome: 'failure' }],
    ['failure', 'failure', 'FAILED', { outcome: 'failure' }],
    ['cancelled', 'failure', 'FAILED', { outcome: 'failure', unlisted: 'composite-action' }],
  ] as const)('job %s, composite action %s: %s', (job, compositeAction, status, cause) => {
    const facts: JobFacts = { job, compositeAction, precondition: false }
    expect(resolveStatus(facts)).toEqual({ status, cause: { kind: 'job', ...cause } })
  })
})

describe('with needed jobs', () => {
  const needs = (...blocking: (typeof LOAD | typeof SKIPPED)[]) => ({ blocking, passing: ['lint'] })

  test('that all pass: the job counts', () => {
    expect(resolveStatus({ job: 'success', needs: needs(), precondition: false })).toEqual({
      status: 'FINISHED',
      cause: { kind: 'job', outcome: 'success' },
    })
  })

  test.each([
    ['failed, and this one with it', 'failure', [LOAD], false, 'FAILED'],
    ['failed', 'success', [LOAD], false, 'FAILED'],
    ['failed, of a precondition', 'success', [LOAD], true, 'FALSE'],
    ['were skipped', 'success', [SKIPPED], false, 'FAILED'],
    ['were skipped, of a precondition', 'success', [SKIPPED], true, 'FAILED'],
    ['failed and were skipped', 'success', [LOAD, SKIPPED], false, 'FAILED'],
  ] as const)('that %s: they are the cause', (_name, job, blocking, precondition, status) => {
    const facts: JobFacts = { job, needs: needs(...blocking), precondition }
    expect(resolveStatus(facts)).toEqual({ status, cause: { kind: 'needs', jobs: blocking, passing: ['lint'] } })
  })

  test('that were skipped, and the job failed itself: the more severe is the cause', () => {
    expect(resolveStatus({ job: 'failure', needs: needs(SKIPPED), precondition: false })).toEqual({
      status: 'FAILED',
      cause: { kind: 'job', outcome: 'failure' },
    })
  })
})

describe('after a main step', () => {
  test.each([
    ['failed', 'failure', { outcome: 'failure' }],
    ['failed', 'cancelled', { outcome: 'cancelled' }],
    ['unsaved', 'success', { outcome: 'failure', unlisted: 'continue-on-error' }],
    ['unsaved', 'failure', { outcome: 'failure' }],
    ['unsaved', 'cancelled', { outcome: 'cancelled' }],
  ] as const)('that %s, in a job with %s: FAILED, also of a precondition', (mainStep, job, cause) => {
    expect(resolveStatus({ job, precondition: true, mainStep })).toEqual({
      status: 'FAILED',
      cause: { kind: 'job', ...cause },
    })
  })

  test('that failed and was allowed to: the job counts', () => {
    expect(resolveStatus({ job: 'success', precondition: false, mainStep: 'failed' }).status).toBe('FINISHED')
  })
})
