// First of all: it changes the environment that everything below, and each worker, is started with.
import './test/support/sanitize-env.mjs'

/** The suites, by the name that `test/run.ts` takes. Those beside `tests` take minutes, or need act. */
const SUITES = {
  tests: {
    testMatch: ['<rootDir>/test/{fakes,properties,repository,scenarios,support,unit}/**/*.test.ts'],
    // Scenarios mostly wait for processes and clocks.
    maxWorkers: 3,
    // A scenario starts the built action as a process. A slow machine needs the room; an action that hangs must not need more.
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
    // Each file has the machine to itself: a hundred processes that start at once take all of it.
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

export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } }],
  },
  // The copies of the repository that mutants are tested in.
  modulePathIgnorePatterns: ['<rootDir>/reports/'],
  ...SUITES[process.env.TEST_SUITE ?? 'tests'],
}
