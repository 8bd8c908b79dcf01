// Runs the fault suite.
// Usage: node test/faults/run.ts            all rows, minutes
//        node test/faults/run.ts --short    short faults and budgets, and without the rows that can't be made shorter
//        node test/faults/run.ts --write    all rows, and docs/RELIABILITY.md from them
// Other arguments go to Jest.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { REPOSITORY } from '../runner/action-file.ts'

const MODES = ['short', 'write']

const args = process.argv.slice(2)
const mode = MODES.find((name) => args.includes(`--${name}`))
const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  join(REPOSITORY, 'node_modules', 'jest', 'bin', 'jest.js'),
  `--config=${join(REPOSITORY, 'jest.faults.config.mjs')}`,
  ...args.filter((argument) => argument !== `--${mode}`),
]
const { status } = spawnSync(process.execPath, jest, {
  stdio: 'inherit',
  env: { ...process.env, FAULTS: mode ?? '' },
})
process.exitCode = status ?? 1
