import config from './jest.config.mjs'

/** Whole workflows, for which act must be there: "npm run test:workflows". */
export default {
  ...config,
  testMatch: ['<rootDir>/test/workflows/**/*.test.ts'],
  testPathIgnorePatterns: [],
  // A workflow of a few jobs starts a dozen processes, each of which loads a bundle.
  maxWorkers: 2,
  maxConcurrency: 3,
  testTimeout: 180_000,
}
