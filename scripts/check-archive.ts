// Checks what a job downloads for `uses:`: GitHub's archive of a commit, without what .gitattributes leaves out of it.
// Usage: node scripts/check-archive.ts    prints its size; exit code 1 when it is too large, or lacks a file
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, posix, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { parse } from 'yaml'
import { ACTION_FOLDERS } from './docs.ts'

const MAX_BYTES = 210_000

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** Runs git on the files of the working tree, in an index of its own. */
function withWorkingTree<T>(work: (git: (...args: string[]) => Buffer) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'archive-'))
  const env = { ...process.env, GIT_INDEX_FILE: join(folder, 'index') }
  try {
    return work((...args) => execFileSync('git', args, { cwd: root, env, maxBuffer: 64 * 1024 * 1024 }))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const { archive, files } = withWorkingTree((git) => {
  git('add', '--all', '.')
  const tree = git('write-tree').toString().trim()
  const attributes = ['--worktree-attributes']
  const archive = git('archive', ...attributes, '--format=tar.gz', tree)
  return { archive, files: filesIn(gunzipSync(archive)) }
})

/** The paths in a tar archive (POSIX ustar: headers of 512 bytes, then the content, padded). */
function filesIn(tar: Buffer): Set<string> {
  const text = (start: number, length: number): string =>
    tar.toString('utf8', start, start + length).replace(/\0.*$/s, '')
  const paths = new Set<string>()
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8) || 0
    if (['0', ''].includes(text(at + 156, 1))) paths.add(posix.join(text(at + 345, 155), text(at, 100)))
    at += 512 + Math.ceil(size / 512) * 512
  }
  return paths
}

interface ActionFile {
  readonly runs: { readonly main: string; readonly post?: string }
}

/** What a runner loads: each action.yml, its stages, and the whole bundle. */
function neededFiles(): string[] {
  const stages = ACTION_FOLDERS.flatMap((folder) => {
    const file = posix.join(folder, 'action.yml')
    const { main, post } = (parse(readFileSync(join(root, file), 'utf8')) as ActionFile).runs
    return [file, ...[main, post].flatMap((path) => (path === undefined ? [] : posix.join(folder, path)))]
  })
  const dist = execFileSync('git', ['ls-files', '-co', '--exclude-standard', 'dist'], { cwd: root }).toString().trim()
  return [...new Set([...stages, ...dist.split('\n').filter((path) => existsSync(join(root, path))), 'LICENSE'])]
}

const missing = neededFiles().filter((path) => !files.has(path))
console.log(
  `The archive that a job downloads has ${archive.length} bytes, ${files.size} files; the limit is ${MAX_BYTES}.`,
)
if (missing.length > 0) console.error(`It lacks ${missing.join(', ')}: correct .gitattributes.`)
if (archive.length > MAX_BYTES) console.error('It is too large.')
if (missing.length > 0 || archive.length > MAX_BYTES) process.exitCode = 1
