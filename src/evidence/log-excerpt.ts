import { PUBLISHED_LIMITS } from '../domain/error-fields.ts'
import { sanitize } from '../text/sanitize.ts'

/** A step that ran, and when, in milliseconds since 1970. The API gives whole seconds. */
export interface LoggedStep {
  readonly name: string
  readonly startedAt: number
  readonly completedAt: number
}

/** The steps of a job that ran, in their order, and the one that failed. */
export interface LoggedSteps {
  readonly failed: LoggedStep
  readonly all: readonly LoggedStep[]
}

/** What a job's log shows of a failed step. */
export interface LogExcerpt {
  /** The end of the step's log, up to its error: without time stamps and colors. */
  readonly text: string
  /** The first error with content, else the first one; undefined when there is none. */
  readonly error: string | undefined
  /** Whether the log shows a message as an error of some other step. */
  readonly isElsewhere: (message: string) => boolean
}

/** The limit of a stack trace, less the line end between the errors of annotations and the log. */
export const MAX_EXCERPT_CHARACTERS = PUBLISHED_LIMITS.errorStackTrace.characters - 1

const TIME_STAMP = /^\ufeff?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z) ?/
const ERROR = '##[error]'
const SCRIPT = '##[group]Run '
const CLEANUP = /^(Post job cleanup\.|Cleaning up orphan processes)$/

const MAX_LINES_OF_ERROR = 100

/** The message of every failed script, which does not give the reason. */
const CONTENTLESS = /^Process completed with exit code -?\d+\.$/

/** Whether the message of an error gives a reason. */
export function hasContent(message: string): boolean {
  return message.trim() !== '' && !CONTENTLESS.test(message.trim())
}

interface Line {
  readonly time: number | undefined
  /** Whether it continues the message of the line before. */
  readonly continues: boolean
  readonly text: string
}

/**
 * The part of a job's log that shows why a step failed: its lines up to its last `##[error]`, or its last lines if there is
 * none. Log lines don't name their step. They are assigned by their time and, as several steps may run within one second of
 * the API, by the headers that the runner writes before scripts and actions.
 *
 * @param log the end of a log, with a time stamp on each line that begins a message
 * @param steps undefined when it is not known when the failed step ran. Then the last error of the log counts
 */
export function excerptOf(log: string, steps: LoggedSteps | undefined): LogExcerpt {
  const lines = linesOf(log)
  const during = steps === undefined ? [] : linesOfStep(lines, steps)
  const chosen = upToError(during === undefined || during.length > 0 ? (during ?? []) : beforeCleanup(lines))
  const errors = errorsIn(chosen)
  const own = new Set(chosen)
  const elsewhere = new Set(errorsIn(lines.filter((line) => !own.has(line))).map(firstLineOf))
  return {
    text: lastCharacters(displayedLines(chosen).join('\n'), MAX_EXCERPT_CHARACTERS),
    error: errors.find(hasContent) ?? errors[0],
    isElsewhere: (message) => {
      const firstLine = firstLineOf(message)
      return elsewhere.has(firstLine) && !errors.some((error) => firstLineOf(error) === firstLine)
    },
  }
}

/** The first line of a message, as a log has it: without colors and surrounding space. */
export function firstLineOf(text: string): string {
  return (sanitize(text).text.trim().split(/\r?\n/, 1)[0] ?? '').trim()
}

/** The messages of errors, with all their lines. */
function errorsIn(lines: readonly Line[]): string[] {
  return lines.flatMap((line, index) => {
    if (!line.text.startsWith(ERROR)) return []
    const texts = [line.text.slice(ERROR.length), ...continuationOf(lines, index).map(({ text }) => text)]
    return [texts.join('\n').trim()]
  })
}

/** The further lines of a message. Only its first line has a time stamp and a marker. */
function continuationOf(lines: readonly Line[], index: number): readonly Line[] {
  const rest = lines.slice(index + 1, index + 1 + MAX_LINES_OF_ERROR)
  const end = rest.findIndex(({ continues }) => !continues)
  return end < 0 ? rest : rest.slice(0, end)
}

const OWN_STEPS = new Set(['Set up job', 'Set up runner', 'Initialize containers', 'Stop containers', 'Complete job'])

