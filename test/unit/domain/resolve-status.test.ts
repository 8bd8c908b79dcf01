import { describe, expect, test } from '@jest/globals'
import { type JobFacts, resolveStatus } from '../../../src/domain/resolve-status.ts'

const TASK_STATUSES = ['FINISHED', 'FAILED', 'FALSE'] as const
const LOAD = { key: 'load', result: 'failure' } as const
const CANCELED = { key: 'copy', result: 'cancelled' } as const
const SKIPPED = { key: 'check', result: 'skipped' } as const

test.each(TASK_STATUSES)('the workflow names %s: nothing else counts', (given) => {
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
  const needs = (...blocking: (typeof LOAD | typeof CANCELED | typeof SKIPPED)[]) => ({ blocking, passing: ['lint'] })

  test('that all pass: the job counts', () => {
    expect(resolveStatus({ job: 'success', needs: needs(), precondition: false })).toEqual({
      status: 'FINISHED',
      cause: { kind: 'job', outcome: 'success' },
    })
  })

  test.each([
    ['failed, and this one with it', 'failure', [LOAD], false, 'FAILED'],
    ['failed', 'success', [LOAD], false, 'FAILED'],
    ['failed, and this one was canceled', 'cancelled', [LOAD], false, 'FAILED'],
    ['were canceled', 'success', [CANCELED], false, 'FAILED'],
    ['were canceled, of a precondition', 'cancelled', [CANCELED], true, 'FAILED'],
    ['failed, of a precondition', 'success', [LOAD], true, 'FALSE'],
    ['were skipped', 'success', [SKIPPED], false, 'FAILED'],
    ['were skipped, of a precondition', 'success', [SKIPPED], true, 'FAILED'],
    ['failed and were skipped', 'success', [LOAD, SKIPPED], false, 'FAILED'],
  ] as const)('that %s: they are the cause', (_name, job, blocking, precondition, status) => {
    const facts: JobFacts = { job, needs: needs(...blocking), precondition }
    expect(resolveStatus(facts)).toEqual({ status, cause: { kind: 'needs', jobs: blocking, passing: ['lint'] } })
  })

  test.each([
    ['were skipped', 'failure', [SKIPPED], false, 'FAILED'],
    ['were skipped, of a precondition', 'failure', [SKIPPED], true, 'FALSE'],
    ['were canceled', 'failure', [CANCELED], false, 'FAILED'],
    ['were skipped, and it was canceled', 'cancelled', [SKIPPED], true, 'FAILED'],
  ] as const)(
    'that %s, and the job itself ended worse: it is the cause',
    (_name, job, blocking, precondition, status) => {
      const facts: JobFacts = { job, needs: needs(...blocking), precondition }
      expect(resolveStatus(facts)).toEqual({ status, cause: { kind: 'job', outcome: job } })
    },
  )

  test('in a composite action that failed, where a needed job was skipped: the action is the cause', () => {
    const facts: JobFacts = { job: 'success', compositeAction: 'failure', needs: needs(SKIPPED), precondition: false }
    expect(resolveStatus(facts).cause).toEqual({ kind: 'job', outcome: 'failure', unlisted: 'composite-action' })
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
