import type { Allowances, NeededJob } from '../domain/needs.ts'
import { NEEDED_RESULTS, type Outcome } from '../domain/task-status.ts'
import { formatValue, quoteValue } from '../masking/format.ts'
import { ConfigurationError } from '../util/errors.ts'

/** In a message. */
const MAX_NAME_CHARACTERS = 120
const MAX_NAMES_CHARACTERS = 500

/** For the hint. */
const NEEDS_LINE = 'needs: ${{ toJSON(needs) }}'
/** The line for jobs whose outputs are too large for an input. */
const RESULTS_LINE = 'needs: ${{ toJSON(needs.*.result) }}'
/** How such jobs are given with their names. */
const NAMED_RESULTS = 'needs: \'{"KEY": {"result": "${{ needs.KEY.result }}"}}\''

/**
 * Parses `toJSON(needs)`, or `toJSON(needs.*.result)`: a list of results without names, which is small whatever the outputs of
 * the jobs.
 *
 * @throws ConfigurationError for any other text, which must not count as success
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
    throw new ConfigurationError(`Input "needs" is ${nothing}: this job needs no other job.`, {
      hint: 'List the jobs in "needs: [...]" of this job, or omit the input to use only the status of this job.',
    })
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
      `Invalid result ${quoteValue(word, MAX_NAME_CHARACTERS)} in input "needs". Expected one of: ${NEEDED_RESULTS.join(', ')}.`,
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
 * @throws ConfigurationError naming the needed jobs: a misspelled name would hide a failure, or report one
 */
export function checkAllowances(allowances: Allowances, jobs: readonly NeededJob[]): void {
  for (const [input, names] of [
    ['allowed-skips', allowances.skips],
    ['allowed-failures', allowances.failures],
  ] as const) {
    const unknown = names.filter((name) => !jobs.some(({ key }) => key === name))
    if (unknown.length === 0) continue
    if (jobs.length === 0) {
      throw new ConfigurationError(`Input "${input}" is set, but "needs" is not.`, {
        hint: `Add the line ${NEEDS_LINE}`,
      })
    }
    if (jobs.some(({ key }) => key === undefined)) {
      throw new ConfigurationError(`Input "${input}" names jobs, but "needs" has results without names.`, {
        hint: `Write the line ${NEEDS_LINE}, or if that is too large, each job with its key: ${NAMED_RESULTS}`,
      })
    }
    throw new ConfigurationError(
      `Input "${input}" names ${formatValue(unknown.map((name) => quoteValue(name, MAX_NAME_CHARACTERS)).join(', '), MAX_NAMES_CHARACTERS)}, which this job does not need. ` +
        `It needs: ${formatValue(jobs.map(({ key }) => key).join(', '), MAX_NAMES_CHARACTERS)}.`,
    )
  }
}

function notNeeds(text: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `Invalid value ${quoteValue(text, MAX_NAME_CHARACTERS)} for input "needs". Expected the needs context of a job.`,
    { hint: `Write the line ${NEEDS_LINE}`, cause },
  )
}
