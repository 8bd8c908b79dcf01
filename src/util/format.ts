/** Milliseconds as seconds, as users see them: `0.5 s`, `2 s`, `110 s`. With one decimal at most, below 10 s. */
export function formatSeconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(ms < 10_000 ? 1 : 0))} s`
}
