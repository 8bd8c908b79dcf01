import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A module of a bundle, as webpack's statistics tell; one that was joined of several has these. */
interface BundledModule {
  readonly name: string
  readonly chunks?: readonly unknown[]
  readonly modules?: readonly BundledModule[]
}

/** What `ncc build --stats-out` writes, as far as it is used. */
export interface Stats {
  readonly modules: readonly BundledModule[]
}

/**
 * The licences of the packages that are in a bundle: each text once, after the names of the packages that it is for.
 *
 * @param root the folder of node_modules
 * @param without packages that are in the bundle by name only
 * @throws Error when a package has no licence
 */
export function licencesOf(stats: Stats, root: string, without: readonly string[]): string {
  const packagesOfText = new Map<string, string[]>()
  const names = [...packagesIn(stats.modules)].filter((name) => !without.includes(name))
  for (const name of names.sort()) {
    const text = licenceOf(name, join(root, 'node_modules', name))
    packagesOfText.set(text, [...(packagesOfText.get(text) ?? []), name])
  }
  return [...packagesOfText].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`).join(`\n${'-'.repeat(80)}\n\n`)
}

function packagesIn(modules: readonly BundledModule[]): Set<string> {
  const names = modules
    .filter(({ chunks }) => chunks === undefined || chunks.length > 0)
    .flatMap((module) => [nameOf(module.name), ...packagesIn(module.modules ?? [])])
  return new Set(names.filter((name) => name !== undefined))
}

/** The package that the innermost node_modules folder of a path is for. */
function nameOf(path: string): string | undefined {
  return /.*node_modules\/((?:@[^/]+\/)?[^/ ]+)/.exec(path)?.[1]
}

function licenceOf(name: string, folder: string): string {
  const { license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { license?: string }
  const file = readdirSync(folder).find((each) => /^licen[cs]e(?:\.(?:md|txt))?$/i.test(each))
  // The same bytes on every system, whatever line ends the authors liked.
  const text = file ? readFileSync(join(folder, file), 'utf8').replace(/\r\n/g, '\n').trim() : ''
  if (license === undefined && text === '') throw new Error(`the package ${name} has no licence`)
  return [license, text].filter(Boolean).join('\n\n')
}
