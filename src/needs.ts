import { ConfigurationError } from './errors.ts'
import { quoted, shown } from './known-secrets.ts'
import { NEEDED_RESULTS, type Outcome } from './status.ts'

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

/** A name in a message, and several of them. */
const MAX_NAME_CHARACTERS = 120
const MAX_NAMES_CHARACTERS = 500

/** The line that the workflow should have. */
const NEEDS_LINE = 'needs: ${{ toJSON(needs) }}'
/** The line for jobs whose outputs are too large for an input. */
const RESULTS_LINE = 'needs: ${{ toJSON(needs.*.result) }}'
/** How such jobs are given with their names. */
const NAMED_RESULTS = 'needs: \'{"KEY": {"result": "${{ needs.KEY.result }}"}}\''

/**
 * The needed jobs in the text that `toJSON(needs)` makes, or `toJSON(needs.*.result)`: a list of results without names,
 * which stays small whatever the outputs of the jobs.
 *
 * @throws ConfigurationError for any other text: what can't be read must not count as "nothing failed"
 */
export function parseNeeds(text: string): NeededJob[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw notNeeds(text, cause)
  }
  if (typeof value !== 'object' || value === null) throw notNeeds(text)
  const jobs = Array.isArray(value) ? resultsIn(value, text) : jobsIn(value, text)
  if (jobs.length === 0) {
    const nothing = Array.isArray(value) ? '[]' : '{}'
    throw new ConfigurationError(
      `The input needs is ${nothing}: this job needs no other job, so nothing is known of them.`,
      {
        hint: 'List the jobs in "needs: [...]" of this job, or leave the input out if its own status is all that counts.',
      },
    )
  }
  return jobs
}

function jobsIn(value: object, text: string): NeededJob[] {
  return Object.entries(value).map(([key, job]) => {
    const result = parseResult((job as { result?: unknown } | null)?.result)
    if (result === undefined) throw notNeeds(text)
    return { key, result }
  })
}

function resultsIn(list: readonly unknown[], text: string): NeededJob[] {
  return list.map((word) => {
    const result = parseResult(word)
    if (result !== undefined) return { key: undefined, result }
    if (typeof word !== 'string') throw notNeeds(text)
    throw new ConfigurationError(
      `The input needs lists the result ${quoted(word, MAX_NAME_CHARACTERS)}. Valid: ${NEEDED_RESULTS.join(', ')}.`,
      { hint: `Write the line ${RESULTS_LINE}` },
    )
  })
}

function parseResult(word: unknown): Outcome | undefined {
  return NEEDED_RESULTS.find((known) => known === word)
}

/**
 * Checks that the allowances name needed jobs.
 *
 * @throws ConfigurationError naming the jobs there are: a misspelt name would hide a failure, or report one
 */
export function checkAllowances(allowances: Allowances, jobs: readonly NeededJob[]): void {
  for (const [input, names] of [
    ['allowed-skips', allowances.skips],
    ['allowed-failures', allowances.failures],
  ] as const) {
    const unknown = names.filter((name) => !jobs.some(({ key }) => key === name))
    if (unknown.length === 0) continue
    if (jobs.length === 0) {
      throw new ConfigurationError(`The input ${input} is given, but needs is not.`, {
        hint: `Add the line ${NEEDS_LINE}`,
      })
    }
    if (jobs.some(({ key }) => key === undefined)) {
      throw new ConfigurationError(`The input ${input} names jobs, but needs has results without names.`, {
        hint: `Write the line ${NEEDS_LINE}, or where that is too large, each job with its key: ${NAMED_RESULTS}`,
      })
    }
    throw new ConfigurationError(
      `The input ${input} names ${shown(unknown.map((name) => quoted(name, MAX_NAME_CHARACTERS)).join(', '), MAX_NAMES_CHARACTERS)}, which this job does not need. ` +
        `It needs: ${shown(jobs.map(({ key }) => key).join(', '), MAX_NAMES_CHARACTERS)}.`,
    )
  }
}

/** From worst to best. */
const SEVERITY: readonly Outcome[] = ['failure', 'cancelled', 'skipped', 'success']

/** The needed jobs whose result is not all right, worst first; those alike in the order of the input. */
export function badJobs(jobs: readonly NeededJob[], allowances: Allowances): NeededJob[] {
  return jobs
    .filter(({ key, result }) => {
      if (result === 'success') return false
      return key === undefined || !(result === 'skipped' ? allowances.skips : allowances.failures).includes(key)
    })
    .sort((a, b) => SEVERITY.indexOf(a.result) - SEVERITY.indexOf(b.result))
}

/** The worst of the outcomes; success when there is none. */
export function worst<T extends Outcome>(outcomes: readonly T[]): T | 'success' {
  return outcomes.toSorted((a, b) => SEVERITY.indexOf(a) - SEVERITY.indexOf(b))[0] ?? 'success'
}

function notNeeds(text: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `The input needs is ${quoted(text, MAX_NAME_CHARACTERS)}, which is not the needs context of a job.`,
    { hint: `Write the line ${NEEDS_LINE}`, cause },
  )
}
