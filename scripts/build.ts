// Builds the action: TypeScript to JavaScript with tsc (ncc can't load TypeScript 7), then one bundle with ncc.
// Usage: node scripts/build.ts DIRECTORY
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)

/** Wipes the directory and builds the bundle into it. */
export function build(directory: string): void {
  const compiled = join(root, 'build')
  const bundled = `${directory}.new`
  rmSync(compiled, { recursive: true, force: true })
  rmSync(bundled, { recursive: true, force: true })
  run(join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json'))
  // Otherwise ncc takes the files for CommonJS.
  writeFileSync(join(compiled, 'package.json'), '{ "type": "module" }\n')
  run(
    require.resolve('@vercel/ncc/dist/ncc/cli.js'),
    'build',
    join(compiled, 'main.js'),
    '--out',
    bundled,
    '--minify',
    '--no-cache',
    '--quiet',
    '--license',
    'licenses.txt',
  )
  endLines(bundled)
  // Only now, so that a build that failed leaves the last one in place.
  rmSync(directory, { recursive: true, force: true })
  renameSync(bundled, directory)
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
