// First: it changes the environment of everything below, and of each worker.
import './test/support/sanitize-env.mjs'

/** The suites, by their name for `test/run.ts`. All but `tests` take minutes, or need act. */
const SUITES = {
  tests: {
    testMatch: ['<rootDir>/test/{fakes,properties,repository,scenarios,support,unit}/**/*.test.ts'],
    // Scenarios with processes mostly wait for them and for clocks.
    maxWorkers: 4,
    // A scenario starts the built action as a process. The limit allows for slow CI machines.
    testTimeout: 60_000,
  },
  // All cases of the properties, of which the tests above have a fortieth (test/properties/runs.ts).
  properties: {
    testMatch: ['<rootDir>/test/{properties,unit}/**/*.test.ts'],
    maxWorkers: 2,
    testTimeout: 60_000,
  },
  faults: {
    testMatch: ['<rootDir>/test/faults/*.test.ts'],
    maxWorkers: 3,
    testTimeout: 300_000,
    // Most of a fault is waiting.
    maxConcurrency: 10,
  },
  performance: {
    testMatch: ['<rootDir>/test/performance/**/*.test.ts'],
    // One file at a time, as a hundred processes that start at once use the whole machine.
    maxWorkers: 1,
    testTimeout: 600_000,
  },
  workflows: {
    testMatch: ['<rootDir>/test/workflows/*.test.ts'],
    // A workflow of a few jobs starts a dozen processes, each of which loads a bundle.
    maxWorkers: 2,
    maxConcurrency: 3,
    testTimeout: 180_000,
  },
}

/** GitHub's own parser of workflows. */
const PARSERS = '@actions/(languageservice|workflow-parser)/.*\\.js$'

export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } }],
    [PARSERS]: '<rootDir>/test/support/json-imports.mjs',
  },
  transformIgnorePatterns: [`/node_modules/(?!${PARSERS})`],
  // Copies of the repository for mutation tests, and what .ci/run installs.
  modulePathIgnorePatterns: ['<rootDir>/reports/', '<rootDir>/.tools/'],
  ...SUITES[process.env.TEST_SUITE ?? 'tests'],
}
