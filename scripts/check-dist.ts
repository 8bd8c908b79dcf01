// Builds into an empty directory and compares it with dist/, byte by byte; and the packages in licenses.txt with those of
// which the source maps have modules. Exit code 1 and a list on any difference.
// Usage: node scripts/check-dist.ts             says which files differ
//        node scripts/check-dist.ts --diff F    also writes the differences into F, from dist/ to what src/ builds
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build, REPLACED_PACKAGES } from './build.ts'
import { nameOf, packageFolderOf } from './licences.ts'

const { diff } = parseArgs({ options: { diff: { type: 'string' } } }).values
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const committed = contents(join(root, 'dist'))
const directory = mkdtempSync(join(tmpdir(), 'check-dist-'))
try {
  await build(join(directory, 'dist'), { maps: true })
  const all = contents(join(directory, 'dist'))
  const built = new Map([...all].filter(([name]) => !name.endsWith('.map')))
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
  const bundled = packagesIn(all)
  const listed = listedIn(String(built.get(join('actions', 'licenses.txt'))))
  const wrong = [...bundled, ...listed].filter((name) => !bundled.has(name) || !listed.has(name)).sort()
  if (wrong.length > 0) {
    console.error(`licenses.txt has not exactly the packages of the bundle: see ${wrong.join(', ')}.`)
    process.exitCode = 1
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}

/** The packages with a module in the bundle, by the source maps. */
function packagesIn(files: ReadonlyMap<string, Buffer>): Set<string> {
  const maps = [...files].filter(([name]) => name.endsWith('.js.map')).map(([, content]) => String(content))
  const sources = maps.flatMap((map) => (JSON.parse(map) as { sources: string[] }).sources)
  if (sources.length === 0) throw new Error('the build has no source maps')
  const names = sources.flatMap((source) => packageFolderOf(source) ?? []).map(nameOf)
  return new Set(names.filter((name) => !(name in REPLACED_PACKAGES)))
}

/** The packages in licenses.txt. Each block starts with their names and an empty line. */
function listedIn(text: string): Set<string> {
  const blocks = text.split(/^-{80}\n\n/m)
  return new Set(blocks.flatMap((block) => block.slice(0, block.indexOf('\n\n')).split('\n')))
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
