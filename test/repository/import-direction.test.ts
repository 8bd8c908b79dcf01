// The folders of src/ import in one direction, as in docs/architecture.md.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, sep } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { REPOSITORY } from '../support/action-file.ts'

/** The folders of `src/`, from top to bottom: a file imports from its own folder and from rows below. */
const LAYERS: readonly (readonly string[])[] = [
  ['entries'],
  ['actions'],
  ['task-runner'],
  ['activity', 'polling'],
  ['report'],
  ['evidence'],
  ['inputs'],
  ['aws'],
  ['github'],
  ['http'],
  ['masking'],
  ['domain', 'text'],
  ['util'],
]

/** Packages that only some files may import. */
const ONLY_IN: readonly (readonly [name: RegExp, files: RegExp])[] = [
  [/^@actions\/core$/, /^github\/runner\.ts$/],
  [/^@actions\/github/, /^github\/api\.ts$/],
  [/^@(aws-sdk|smithy)\//, /^aws\//],
]

interface Import {
  readonly from: string
  readonly to: string
}

const SOURCE = join(REPOSITORY, 'src')
const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll(sep, '/'))
  .filter((name) => name.endsWith('.ts'))
const imports = files.flatMap((from) => {
  const text = readFileSync(join(SOURCE, from), 'utf8')
  return [...text.matchAll(/(?:from|import\(|import)\s*'([^']+)'/g)].map(([, to = '']): Import => ({ from, to }))
})

function layerOf(folder: string): number {
  return LAYERS.findIndex((layer) => layer.includes(folder))
}

test('each file is in a folder of the order, and none at the root', () => {
  expect(files.map((name) => dirname(name)).filter((folder) => layerOf(folder) < 0)).toEqual([])
})

test('each folder of the order exists', () => {
  expect(LAYERS.flat().sort()).toEqual([...new Set(files.map((name) => dirname(name)))].sort())
})

test('imports go down, or stay in their folder', () => {
  const wrong = imports.filter(({ from, to }) => {
    if (!to.startsWith('.')) return false
    const [own, other] = [dirname(from), dirname(posix.join(dirname(from), to))]
    return own !== other && layerOf(other) <= layerOf(own)
  })
  expect(wrong).toEqual([])
})

describe('restricted imports', () => {
  test.each(ONLY_IN)('%s: %s', (name, allowed) => {
    const importers = [...new Set(imports.filter(({ to }) => name.test(to)).map(({ from }) => from))]
    expect(importers.filter((from) => !allowed.test(from))).toEqual([])
    expect(importers).not.toEqual([])
  })
})
