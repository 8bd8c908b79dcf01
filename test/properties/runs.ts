import fc from 'fast-check'

// Read at the start, as actions that run in this process change its environment.
const ASKED = Number(process.env['FC_RUNS'])

/** `npm run test:properties` runs all cases, `npm test` a fortieth. */
const SHARE = process.env['TEST_SUITE'] === 'properties' ? 1 : 40

/** The number of cases of a property, of `all` that CI runs: FC_RUNS if set (`FC_RUNS=20000 npm test -- test/properties`). */
export function runs(all: number): number {
  return ASKED > 0 ? ASKED : Math.ceil(all / SHARE)
}

/** Milliseconds that a property may take, or a day with FC_RUNS. */
export const PROPERTY_LIMIT_MS = ASKED > 0 ? 24 * 3_600_000 : 300_000

/** The same cases each time. With FC_RUNS they are different each time. */
const SEED = 20_260_101

if (!(ASKED > 0)) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: SEED })
