import type { Outcome } from './task-status.ts'

/** A job that this one needs; a matrix is one. */
export interface NeededJob {
  /** Its key in the workflow; undefined where only results are given. */
  readonly key: string | undefined
  readonly result: Outcome
}

/** What may be as it is: keys of jobs whose skipped, respectively failed or cancelled, result is all right. */
export interface Allowances {
  readonly skips: readonly string[]
  readonly failures: readonly string[]
}

/** From worst to best. */
const SEVERITY: readonly Outcome[] = ['failure', 'cancelled', 'skipped', 'success']

/** The needed jobs whose result is not all right, worst first; those alike in the order of the input. */
export function blockingJobs(jobs: readonly NeededJob[], allowances: Allowances): NeededJob[] {
  return jobs
    .filter(({ key, result }) => {
      if (result === 'success') return false
      return key === undefined || !(result === 'skipped' ? allowances.skips : allowances.failures).includes(key)
    })
    .sort((a, b) => SEVERITY.indexOf(a.result) - SEVERITY.indexOf(b.result))
}

/** The worst of the outcomes; success when there is none. */
export function mostSevere<T extends Outcome>(outcomes: readonly T[]): T | 'success' {
  return outcomes.toSorted((a, b) => SEVERITY.indexOf(a) - SEVERITY.indexOf(b))[0] ?? 'success'
}
