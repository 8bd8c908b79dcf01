import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A module of ncc's bundle, as webpack's statistics tell. */
interface BundledModule {
  readonly name: string
  /** Empty for a module that was left out, and for each of those that another one was joined of. */
  readonly chunks: readonly unknown[]
  /** The modules that it was joined of. */
  readonly modules?: readonly BundledModule[]
}

/** What `ncc build --stats-out` writes, as far as it is used. */
export interface Stats {
  readonly modules: readonly BundledModule[]
  /** Files of the bundle, by their ids, and the imports that load each. */
  readonly chunks: ReadonlyArray<{
    readonly id: number
    readonly entry: boolean
    readonly origins: ReadonlyArray<{ readonly request: string }>
  }>
}

/**
 * The licenses of the packages in a bundle: each text once, after the names of its packages.
 *
 * @param paths of the modules that rollup joined, relative to the root
 * @param stats of ncc, for the other modules
 * @param root the folder that the names of the modules begin at
 * @throws Error when a package has no licence
 */
export function licencesOf(paths: readonly string[], stats: Stats, root: string): string {
  const packagesOfText = new Map<string, Set<string>>()
  const folders = [...packageFolders([...paths, ...modulesIn(stats)])].map((folder) => join(root, folder))
  for (const folder of folders.sort((a, b) => compare(nameOf(a), nameOf(b)) || compare(a, b))) {
    const text = licenceOf(folder)
    packagesOfText.set(text, (packagesOfText.get(text) ?? new Set()).add(nameOf(folder)))
  }
  return [...packagesOfText]
    .map(([text, names]) => `${[...names].join('\n')}\n\n${text}\n`)
    .join(`\n${'-'.repeat(80)}\n\n`)
}

function modulesIn({ modules }: Stats): string[] {
  const names = modules.filter(({ chunks }) => chunks.length > 0).flatMap(namesIn)
  // ncc makes a module that fails when it is loaded.
  const missing = names.find((name) => name.includes('@@notfound'))
  if (missing !== undefined) throw new Error(`ncc did not find a module: ${missing}`)
  return names
}

function packageFolders(paths: readonly string[]): Set<string> {
  return new Set(paths.map(packageFolderOf).filter((folder) => folder !== undefined))
}

function namesIn({ name, modules = [] }: BundledModule): string[] {
  return [name, ...modules.flatMap(namesIn)]
}

/** The folder of the package that a module is of; undefined for one of ours. */
export function packageFolderOf(path: string): string | undefined {
  return /^.*node_modules\/(?:@[^/]+\/)?[^/ ]+/.exec(path)?.[0]
}

/** The name of the package in a folder, which may be in the folder of another one. */
export function nameOf(folder: string): string {
  return folder.replaceAll('\\', '/').replace(/^.*node_modules\//, '')
}

/** The same order on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function licenceOf(folder: string): string {
  const { license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { license?: string }
  const file = readdirSync(folder).find((each) => /^licen[cs]e(?:\.(?:md|txt))?$/i.test(each))
  // The same bytes on every system, whatever line ends the authors liked.
  const text = file ? readFileSync(join(folder, file), 'utf8').replace(/\r\n/g, '\n').trim() : ''
  if (license === undefined && text === '') throw new Error(`the package in ${folder} has no licence`)
  return [license, text].filter(Boolean).join('\n\n')
}
