// Each mutant runs every property again, so a few cases have to do: what matters has a test with a name.
process.env.FC_RUNS ??= '40'

/** The tests of what is mutated; others would only take time. */
const tests = [
  'domain/needs',
  'domain/resolve-status',
  'domain/task-status',
  'evidence/error-message',
  'inputs/needs',
  'masking/environment-secrets',
  'masking/known-secrets',
  'polling/encrypted-fields',
  'polling/task-outputs',
  'report/sanitize-error-fields',
  'text/redact',
  'text/sanitize',
  'text/truncate',
  'util/retry',
]

/** Mutation tests of the pure rules: `npm run test:mutants`. */
export default {
  mutate: [
    'src/masking/*.ts',
    'src/report/sanitize-error-fields.ts',
    'src/evidence/error-message.ts',
    'src/domain/*.ts',
    'src/inputs/needs.ts',
    'src/polling/encrypted-fields.ts',
    'src/polling/task-fields.ts',
    'src/util/retry.ts',
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
  ignorePatterns: ['.act', '.tools', 'dist', 'build', 'coverage', '*.md', 'tsconfig*.json'],
  tempDirName: 'reports/mutants-work',
  cleanTempDir: 'always',
  reporters: ['clear-text', 'progress-append-only', 'json', 'html'],
  clearTextReporter: { reportTests: false, reportScoreTable: true, allowColor: false, skipFull: true },
  jsonReporter: { fileName: 'reports/mutants.json' },
  htmlReporter: { fileName: 'reports/mutants.html' },
  thresholds: { high: 95, low: 90, break: 90 },
  allowConsoleColors: false,
}
