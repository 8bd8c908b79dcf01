import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { build, REPLACED_PACKAGES } from '../../scripts/build.ts'
import { nameOf, packageFolderOf } from '../../scripts/licences.ts'

test('licenses.txt has the licence of each package with a module in the bundle, and of no other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'licences-'))
  try {
    await build(join(folder, 'dist'), { maps: true })
    const bundle = join(folder, 'dist', 'actions')
    const maps = readdirSync(bundle).filter((name) => name.endsWith('.js.map'))
    const sources = maps.flatMap((name) => {
      return (JSON.parse(readFileSync(join(bundle, name), 'utf8')) as { sources: string[] }).sources
    })
    const packages = new Set(sources.flatMap((source) => packageFolderOf(source) ?? []).map(nameOf))
    // Each block starts with the names of its packages and an empty line.
    const blocks = readFileSync(join(bundle, 'licenses.txt'), 'utf8').split(/^-{80}\n\n/m)
    const listed = blocks.flatMap((block) => block.slice(0, block.indexOf('\n\n')).split('\n'))

    expect(packages).toContain('@aws-sdk/client-data-pipeline')
    expect([...new Set(listed)].sort()).toEqual([...packages].filter((name) => !(name in REPLACED_PACKAGES)).sort())
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 300_000)
