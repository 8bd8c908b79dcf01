// Builds the actions: compiles with tsc, joins the modules with rollup, makes the bundle and its chunks with ncc, and minifies them
// with terser. The entries, one for each stage, stand beside the bundle.
// Usage: node scripts/build.ts DIRECTORY
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeResolve } from '@rollup/plugin-node-resolve'
import { parse } from 'acorn'
import { type OutputChunk, rollup } from 'rollup'
import { minify } from 'terser'
import { licencesOf, type Stats } from './licences.ts'
import { changedModule } from './sdk-changes.ts'

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
const PURE_PACKAGES = /[\\/]node_modules[\\/](?:@actions|@octokit)[\\/]/

/** CommonJS packages, which ncc adds. */
const LEFT_TO_NCC = ['content-type']

/** A package that @actions/core imports for what we don't use. */
const UNUSED = '@actions/exec'

/** Packages that others import and we never use: code of ours that stands in the bundle in their place. */
export const REPLACED_PACKAGES: Readonly<Record<string, string>> = {
  // octokit gets a fetch of ours, with the same proxy settings as the calls to AWS. undici takes 30 ms, and has 1 MB.
  undici: "export const fetch = () => Promise.reject(new Error('undici is not in this bundle'))\n",
  // Makes the proxy agents of that fetch.
  '@actions/http-client': 'export class HttpClient { getAgent() {} getAgentDispatcher() {} }\n',
  // Methods for all routes, and for pages of results. We name the route and the page in each request.
  '@octokit/plugin-rest-endpoint-methods': 'export const restEndpointMethods = () => ({})\n',
  '@octokit/plugin-paginate-rest': 'export const paginateRest = () => ({})\n',
  // The context of a call of an AWS Lambda function. Without one, the SDK reads the environment.
  '@aws/lambda-invoke-store': 'export const InvokeStore = { getInstanceAsync: async () => undefined }\n',
}

