// Runs one suite of tests: tests, properties, faults, performance or workflows.
// Usage: node test/run.ts SUITE            all of it
//        node test/run.ts SUITE --short    faults, performance: short faults, few jobs, and nothing that takes long
//        node test/run.ts faults --write   and docs/reliability.md from the results
// Other arguments go to Jest.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { REPOSITORY } from './support/action-file.ts'

const [suite, ...args] = process.argv.slice(2)
const mode = ['short', 'write'].find((name) => args.includes(`--${name}`))
const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  join(REPOSITORY, 'node_modules', 'jest', 'bin', 'jest.js'),
  `--rootDir=${REPOSITORY}`,
  `--config=${join(REPOSITORY, 'jest.config.mjs')}`,
  ...args.filter((argument) => argument !== `--${mode}`),
]
const { status } = spawnSync(process.execPath, jest, {
  stdio: 'inherit',
  env: { ...process.env, TEST_SUITE: suite, TEST_MODE: mode ?? '' },
})
process.exitCode = status ?? 1
