import type { Annotation } from '../github/api.ts'
import { truncateMiddle } from '../text/truncate.ts'
import { firstLineOf, hasContent, type LogExcerpt, lastCharacters, MAX_EXCERPT } from './log-excerpt.ts'

/** Beside a log, which is worth more. */
const MAX_ERRORS = 1_000

/**
 * What a job said of its failure, one message: the first with content, else the first one. It begins with its place where
 * an annotation knows it, which a log does not tell.
 *
 * @param logged the error in the job's log; it counts first
 */
export function saidOf(failures: readonly Annotation[], logged: string | undefined): string | undefined {
  const messages = [...(logged === undefined ? [] : [logged]), ...failures.map(({ message }) => message)]
  const said = messages.find(hasContent) ?? messages[0]
  if (said === undefined) return undefined
  const same = failures.find(({ message, place }) => place && firstLineOf(message) === firstLineOf(said))
  return withPlace(said, same?.place)
}

/**
 * The log's end; before it, a line each, what annotations say and the log does not: together at most 4001 characters.
 * Undefined when there is neither.
 */
export function traceOf(failures: readonly Annotation[], log: LogExcerpt | undefined): string | undefined {
  const unsaid = failures.filter((failure) => !isSaidIn(log?.text ?? '', failure))
  const better = unsaid.filter(({ message }) => hasContent(message))
  const said = better.length > 0 || log?.text ? better : unsaid
  const lines = said.map(({ message, place }) => `error: ${withPlace(message.trim(), place)}`)
  const characters = log?.text ? MAX_ERRORS : MAX_EXCERPT
  const errors = truncateMiddle(lines.join('\n'), { characters, bytes: Number.POSITIVE_INFINITY })
  const text = lastCharacters(log?.text ?? '', MAX_EXCERPT - errors.length)
  return [errors, text].filter((part) => part !== '').join('\n') || undefined
}

/** Whether a log has a message, on one line with the file that it is about. */
function isSaidIn(log: string, { message, place }: Annotation): boolean {
  if (!log.includes(message.trim())) return false
  if (place === undefined) return true
  return log.split('\n').some((line) => line.includes(firstLineOf(message)) && line.includes(place.path))
}

/** A message after its place, unless it names that itself: "src/a.c:12: message". */
function withPlace(message: string, place: Annotation['place']): string {
  if (place === undefined) return message
  const path = place.path.replace(/\s+/g, ' ')
  const text = place.line === undefined ? path : `${path}:${place.line}`
  return message.includes(text) ? message : `${text}: ${message}`
}