/** Whether a step is the runner's own, which has no header of a script or an action. */
function isOwnStep({ name }: LoggedStep, all: readonly LoggedStep[]): boolean {
  return (
    OWN_STEPS.has(name) || (name.startsWith('Post ') && all.some((step) => step.name === name.slice('Post '.length)))
  )
}

/**
 * The lines of the failed step, among those written in the seconds in which it ran; undefined when they were not read, because
 * a later step wrote too much in the same second. Lines of another step would mislead.
 */
function linesOfStep(lines: readonly Line[], { failed, all }: LoggedSteps): readonly Line[] | undefined {
  const during = beforeCleanup(lines.filter((line) => isDuring(line, failed)))
  const parts = partsOf(during)
  const steps = all.filter(
    (step) =>
      (step === failed || !isOwnStep(step, all)) &&
      step.startedAt <= failed.completedAt &&
      step.completedAt >= failed.startedAt,
  )
  // Each step has one header, unless it is a composite action. From the end, as the beginning may not have been read.
  const place = steps.length - steps.indexOf(failed)
  const headers = parts.filter(({ hasHeader }) => hasHeader).length
  if (headers === steps.length || (headers < steps.length && parts.length >= place)) {
    return parts.at(-place)?.lines ?? during
  }
  if (headers === 0 && parts.length === 1) return undefined
  const failing = parts.find((part) => part.lines.some(({ text }) => text.startsWith(ERROR)))
  return failing?.lines ?? during
}

/** The lines from one header of a script or action to the next. */
function partsOf(lines: readonly Line[]): { hasHeader: boolean; lines: Line[] }[] {
  const parts: { hasHeader: boolean; lines: Line[] }[] = []
  for (const line of lines) {
    const hasHeader = line.text.startsWith(SCRIPT)
    if (hasHeader || parts.length === 0) parts.push({ hasHeader, lines: [] })
    parts.at(-1)?.lines.push(line)
  }
  return parts
}

function linesOf(log: string): Line[] {
  let time: number | undefined
  return log.split(/\r?\n/).map((raw) => {
    const stamp = TIME_STAMP.exec(raw)
    // Further lines of a message have no time stamp.
    if (stamp) time = Date.parse(stamp[1] ?? '')
    return { time, continues: stamp === null, text: sanitize(stamp ? raw.slice(stamp[0].length) : raw).text }
  })
}

function isDuring({ time }: Line, { startedAt, completedAt }: LoggedStep): boolean {
  return time !== undefined && time >= startedAt && time < completedAt + 1_000
}

function beforeCleanup(lines: readonly Line[]): Line[] {
  const cleanup = lines.findIndex(({ text }) => CLEANUP.test(text))
  return cleanup < 0 ? [...lines] : lines.slice(0, cleanup)
}

function upToError(lines: readonly Line[]): Line[] {
  const error = lines.findLastIndex(({ text }) => text.startsWith(ERROR))
  if (error < 0) return [...lines]
  const end = error + 1 + continuationOf(lines, error).length
  const script = lines.slice(0, error).findLastIndex(({ text }) => text.startsWith(SCRIPT))
  return lines.slice(Math.max(0, script), end)
}

/** The lines as GitHub shows them: without markers of groups, and only the first line of a script's header. */
function displayedLines(lines: readonly Line[]): string[] {
  const visible: string[] = []
  let inHeader = false
  for (const [index, { text }] of lines.entries()) {
    if (text.startsWith(SCRIPT) && lines.slice(index, index + 200).some((line) => line.text === '##[endgroup]')) {
      inHeader = true
      visible.push(text.slice('##[group]'.length))
      continue
    }
    if (text === '##[endgroup]') {
      inHeader = false
      continue
    }
    if (inHeader || text.startsWith('##[debug]')) continue
    visible.push(
      text.replace(/^##\[(\w+)\]/, (_, name: string) => (name === 'error' || name === 'warning' ? `${name}: ` : '')),
    )
  }
  return visible
}

/** The end of a text, with `limit` characters at most, from the beginning of a line if there is one near. */
export function lastCharacters(whole: string, limit: number): string {
  let text = whole.trim()
  if (text.length > limit) {
    text = text.slice(-limit)
    const lineStart = text.indexOf('\n') + 1
    if (lineStart > 0 && lineStart < limit / 2) text = text.slice(lineStart)
  }
  return sanitize(text).text.trim()
}
