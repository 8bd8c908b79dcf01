/**
 * How many cases a property gets: FC_RUNS where it is set, for a longer look (`FC_RUNS=20000 npm test -- test/properties`),
 * else the number that keeps `npm test` quick.
 */
export function runs(usual: number): number {
  const asked = Number(process.env['FC_RUNS'])
  return asked > 0 ? asked : usual
}

/** Milliseconds that a property may take: Jest's limit, or as long as it was asked for. */
export const PROPERTY_LIMIT_MS = process.env['FC_RUNS'] ? 24 * 3_600_000 : 120_000
