import base from './jest.config.mjs'

// Apart from the others, as it takes minutes: faults are waited out.
export default {
  ...base,
  testMatch: ['<rootDir>/test/faults/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 300_000,
  maxConcurrency: 10,
}
