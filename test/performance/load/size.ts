/** Whether this is the short version (npm run test:load -- --short). */
export const SHORT = process.env['TEST_MODE'] === 'short'

/** The largest matrix that GitHub allows ("Usage limits" of its documentation). */
export const MAX_MATRIX = 256

/** Milliseconds as seconds, for a line of figures. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** Prints a line of figures without the stack trace that Jest adds to console.log. */
export function printLine(line: string): void {
  process.stdout.write(`${line}\n`)
}
