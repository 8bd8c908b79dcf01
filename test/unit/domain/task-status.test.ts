import { describe, expect, test } from '@jest/globals'
import {
  deriveStatus,
  JOB_STATUSES,
  NEEDED_RESULTS,
  parseJobStatus,
  parseStatus,
  STATUS_WORDS,
} from '../../../src/domain/task-status.ts'

describe('parseStatus', () => {
  test.each([
    ['FINISHED', 'FINISHED'],
    ['failed', 'FAILED'],
    ['False', 'FALSE'],
    ['false', 'FALSE'],
    ['success', 'FINISHED'],
    ['FAILURE', 'FAILED'],
    ['cancelled', 'FAILED'],
    ['timed_out', 'FAILED'],
    ['Startup_Failure', 'FAILED'],
    ['canceled', undefined],
    ['skipped', undefined],
    ['neutral', undefined],
    ['stale', undefined],
    ['action_required', undefined],
    ['true', undefined],
    ['', undefined],
    [' FAILED', undefined],
    ['constructor', undefined],
    ['__proto__', undefined],
    // Turkish and other case mappings make no status.
    ['FİNİSHED', undefined],
    ['ﬁnished', undefined],
    ['faıled', undefined],
  ])('%j is %s', (word, status) => {
    expect(parseStatus(word)).toBe(status)
  })

  test('knows every word that it tells the user', () => {
    for (const word of STATUS_WORDS) expect(parseStatus(word)).toBeDefined()
  })
})

describe('deriveStatus', () => {
  test.each([
    ['success', false, 'FINISHED'],
    ['success', true, 'FINISHED'],
    ['failure', false, 'FAILED'],
    ['failure', true, 'FALSE'],
    ['cancelled', false, 'FAILED'],
    ['cancelled', true, 'FAILED'],
    ['skipped', false, 'FAILED'],
    ['skipped', true, 'FAILED'],
  ] as const)('of %s, precondition %s, is %s', (outcome, precondition, status) => {
    expect(deriveStatus(outcome, precondition)).toBe(status)
  })
})

describe('parseJobStatus', () => {
  test.each([
    ['success', 'success'],
    ['Failure', 'failure'],
    ['CANCELLED', 'cancelled'],
    ['skipped', undefined],
    ['', undefined],
  ])('%j is %s', (word, outcome) => {
    expect(parseJobStatus(word)).toBe(outcome)
  })

  test('there are the three words of job.status', () => {
    expect([...JOB_STATUSES].sort()).toEqual(['cancelled', 'failure', 'success'])
  })

  test('there are the four words of needs.<job>.result', () => {
    expect([...NEEDED_RESULTS].sort()).toEqual(['cancelled', 'failure', 'skipped', 'success'])
  })
})
