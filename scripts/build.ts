// Builds the actions: compiles with tsc, joins the modules with rollup, makes the bundle and its chunks with ncc, and minifies them
// with terser. The entries, one for each stage, stand beside the bundle.
// Usage: node scripts/build.ts DIRECTORY
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { parse } from 'acorn'
import { type OutputChunk, rollup } from 'rollup'
import { minify } from 'terser'
import { licencesOf, type Stats } from './licences.ts'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(import.meta.url)

/** What the runner and the activity start. They load the bundle. */
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
 * Packages whose modules have no side effects, and no `sideEffects` in their package.json. Without it, rollup keeps all their
 * imports.
 */
const PURE_PACKAGES = /[\\/]node_modules[\\/](?:@actions[\\/]core|@aws[\\/]lambda-invoke-store)[\\/]/

/** Packages that are not ES modules only. ncc makes what they import a part of the chunk that needs it. */
const LEFT_TO_NCC = /^(?:@actions\/github|@actions\/http-client|@actions\/exec)(?:\/|$)/

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

/** Builds into a directory, in place of its content. With `maps`, also source maps of what rollup and ncc write. */
export async function build(directory: string, { maps = false } = {}): Promise<void> {
  const compiled = join(root, 'build')
  const joined = join(compiled, 'joined')
  const bundled = `${directory}.new`
  rmSync(compiled, { recursive: true, force: true })
  rmSync(bundled, { recursive: true, force: true })
  run(join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json'))
  const modules = await joinModules(join(compiled, 'actions', 'index.js'), joined, maps)
  // A copy, for which the replaced packages are the nearest.
  copyPackage('@actions/github')
  const replaced = Object.entries(REPLACED_PACKAGES).map(([name, code]) => replacePackage(name, code))
  const stats = join(compiled, 'stats.json')
  run(
    require.resolve('@vercel/ncc/dist/ncc/cli.js'),
    'build',
    join(joined, 'index.js'),
    '--out',
    join(bundled, 'actions'),
    '--no-cache',
    '--quiet',
    '--stats-out',
    stats,
    ...(maps ? ['--source-map', '--no-source-map-register'] : []),
  )
  if (maps) for (const name of mapsIn(joined)) cpSync(join(joined, name), join(bundled, 'actions', `joined.${name}`))
  await minifyAll(join(bundled, 'actions'))
  writeFileSync(
    join(bundled, 'actions', 'licenses.txt'),
    licencesOf(modules, JSON.parse(readFileSync(stats, 'utf8')) as Stats, root, replaced),
  )
  writeFileSync(join(bundled, 'package.json'), COMMON_JS)
  for (const entry of ENTRIES) writeFileSync(join(bundled, entry), entryIn(join(compiled, 'entries', entry)))
  // At the end, so that a build that fails leaves the last one.
  rmSync(directory, { recursive: true, force: true })
  renameSync(bundled, directory)
}

/** CommonJS starts 3 ms faster than an ES module, as Node then does without its loader of those. */
const COMMON_JS = '{ "type": "commonjs" }\n'

/**
 * Joins the modules of each chunk into one, with rollup. ncc's webpack keeps every module that a chunk uses as well in a function
 * of its own, 190 of them for a report. Each is parsed twice (30 ms in all), and what it exports can't be left out or renamed.
 *
 * @returns the paths of all modules of which something is left, relative to the root
 */
async function joinModules(input: string, directory: string, maps: boolean): Promise<string[]> {
  const bundle = await rollup({
    input,
    external: (id) => LEFT_TO_NCC.test(id),
    preserveEntrySignatures: 'allow-extension',
    treeshake: { moduleSideEffects: (id, isExternal) => !isExternal && !PURE_PACKAGES.test(id) },
    plugins: [
      // "module": the ES modules of the SDK. Its "node" are CommonJS.
      nodeResolve({ exportConditions: ['module', 'import'], mainFields: ['module', 'main'], preferBuiltins: true }),
      {
        name: 'json',
        // Those of the SDK's packages, of which it uses the version.
        transform: (code, id) =>
          id.endsWith('.json') ? `export default { version: ${JSON.stringify(JSON.parse(code).version)} }` : undefined,
      },
    ],
    onwarn({ code, message }) {
      if (code !== 'CIRCULAR_DEPENDENCY' && code !== 'THIS_IS_UNDEFINED') throw new Error(message)
    },
  })
  const { output } = await bundle.write({ dir: directory, chunkFileNames: '[name].js', sourcemap: maps })
  await bundle.close()
  writeFileSync(join(directory, 'package.json'), COMMON_JS_FOR_NCC)
  const chunks = output.filter((each): each is OutputChunk => each.type === 'chunk')
  const paths = chunks.flatMap(({ modules }) =>
    Object.entries(modules).flatMap(([path, { renderedLength }]) => (renderedLength > 0 ? path : [])),
  )
  return paths.map((path) => relative(root, path).replaceAll('\\', '/'))
}

/** No type: ncc makes CommonJS of it, and reads the files as ES modules all the same. */
const COMMON_JS_FOR_NCC = '{}\n'

/** Minifies the bundle and its chunks. ncc minifies only the former. */
async function minifyAll(directory: string): Promise<void> {
  for (const name of readdirSync(directory).filter((each) => each.endsWith('.js'))) {
    const file = join(directory, name)
    // The SDK uses the names of classes. Those of functions are 20 KB; a build with maps resolves a stack trace.
    const { code = '' } = await minify(readFileSync(file, 'utf8'), {
      toplevel: true,
      keep_classnames: true,
      compress: { passes: 3 },
      format: { comments: false },
    })
    writeFileSync(file, withEagerModules(code))
  }
}

/**
 * Puts the functions of modules in parentheses, which terser removes. V8 compiles such a function at once, as it will be called
 * (https://v8.dev/blog/preparser#pife). Otherwise it parses all code once to skip it, and again when the module is loaded (15 ms).
 */
function withEagerModules(code: string): string {
  const places: number[] = []
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { type, key, value } = node as { type?: string; key?: Place; value?: Place }
    if (type === 'Property' && typeof key?.value === 'number' && value?.type === 'ArrowFunctionExpression')
      places.push(value.start, value.end)
    else for (const child of Object.values(node)) walk(child)
  }
  walk(parse(code, { ecmaVersion: 'latest' }))
  const ends = places.map((place, index) => code.slice(places[index - 1] ?? 0, place))
  return ends.map((text, index) => text + (index % 2 === 0 ? '(' : ')')).join('') + code.slice(places.at(-1) ?? 0)
}

/** A part of the code, as acorn gives it. */
interface Place {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly value?: unknown
}

/** An entry as CommonJS. In dist/, the entries stand beside the folder of the bundle. */
function entryIn(file: string): string {
  const [all, names, code] =
    /^import (\{.*?\}) from '\.\.\/actions\/index\.js';\n([\s\S]*)$/.exec(readFileSync(file, 'utf8')) ?? []
  if (all === undefined) throw new Error(`${file} has more imports than that of the actions`)
  return `const ${names} = require('./actions/index.js');\n${code}`
}

function mapsIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.endsWith('.map'))
}

/** Replaces a package by code of ours. Gives its folder. */
function replacePackage(name: string, code: string): string {
  const folder = join(root, 'build', 'node_modules', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "main": "index.js", "sideEffects": false }')
  writeFileSync(join(folder, 'index.js'), code)
  return folder
}

/** Copies a package to where the bundler finds it first. */
function copyPackage(name: string): void {
  cpSync(realpathSync(join(root, 'node_modules', name)), join(root, 'build', 'node_modules', name), { recursive: true })
}

function run(script: string, ...args: string[]): void {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}

if (realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url))
  await build(resolve(root, process.argv[2] ?? 'dist'))
