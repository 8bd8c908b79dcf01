/** Whether the load is that of a quick check (npm run test:load -- --short), and not the whole. */
export const SHORT = process.env['TEST_MODE'] === 'short'

/** The largest matrix that GitHub allows ("Usage limits" of its documentation). */
export const MAX_MATRIX = 256

/** Milliseconds as seconds, for a line of figures. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** Prints a line of figures: Jest shows what a test logs with a stack trace, and this is meant to be read. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`)
}
