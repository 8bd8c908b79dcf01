/** Milliseconds of each unit. A month and a year have no fixed length: 30 and 365 days are our rule. */
const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['second', 1_000],
  ['minute', 60_000],
  ['hour', 3_600_000],
  ['day', 86_400_000],
  ['week', 604_800_000],
  ['month', 30 * 86_400_000],
  ['year', 365 * 86_400_000],
])

/**
 * Milliseconds of a period of a pipeline definition, such as "10 minutes" or "1 hour" (Developer Guide, "Pipeline Expressions and
 * Functions", type Period). In any case, with a plural or without.
 *
 * @returns undefined when it can't be read
 */
export function parsePeriod(text: string): number | undefined {
  const [, number = '', unit = ''] = /^\s*(\d{1,9})\s*([a-z]+?)s?\s*$/i.exec(text) ?? []
  const unitMs = UNIT_MS.get(unit.toLowerCase())
  return unitMs === undefined ? undefined : Number(number) * unitMs
}
