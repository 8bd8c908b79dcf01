// Checks the workflows, actions and Dependabot's settings of this repository by zizmor (https://docs.zizmor.sh), without the
// network. The exit code is that of zizmor, and 1 where it is missing.
// Usage: node scripts/check-workflows.ts           the whole repository
//        node scripts/check-workflows.ts FOLDER…   other folders
import { spawnSync } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const programs = join(root, '.tools', 'python', process.platform === 'win32' ? 'Scripts' : 'bin')
const folders = process.argv.slice(2)
const { status, error } = spawnSync(
  join(programs, 'zizmor'),
  // The auditor reports the most. A file that it can't read is an error, not a warning.
  [
    '--offline',
    '--persona=auditor',
    '--strict-collection',
    '--no-progress',
    '--quiet',
    ...folders.concat(folders.length > 0 ? [] : root),
  ],
  { stdio: 'inherit' },
)
if (error) {
  console.error(`There is no zizmor in ${programs}: ${error.message}
Install it with "python3 -m venv .tools/python && .tools/python/bin/pip install -r test/support/requirements.txt".`)
}
process.exitCode = status ?? 1