/** Builds into a directory, in place of its content. With `maps`, also source maps of what rollup and ncc write. */
export async function build(directory: string, { maps = false } = {}): Promise<void> {
  const compiled = join(root, 'build')
  const joined = join(compiled, 'joined')
  const bundled = `${directory}.new`
  rmSync(compiled, { recursive: true, force: true })
  rmSync(bundled, { recursive: true, force: true })
  run(join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json'))
  const paths = await joinModules(join(compiled, 'actions', 'index.js'), joined, maps)
  const statsFile = join(compiled, 'stats.json')
  run(
    require.resolve('@vercel/ncc/dist/ncc/cli.js'),
    'build',
    join(joined, 'index.js'),
    '--out',
    join(bundled, 'actions'),
    '--no-cache',
    '--quiet',
    '--stats-out',
    statsFile,
    ...(maps ? ['--source-map', '--no-source-map-register'] : []),
  )
  if (maps) for (const name of mapsIn(joined)) cpSync(join(joined, name), join(bundled, 'actions', `joined.${name}`))
  await minifyAll(join(bundled, 'actions'))
  const stats = JSON.parse(readFileSync(statsFile, 'utf8')) as Stats
  writeFileSync(join(bundled, 'actions', 'licenses.txt'), licencesOf(paths, stats, root))
  writeFileSync(join(bundled, 'actions', 'late-chunks.json'), JSON.stringify(lateChunks(stats)))
  writeFileSync(join(bundled, 'package.json'), COMMON_JS)
  for (const entry of ENTRIES) writeFileSync(join(bundled, entry), entryIn(join(compiled, 'entries', entry)))
  // At the end, so that a build that fails leaves the last one.
  rmSync(directory, { recursive: true, force: true })
  renameSync(bundled, directory)
}

/** Node starts an empty CommonJS file 3 ms faster than an ES module, as it does without its loader of those. */
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
    external: UNUSED,
    preserveEntrySignatures: 'allow-extension',
    treeshake: { moduleSideEffects: (id, isExternal) => !isExternal && !PURE_PACKAGES.test(id) },
    plugins: [
      {
        name: 'packages',
        resolveId(id, importer) {
          if (id in REPLACED_PACKAGES) return id
          if (!LEFT_TO_NCC.includes(id) || importer === undefined) return undefined
          // By its path, as ncc would look for it from the folder of the output.
          return { id: createRequire(importer).resolve(id), external: 'relative' }
        },
      },
      // "module": the ES modules of the SDK. Its "node" are CommonJS.
      nodeResolve({ exportConditions: ['module', 'import'], mainFields: ['module', 'main'], preferBuiltins: true }),
      {
        name: 'changes',
        load: (id) => REPLACED_PACKAGES[id],
        transform(code, id) {
          // JSON: of the SDK's packages, which use their version.
          const changed = id.endsWith('.json')
            ? `export default { version: ${JSON.stringify(JSON.parse(code).version)} }`
            : changedModule(id, code)
          // In source maps, the lines after a change are some lines off.
          return changed === undefined ? undefined : { code: changed, map: null }
        },
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
    // The SDK asks for the name of one class. All are 4 KB, and those of functions 20 KB; a build with maps resolves a stack trace.
    const { code = '' } = await minify(readFileSync(file, 'utf8'), {
      toplevel: true,
      keep_classnames: /^NoOpLogger$/,
      compress: { passes: 3, keep_fargs: false },
      format: { comments: false },
    })
    // Of other chunks, the heartbeat process loads much that it never calls.
    writeFileSync(file, name === 'index.js' ? withEagerFunctions(code) : code)
  }
}

/** Characters. To parse a shorter function twice takes no longer than its parentheses. */
const MIN_EAGER = 150

/**
 * Puts function expressions in parentheses, most of which terser removes. V8 compiles such a function at once, as it will be called
 * (https://v8.dev/blog/preparser#pife), also that of a whole module. Otherwise it parses the code once to skip it, and again when it
 * is called: of most functions of a report, that is so.
 */
function withEagerFunctions(code: string): string {
  const places: Array<readonly [index: number, parenthesis: string]> = []
  const walk = (node: unknown, isValue: boolean): void => {
    if (Array.isArray(node)) for (const each of node) walk(each, true)
    else if (typeof node === 'object' && node !== null) {
      const { type, start, end, kind, method } = node as Place
      const isFunction = isValue && /^(?:Arrow)?FunctionExpression$/.test(type ?? '')
      if (isFunction && end - start >= MIN_EAGER) places.push([start, '('], [end, ')'])
      // Not of a method, a getter or a constructor.
      const isMethod = type === 'MethodDefinition' || (type === 'Property' && (method || kind !== 'init'))
      for (const [name, child] of Object.entries(node)) walk(child, !(isMethod && name === 'value'))
    }
  }
  walk(parse(code, { ecmaVersion: 'latest' }), true)
  places.sort(([one], [other]) => one - other)
  const parts = places.map(
    ([index, parenthesis], number) => code.slice(places[number - 1]?.[0] ?? 0, index) + parenthesis,
  )
  return parts.join('') + code.slice(places.at(-1)?.[0] ?? 0)
}

/** A part of the code, as acorn gives it. */
interface Place {
  readonly type?: string
  readonly start: number
  readonly end: number
  readonly kind?: string
  readonly method?: boolean
}

/** What a process needs at its start, or never: a quarter of all code. */
const NEVER_LATE = [
  'activity-main.js',
  'activity-post.js',
  'collect.js',
  'poll-for-task.js',
  'task-runner.js',
  'task-runner-post.js',
]

/** All other chunks, which a process loads that runs while the job does its work (src/activity/load-late-code.ts). */
function lateChunks({ chunks }: Stats): string[] {
  const isNeverLate = ({ request }: { readonly request: string }): boolean => NEVER_LATE.includes(basename(request))
  return chunks.filter(({ entry, origins }) => !entry && !origins.every(isNeverLate)).map(({ id }) => String(id))
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

function run(script: string, ...args: string[]): void {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}

if (realpathSync(process.argv[1] ?? '') === fileURLToPath(import.meta.url))
  await build(resolve(root, process.argv[2] ?? 'dist'))
