import { formatLines, formatValue } from '../masking/format.ts'

/** A value of a summary table: text as it is, or a link. */
export type SummaryValue = string | { readonly text: string; readonly link: string }

export type SummaryRow = readonly [name: string, value: SummaryValue]

/** The summary is short: whole texts are in the outputs. */
const MAX_VALUE_CHARACTERS = 600

/**
 * A table for the job summary. HTML rather than Markdown: inside of it no text is taken for Markdown, as long as there
 * is no empty line. Everything is escaped; values stand in <code>, where GitHub makes no mentions and links of them. The
 * names of rows don't, so no text of others may be one.
 */
export function summaryTable(heading: string, rows: readonly SummaryRow[]): string {
  const body = rows.map(([name, value]) => `<tr><th align="left">${escapeHtml(name)}</th><td>${cell(value)}</td></tr>`)
  return `<h3>${escapeHtml(heading)}</h3>\n<table>\n${body.join('\n')}\n</table>\n`
}

function cell(value: SummaryValue): string {
  // An empty line would end the HTML, and what follows would be Markdown.
  if (typeof value !== 'string') {
    return `<a href="${escapeHtml(formatValue(value.link))}">${escapeHtml(formatValue(value.text))}</a>`
  }
  const lines = formatLines(value, MAX_VALUE_CHARACTERS).split(/\r\n|\r|\n/)
  // No <wbr> in long words, which make the table scroll: the runner would not find a secret in pieces to mask it.
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => `<code>${escapeHtml(line)}</code>`)
    .join('<br>')
}

/** The text as HTML shows it: nothing of it is markup. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => `&#${character.codePointAt(0)};`)
}
