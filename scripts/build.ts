// Builds the actions: compiles with tsc (ncc can't load TypeScript 7), then makes one bundle with ncc, whose chunks are loaded
// when they are needed. The entries, one for each stage, stand beside the bundle.
// Usage: node scripts/build.ts DIRECTORY
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { minify } from 'terser'
import { licencesOf, type Stats } from './licences.ts'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)

/** What the runner and the activity start. They import the bundle. */
const ENTRIES = [
  'index.js',
  'poll-for-task.js',
  'activity.js',
  'activity-post.js',
  'heartbeat.js',
  'task-runner.js',
  'task-runner-post.js',
]

/**
 * Packages whose modules have no side effects, and no `sideEffects` in their package.json. Without it, the bundler keeps all their
 * imports, and @actions/core would bring undici (50 ms, 10 MB) for a function that is not used.
 */
const PURE_PACKAGES = ['@actions/core', '@actions/http-client']

/**
 * Scopes of packages with ES modules beside CommonJS. ncc uses the latter, of which it can neither drop unused exports nor make
 * chunks.
 */
const ES_MODULE_SCOPES = ['@aws-sdk', '@smithy']

/** Packages that @actions/github imports and we never use: code of ours that stands in the bundle in their place. */
export const REPLACED_PACKAGES: Readonly<Record<string, string>> = {
  // octokit gets a fetch of ours, with the same proxy settings as the calls to AWS. undici takes 30 ms, and has 1 MB.
  undici: `export class ProxyAgent {}
export const fetch = () => Promise.reject(new Error('undici is not in this bundle'))
`,
  // Methods for all routes, and for pages of results. We name the route and the page in each request.
  '@octokit/plugin-rest-endpoint-methods': 'export const restEndpointMethods = () => ({})\n',
  '@octokit/plugin-paginate-rest': 'export const paginateRest = () => ({})\n',
}

/** Builds into a directory, in place of its content. With `maps`, also source maps from the bundle before it is minified. */
export async function build(directory: string, { maps = false } = {}): Promise<void> {
  const compiled = join(root, 'build')
  const bundled = `${directory}.new`
  rmSync(compiled, { recursive: true, force: true })
  rmSync(bundled, { recursive: true, force: true })
  run(join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json'))
  prepare(PURE_PACKAGES, (manifest) => ({ ...manifest, sideEffects: false }))
  prepare(ES_MODULE_SCOPES.flatMap(packagesOf), preferEsModules)
  // A copy, for which the replaced packages are the nearest.
  prepare(['@actions/github'], (manifest) => manifest)
  const replaced = Object.entries(REPLACED_PACKAGES).map(([name, code]) => replacePackage(name, code))
  // Otherwise ncc reads the files as CommonJS.
  writeFileSync(join(compiled, 'package.json'), '{ "type": "module" }\n')
  const stats = join(compiled, 'stats.json')
  run(
    require.resolve('@vercel/ncc/dist/ncc/cli.js'),
    'build',
    join(compiled, 'actions', 'index.js'),
    '--out',
    join(bundled, 'actions'),
    '--no-cache',
    '--quiet',
    '--stats-out',
    stats,
    ...(maps ? ['--source-map', '--no-source-map-register'] : []),
  )
  await minifyAll(join(bundled, 'actions'))
  writeFileSync(
    join(bundled, 'actions', 'licenses.txt'),
    licencesOf(JSON.parse(readFileSync(stats, 'utf8')) as Stats, root, replaced),
  )
  writeFileSync(join(bundled, 'package.json'), '{ "type": "module" }\n')
  for (const entry of ENTRIES) {
    // In dist/, the entries stand beside the folder of the bundle.
    const code = readFileSync(join(compiled, 'entries', entry), 'utf8').replace("'../actions/", "'./actions/")
    writeFileSync(join(bundled, entry), code)
  }
  // At the end, so that a build that fails leaves the last one.
  rmSync(directory, { recursive: true, force: true })
  renameSync(bundled, directory)
}

/** Minifies the bundle and its chunks. ncc minifies only the former. */
async function minifyAll(directory: string): Promise<void> {
  for (const name of readdirSync(directory).filter((each) => each.endsWith('.js'))) {
    const file = join(directory, name)
    // The SDK uses the names of classes. Those of functions are 20 KB; a build with maps resolves a stack trace.
    const { code = '' } = await minify(readFileSync(file, 'utf8'), {
      module: true,
      keep_classnames: true,
      compress: { passes: 3 },
      format: { comments: false },
    })
    writeFileSync(file, code)
  }
}

/** Replaces a package by code of ours. Gives its folder. */
function replacePackage(name: string, code: string): string {
  const folder = join(root, 'build', 'node_modules', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "main": "index.js", "sideEffects": false }')
  writeFileSync(join(folder, 'index.js'), code)
  return folder
}

type Manifest = Record<string, unknown>

/** Copies packages to where the bundler finds them first, with a changed package.json. */
function prepare(names: readonly string[], change: (manifest: Manifest) => Manifest): void {
  for (const name of names) {
    const original = realpathSync(join(root, 'node_modules', name))
    const copy = join(root, 'build', 'node_modules', name)
    cpSync(original, copy, { recursive: true })
    const manifest = JSON.parse(readFileSync(join(original, 'package.json'), 'utf8')) as Manifest
    writeFileSync(join(copy, 'package.json'), JSON.stringify(change(manifest)))
  }
}

function packagesOf(scope: string): string[] {
  return readdirSync(join(root, 'node_modules', scope)).map((name) => `${scope}/${name}`)
}

/** Points the main module and all exports to ES modules. */
function preferEsModules(manifest: Manifest): Manifest {
  return JSON.parse(JSON.stringify(manifest).replaceAll('./dist-cjs/', './dist-es/')) as Manifest
}

function run(script: string, ...args: string[]): void {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}

if (realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url))
  await build(resolve(root, process.argv[2] ?? 'dist'))
