import { withoutSecrets } from '../masking/known-secrets.ts'
import { sanitize } from '../text/sanitize.ts'
import { sizeOf, truncateMiddle } from '../text/truncate.ts'

/** A job that did not succeed, as far as it is known. */
export interface JobEvidence {
  /** The name, or for want of it the key in the workflow; undefined for a needed job of which neither is known. */
  readonly name: string | undefined
  readonly outcome: string
  /** The names of the steps that failed or were cancelled. */
  readonly steps: readonly string[]
  /** The error that it showed. */
  readonly said: string | undefined
  readonly link: string | undefined
}

/** The run, as people know it. */
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
  /** Jobs of the run that failed, too, and may be the reason. */
  readonly related: readonly JobEvidence[]
  /** What else there is to say, a sentence each; few and short. */
  readonly remarks: readonly string[]
  readonly run: RunEvidence
}

const MAX_NAME = { characters: 200, bytes: Number.POSITIVE_INFINITY }
const MAX_EXCERPT = { characters: 1_500, bytes: Number.POSITIVE_INFINITY }
const MAX_SAID_OF_SEVERAL = { characters: 300, bytes: Number.POSITIVE_INFINITY }

const MAX_STEPS = 3

/**
 * The error message for a person: what failed, what it said, which run. The link stands at the end, which no length
 * limit cuts away: the message itself keeps the limit, and a stricter cut takes from the middle.
 *
 * @param limit bytes of UTF-8
 */
export function errorMessageOf({ jobs, related, remarks, run }: MessageParts, limit: number): string {
  const [only] = jobs
  const isOne = jobs.length === 1 && only !== undefined
  const head = isOne ? [sentence(only, MAX_EXCERPT)] : [`${jobs.length} jobs did not succeed:`]
  const lines = [
    ...(isOne ? [] : jobs.map((job) => `- ${jobSentence(job)}`)),
    ...related.map((job) => `- In this run: ${jobSentence(job)}`),
  ]
  const tail = [...remarks, runLine(run), (isOne && only.link) || run.link].filter((line) => line)
  const fixed = [...head, moreLine(lines.length), ...tail]
  return [...head, ...asManyAsFit(lines, limit - sizeOf(fixed.join('\n')).bytes), ...tail].join('\n')
}

/** The first lines within the room (bytes of UTF-8), and how many more there are. */
function asManyAsFit(lines: readonly string[], room: number): string[] {
  let used = 0
  const fitting = lines.findIndex((line) => {
    used += sizeOf(`${line}\n`).bytes
    return used > room
  })
  return fitting < 0 ? [...lines] : [...lines.slice(0, fitting), moreLine(lines.length - fitting)]
}

function moreLine(count: number): string {
  return `and ${count} more`
}

/** One line about one of several jobs, with its link. */
function jobSentence(job: JobEvidence): string {
  return sentence(job, MAX_SAID_OF_SEVERAL) + (job.link ? ` ${job.link}` : '')
}

function sentence({ name, outcome, steps, said }: JobEvidence, longestSaid: typeof MAX_EXCERPT): string {
  const who = name === undefined ? 'A needed job' : `Job ${quoteValue(name)}`
  const job = `${who} ${OUTCOME_WORDS.get(outcome) ?? `ended with ${oneLine(outcome)}`}`
  const where = steps.length === 0 ? '' : ` in step ${stepNames(steps)}`
  return `${job}${where}${said ? `: ${oneLine(truncateMiddle(clean(said), longestSaid))}` : '.'}`
}

/** The first of the steps by their names, and how many more there are. */
export function stepNames(steps: readonly string[]): string {
  const more = steps.length > MAX_STEPS ? ` and ${steps.length - MAX_STEPS} more` : ''
  return steps.slice(0, MAX_STEPS).map(quoteValue).join(', ') + more
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

function runLine({ workflow, repository, runNumber, attempt }: RunEvidence): string {
  const parts = [
    workflow && `workflow ${quoteValue(workflow)}`,
    repository,
    runNumber && `run ${runNumber}${attempt ? `, attempt ${attempt}` : ''}`,
  ].filter((part) => part)
  return parts.length === 0 ? '' : `GitHub Actions: ${parts.join(', ')}`
}

function quoteValue(name: string): string {
  return `"${oneLine(truncateMiddle(clean(name), MAX_NAME))}"`
}

function clean(text: string): string {
  return sanitize(withoutSecrets(text)).text.trim()
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ')
}
