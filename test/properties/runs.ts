import fc from 'fast-check'

// Read at once: actions that run in this process have an environment of their own.
const ASKED = Number(process.env['FC_RUNS'])

/**
 * How many cases a property gets: FC_RUNS where it is set, for a longer look (`FC_RUNS=20000 npm test -- test/properties`),
 * else the number that keeps `npm test` quick.
 */
export function runs(usual: number): number {
  return ASKED > 0 ? ASKED : usual
}

/** Milliseconds that a property may take: a generous limit, or as long as it was asked for. */
export const PROPERTY_LIMIT_MS = ASKED > 0 ? 24 * 3_600_000 : 300_000

/** What `npm test` says of a commit is no matter of luck: the same cases each time. A longer look has others each time. */
const SEED = 20_260_101

if (!(ASKED > 0)) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: SEED })
