import { withoutSecrets } from '../masking/known-secrets.ts'
import { sanitize } from '../text/sanitize.ts'
import { sizeOf, truncateMiddle } from '../text/truncate.ts'

/** What is known of a job that did not succeed. */
export interface JobEvidence {
  /** Its name, or else its key in the workflow; undefined for a needed job of which neither is known. */
  readonly name: string | undefined
  readonly outcome: string
  /** The names of the steps that failed or were canceled. */
  readonly steps: readonly string[]
  /** Its error. */
  readonly excerpt: string | undefined
  readonly link: string | undefined
}

/** The run, for people. */
export interface RunEvidence {
  readonly workflow: string | undefined
  readonly repository: string | undefined
  readonly runNumber: string | undefined
  readonly attempt: string | undefined
  readonly link: string | undefined
}

/** What an error message is made of. */
export interface MessageParts {
  /** The jobs to name, most important first; at least one. */
  readonly jobs: readonly JobEvidence[]
  /** Other failed jobs of the run, which may be the reason. */
  readonly related: readonly JobEvidence[]
  /** A few more sentences. */
  readonly remarks: readonly string[]
  readonly run: RunEvidence
}

const NAME_LIMIT = { characters: 200, bytes: Number.POSITIVE_INFINITY }
const EXCERPT_LIMIT = { characters: 1_500, bytes: Number.POSITIVE_INFINITY }
const EXCERPT_LIMIT_OF_SEVERAL = { characters: 300, bytes: Number.POSITIVE_INFINITY }

const MAX_STEPS = 3

/**
 * The error message for people: what failed, its error, and the run. The link is at the end, where truncation of the middle
 * keeps it.
 *
 * @param maxBytes of UTF-8
 */
export function errorMessageOf({ jobs, related, remarks, run }: MessageParts, maxBytes: number): string {
  const [only] = jobs
  const isOne = jobs.length === 1 && only !== undefined
  const head = isOne ? [sentence(only, EXCERPT_LIMIT)] : [`${jobs.length} jobs did not succeed:`]
  const lines = [
    ...(isOne ? [] : jobs.map((job) => `- ${jobSentence(job)}`)),
    ...related.map((job) => `- In this run: ${jobSentence(job)}`),
  ]
  const tail = [...remarks, runLine(run), (isOne && only.link) || run.link].filter((line) => line)
  const fixed = [...head, moreLine(lines.length), ...tail]
  return [...head, ...linesWithin(lines, maxBytes - sizeOf(fixed.join('\n')).bytes), ...tail].join('\n')
}

/** The first lines within a number of bytes, and how many more there are. */
function linesWithin(lines: readonly string[], maxBytes: number): string[] {
  let used = 0
  const fitting = lines.findIndex((line) => {
    used += sizeOf(`${line}\n`).bytes
    return used > maxBytes
  })
  return fitting < 0 ? [...lines] : [...lines.slice(0, fitting), moreLine(lines.length - fitting)]
}

function moreLine(count: number): string {
  return `and ${count} more`
}

/** One line about one of several jobs, with its link. */
function jobSentence(job: JobEvidence): string {
  return sentence(job, EXCERPT_LIMIT_OF_SEVERAL) + (job.link ? ` ${job.link}` : '')
}

function sentence({ name, outcome, steps, excerpt }: JobEvidence, limit: typeof EXCERPT_LIMIT): string {
  const who = name === undefined ? 'A needed job' : `Job ${quoteName(name)}`
  const job = `${who} ${OUTCOME_WORDS.get(outcome) ?? `ended with ${oneLine(outcome)}`}`
  const where = steps.length === 0 ? '' : ` in step ${stepNames(steps)}`
  return `${job}${where}${excerpt ? `: ${oneLine(truncateMiddle(clean(excerpt), limit))}` : '.'}`
}

/** The names of the first steps, and how many more there are. */
export function stepNames(steps: readonly string[]): string {
  const more = steps.length > MAX_STEPS ? ` and ${steps.length - MAX_STEPS} more` : ''
  return steps.slice(0, MAX_STEPS).map(quoteName).join(', ') + more
}

const OUTCOME_WORDS: ReadonlyMap<string, string> = new Map([
  ['success', 'succeeded'],
  ['failure', 'failed'],
  ['timed_out', 'ran out of time'],
  ['cancelled', 'was cancelled'],
  ['skipped', 'was skipped'],
  ['lost', 'lost its runner, or ended without its post step. What it started may still run'],
  ['reported', 'was reported as failed by its workflow'],
])

/** One line about the run; empty when nothing is known of it. */
export function runLine({ workflow, repository, runNumber, attempt }: Omit<RunEvidence, 'link'>): string {
  const parts = [
    workflow && `workflow ${quoteName(workflow)}`,
    repository,
    runNumber && `run ${runNumber}${attempt ? `, attempt ${attempt}` : ''}`,
  ].filter((part) => part)
  return parts.length === 0 ? '' : `GitHub Actions: ${parts.join(', ')}`
}

function quoteName(name: string): string {
  return `"${oneLine(truncateMiddle(clean(name), NAME_LIMIT))}"`
}

function clean(text: string): string {
  return sanitize(withoutSecrets(text)).text.trim()
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ')
}
