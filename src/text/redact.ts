import { readingsOf } from './readings.ts'
import { mergeRanges, SecretFinder } from './secret-finder.ts'
import { formsOf } from './secret-forms.ts'

/** The replacement of a secret, as in GitHub's own logs. */
export const MASK = '***'

/** A text without secrets, and how many were replaced. */
export interface RedactedText {
  readonly text: string
  readonly secrets: number
}

/**
 * Replaces secrets by `***`: each in any of its forms (`formsOf`), with colors or invisible characters in it, and each part of 12
 * characters or more, as truncation may leave. The time is proportional to the text.
 *
 * @param secrets those of less than 6 characters are ignored
 */
export function redact(text: string, secrets: Iterable<string>): RedactedText {
  return redactFound(text, finderFor(new Set(secrets)))
}

/** The same for the secrets of a finder. */
export function redactFound(text: string, finder: SecretFinder): RedactedText {
  const lists = [...readingsOf(text)].map(({ text: read, toSource }) => finder.find(read).map(toSource))
  const ranges = mergeRanges(lists)
  const parts: string[] = []
  let done = 0
  for (const { start, end } of ranges) {
    parts.push(text.slice(done, start))
    done = end
  }
  return { text: [...parts, text.slice(done)].join(MASK), secrets: ranges.length }
}

/** The last finder and its secrets: a process nearly always has the same ones, and a few more. */
let last = { finder: new SecretFinder(), secrets: new Set<string>() }

function finderFor(secrets: ReadonlySet<string>): SecretFinder {
  const isKnown = [...last.secrets].every((secret) => secrets.has(secret))
  if (!isKnown) last = { finder: new SecretFinder(), secrets: new Set() }
  for (const secret of secrets) {
    if (last.secrets.has(secret)) continue
    for (const form of formsOf(secret)) last.finder.add(form)
    last.secrets.add(secret)
  }
  return last.finder
}
