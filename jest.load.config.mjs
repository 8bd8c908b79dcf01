import config from './jest.config.mjs'

/** Many jobs at once, against the rates of the service: "npm run test:load"; LOAD=short makes it a minute. */
export default {
  ...config,
  testMatch: ['<rootDir>/test/load/**/*.test.ts'],
  testPathIgnorePatterns: [],
  // Each of them has the machine to itself: a hundred processes that start at once take all of it.
  maxWorkers: 1,
  testTimeout: 600_000,
}
