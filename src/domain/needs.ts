import type { Outcome } from './task-status.ts'

/** A job that this one needs. A matrix is one. */
export interface NeededJob {
  /** Its key in the workflow; undefined if only results are given. */
  readonly key: string | undefined
  readonly result: Outcome
}

/** The keys of jobs that may be skipped, and of those that may fail or be canceled. */
export interface Allowances {
  readonly skips: readonly string[]
  readonly failures: readonly string[]
}

/** Most severe first. */
const SEVERITY: readonly Outcome[] = ['failure', 'cancelled', 'skipped', 'success']

/** The needed jobs that block a success, most severe first, and then in the order of the input. */
export function blockingJobs(jobs: readonly NeededJob[], allowances: Allowances): NeededJob[] {
  return jobs
    .filter(({ key, result }) => {
      if (result === 'success') return false
      return key === undefined || !(result === 'skipped' ? allowances.skips : allowances.failures).includes(key)
    })
    .sort((a, b) => SEVERITY.indexOf(a.result) - SEVERITY.indexOf(b.result))
}

/** The most severe of the outcomes; success when there is none. */
export function mostSevere<T extends Outcome>(outcomes: readonly T[]): T | 'success' {
  return outcomes.toSorted((a, b) => SEVERITY.indexOf(a) - SEVERITY.indexOf(b))[0] ?? 'success'
}
