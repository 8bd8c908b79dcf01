import { errorMessage } from '../masking/error-message.ts'
import type { Runner } from './runner.ts'
import { type SummaryRow, summaryTable } from './summary.ts'

/** Sets outputs that later steps can do without: a file that can't be written is a warning. */
export function setOutputs(outputs: Readonly<Record<string, string>>, runner: Runner): void {
  try {
    for (const [name, value] of Object.entries(outputs)) runner.output(name, value)
  } catch (error) {
    runner.log.warning(`Could not write the outputs: ${errorMessage(error)}`)
  }
}

/** Adds a table to the summary of the step: a file that can't be written is a warning. */
export function writeSummary(heading: string, rows: readonly SummaryRow[], runner: Runner): void {
  // Older GitHub Enterprise Servers have no summaries.
  if (!runner.env['GITHUB_STEP_SUMMARY']) return
  try {
    runner.summarize(summaryTable(heading, rows))
  } catch (error) {
    runner.log.warning(`Could not write the summary: ${errorMessage(error)}`)
  }
}
