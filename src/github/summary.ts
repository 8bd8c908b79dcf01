import { formatLines, formatValue } from '../masking/format.ts'

/** A value of a summary table: a text or a link. */
export type SummaryValue = string | { readonly text: string; readonly link: string }

export type SummaryRow = readonly [name: string, value: SummaryValue]

/** The outputs have the whole texts. */
const MAX_VALUE_CHARACTERS = 600

/**
 * A table for the job summary, in HTML: GitHub reads no Markdown inside of it, as long as there is no empty line. Everything is
 * escaped. Values are in <code>, where GitHub makes no mentions and links. The names of rows are not, so they are never texts of
 * others.
 */
export function summaryTable(heading: string, rows: readonly SummaryRow[]): string {
  const body = rows.map(([name, value]) => `<tr><th align="left">${escapeHtml(name)}</th><td>${cell(value)}</td></tr>`)
  return `<h3>${escapeHtml(heading)}</h3>\n<table>\n${body.join('\n')}\n</table>\n`
}

function cell(value: SummaryValue): string {
  // An empty line ends the HTML, and what follows is Markdown.
  if (typeof value !== 'string') {
    return `<a href="${escapeHtml(formatValue(value.link))}">${escapeHtml(formatValue(value.text))}</a>`
  }
  const lines = formatLines(value, MAX_VALUE_CHARACTERS).split(/\r\n|\r|\n/)
  // No <wbr> in long words: the runner could not mask a secret that is split.
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => `<code>${escapeHtml(line)}</code>`)
    .join('<br>')
}

/** The text, escaped for HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => `&#${character.codePointAt(0)};`)
}
