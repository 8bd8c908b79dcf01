// Builds into an empty directory and compares it with dist/, byte by byte. Exit code 1 and a list on any difference.
// Usage: node scripts/check-dist.ts             says which files differ
//        node scripts/check-dist.ts --diff F    also writes the differences into F, from dist/ to what src/ builds
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from './build.ts'

const { diff } = parseArgs({ options: { diff: { type: 'string' } } }).values
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const committed = contents(join(root, 'dist'))
const directory = mkdtempSync(join(tmpdir(), 'check-dist-'))
try {
  await build(join(directory, 'dist'))
  const built = contents(join(directory, 'dist'))
  const names = [...new Set([...committed.keys(), ...built.keys()])].sort()
  const different = names.filter((name) => !built.get(name)?.equals(committed.get(name) ?? Buffer.alloc(0)))
  if (different.length > 0) {
    console.error(
      `dist/ is not what src/ builds. Run "npm run build" and commit it. Different: ${different.join(', ')}`,
    )
    if (diff) writeFileSync(diff, differenceTo(join(directory, 'dist')))
    process.exitCode = 1
  } else {
    console.log(`dist/ is what src/ builds (${names.length} files).`)
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}

function contents(folder: string): Map<string, Buffer> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    files.map((file) => [
      join(file.parentPath, file.name).slice(folder.length + 1),
      readFileSync(join(file.parentPath, file.name)),
    ]),
  )
}

function differenceTo(built: string): string {
  const git = spawnSync('git', ['diff', '--no-index', '--text', join(root, 'dist'), built], {
    encoding: 'utf8',
    maxBuffer: 100 * 1024 * 1024,
  })
  // 1 says that there are differences.
  if (git.status !== 1) throw git.error ?? new Error(`git diff: ${git.stderr}`)
  return git.stdout
}
