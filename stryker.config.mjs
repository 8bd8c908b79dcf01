// Each mutant runs every property again, so a few cases have to do: what matters has a test with a name.
process.env.FC_RUNS ??= '40'

/** The tests of what is mutated; others would only take time. */
const tests = [
  'clean-text',
  'cut-text',
  'encrypted-fields',
  'environment-secrets',
  'error-fields',
  'error-message',
  'known-secrets',
  'needs',
  'redact',
  'retry',
  'status',
  'task-outputs',
]

/** Mutation tests of the pure rules: `npm run test:mutants`. */
export default {
  mutate: [
    'src/environment-secrets.ts',
    'src/report/error-fields.ts',
    'src/evidence/error-message.ts',
    'src/known-secrets.ts',
    'src/needs.ts',
    'src/own-words.ts',
    'src/poll/encrypted-fields.ts',
    'src/poll/task-fields.ts',
    'src/retry.ts',
    'src/status.ts',
    'src/text/*.ts',
  ],
  testRunner: 'jest',
  testRunnerNodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  jest: {
    configFile: 'jest.config.mjs',
    config: {
      testMatch: tests.map((name) => `<rootDir>/test/unit/${name}.test.ts`),
      setupFiles: ['<rootDir>/test/properties/first-failure.ts'],
      maxWorkers: 1,
    },
  },
  coverageAnalysis: 'perTest',
  concurrency: 2,
  // Node keeps the ES modules of every run (--experimental-vm-modules) until the process ends.
  maxTestRunnerReuse: 15,
  // A busy machine is no killer.
  timeoutMS: 30_000,
  // Stryker rewrites a tsconfig.json by TypeScript's programming interface, which TypeScript 7 does not have; swc reads none.
  ignorePatterns: ['.act', 'bench', 'dist', 'build', 'coverage', '*.md', 'tsconfig*.json'],
  tempDirName: 'reports/mutants-work',
  cleanTempDir: 'always',
  reporters: ['clear-text', 'progress-append-only', 'json', 'html'],
  clearTextReporter: { reportTests: false, reportScoreTable: true, allowColor: false, skipFull: true },
  jsonReporter: { fileName: 'reports/mutants.json' },
  htmlReporter: { fileName: 'reports/mutants.html' },
  thresholds: { high: 95, low: 90, break: 90 },
  allowConsoleColors: false,
}
