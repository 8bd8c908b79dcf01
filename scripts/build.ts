// Builds the actions: TypeScript to JavaScript with tsc (ncc can't load TypeScript 7), then one bundle of all of them with
// ncc, and beside it the entries of a few lines, one for each stage.
// Usage: node scripts/build.ts DIRECTORY
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)

/** What the runner and the activity start; their imports stay as they are, and lead to the bundle. */
const ENTRIES = ['index.js', 'poll-for-task.js', 'activity.js', 'activity-post.js', 'heartbeat.js']

/**
 * Packages whose modules do nothing when they are loaded, and don't say so in their package.json: without the word the
 * bundler keeps all they import, and @actions/core would bring undici (50 ms, 10 MB) for a function that is not used.
 */
const PURE_PACKAGES = ['@actions/core', '@actions/http-client']

/** Wipes the directory and builds the bundle into it. */
export function build(directory: string): void {
  const compiled = join(root, 'build')
  const bundled = `${directory}.new`
  rmSync(compiled, { recursive: true, force: true })
  rmSync(bundled, { recursive: true, force: true })
  run(join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json'))
  for (const name of PURE_PACKAGES) declarePure(name, join(compiled, 'node_modules', name))
  // Otherwise ncc takes the files for CommonJS.
  writeFileSync(join(compiled, 'package.json'), '{ "type": "module" }\n')
  run(
    require.resolve('@vercel/ncc/dist/ncc/cli.js'),
    'build',
    join(compiled, 'actions', 'index.js'),
    '--out',
    join(bundled, 'actions'),
    '--minify',
    '--no-cache',
    '--quiet',
    '--license',
    'licenses-[name].txt',
  )
  writeFileSync(join(bundled, 'package.json'), '{ "type": "module" }\n')
  for (const entry of ENTRIES) copyFileSync(join(compiled, entry), join(bundled, entry))
  endLines(join(bundled, 'actions'))
  // Only now, so that a build that failed leaves the last one in place.
  rmSync(directory, { recursive: true, force: true })
  renameSync(bundled, directory)
}

/** Copies a package to where the bundler finds it first, with the word that it has no side effects. */
function declarePure(name: string, copy: string): void {
  const original = join(root, 'node_modules', name)
  cpSync(realpathSync(original), copy, { recursive: true })
  const manifest = JSON.parse(readFileSync(join(original, 'package.json'), 'utf8')) as Record<string, unknown>
  writeFileSync(join(copy, 'package.json'), JSON.stringify({ ...manifest, sideEffects: false }))
}

function run(script: string, ...args: string[]): void {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}

/** The same bytes on every system: licence texts come with the line ends that their authors liked. */
function endLines(directory: string): void {
  for (const name of readdirSync(directory)) {
    const file = join(directory, name)
    const text = readFileSync(file, 'utf8')
    const mended = text.replace(/\r\n/g, '\n')
    if (mended !== text) writeFileSync(file, mended)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) build(resolve(root, process.argv[2] ?? 'dist'))
