import type { Annotation } from '../github/api.ts'
import { truncateMiddle } from '../text/truncate.ts'
import { firstLineOf, hasContent, type LogExcerpt, lastCharacters, MAX_EXCERPT_CHARACTERS } from './log-excerpt.ts'

/** Before a log, which helps more. */
const MAX_ERRORS_CHARACTERS = 1_000

/**
 * The error of a job: the first message with content, or else the first one. It begins with the file and line, if an annotation
 * has them.
 *
 * @param logged the error in the job's log, which comes first
 */
export function excerptFrom(failures: readonly Annotation[], logged: string | undefined): string | undefined {
  const messages = [...(logged === undefined ? [] : [logged]), ...failures.map(({ message }) => message)]
  const excerpt = messages.find(hasContent) ?? messages[0]
  if (excerpt === undefined) return undefined
  const same = failures.find(({ message, place }) => place && firstLineOf(message) === firstLineOf(excerpt))
  return withPlace(excerpt, same?.place)
}

/**
 * The errors of annotations that the log does not show, one per line, and then the end of the log. It has the length of a
 * stack trace at most.
 *
 * @returns undefined when there is neither
 */
export function traceOf(failures: readonly Annotation[], log: LogExcerpt | undefined): string | undefined {
  const unlogged = failures.filter((failure) => !isLogged(log?.text ?? '', failure))
  const withContent = unlogged.filter(({ message }) => hasContent(message))
  const chosen = withContent.length > 0 || log?.text ? withContent : unlogged
  const lines = chosen.map(({ message, place }) => `error: ${withPlace(message.trim(), place)}`)
  const characters = log?.text ? MAX_ERRORS_CHARACTERS : MAX_EXCERPT_CHARACTERS
  const errors = truncateMiddle(lines.join('\n'), { characters, bytes: Number.POSITIVE_INFINITY })
  const text = lastCharacters(log?.text ?? '', MAX_EXCERPT_CHARACTERS - errors.length)
  return [errors, text].filter((part) => part !== '').join('\n') || undefined
}

/** Whether a log has a message on one line with its file. */
function isLogged(log: string, { message, place }: Annotation): boolean {
  if (!log.includes(message.trim())) return false
  if (place === undefined) return true
  return log.split('\n').some((line) => line.includes(firstLineOf(message)) && line.includes(place.path))
}

/** A message after its file and line, unless it has them: "src/a.c:12: message". */
function withPlace(message: string, place: Annotation['place']): string {
  if (place === undefined) return message
  const path = place.path.replace(/\s+/g, ' ')
  const text = place.line === undefined ? path : `${path}:${place.line}`
  return message.includes(text) ? message : `${text}: ${message}`
}
