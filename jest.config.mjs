// First of all, for every configuration that is made of this one.
import './test/surroundings.mjs'

export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  // They take minutes, or need act, and have configurations of their own.
  testPathIgnorePatterns: ['<rootDir>/test/faults/', '<rootDir>/test/load/', '<rootDir>/test/workflows/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } }],
  },
  // The copies of the repository that mutants are tested in.
  modulePathIgnorePatterns: ['<rootDir>/reports/'],
  // Scenarios mostly wait for processes and clocks.
  maxWorkers: 3,
  // A scenario starts the built action as a process; a slow machine needs the room, a hung action must not need more.
  testTimeout: 60_000,
}
