import { execFileSync, spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { ACTION_FOLDERS } from '../../scripts/docs.ts'
import { REPOSITORY } from '../support/action-file.ts'

interface Step {
  readonly name?: string
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

const { check, release } = (
  parse(readFileSync(join(REPOSITORY, '.github/workflows/release.yml'), 'utf8')) as {
    jobs: Record<'check' | 'release', { needs?: string; steps: readonly Step[] }>
  }
).jobs

/** Runs a script of the job `check` as the runner does, and returns its exit code and its output. */
function runCheck(name: string, folder: string, env: Record<string, string> = {}) {
  const { run } = check.steps.find((step) => step.name === name) as Step
  const options = { cwd: folder, env: { ...process.env, ...env }, encoding: 'utf8' } as const
  const { status, stdout } = spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', String(run)], options)
  return { status, stdout }
}

test.each([
  ['v1.2.3', 'refs/heads/main', 0],
  ['v1.2.3', 'refs/tags/v1.2.3', 0],
  ['v1.2.3', 'refs/tags/v1.2.4', 1],
  ['v1.2.3', 'refs/heads/next', 1],
  ['v1.2.3', 'refs/pull/7/merge', 1],
  ['v1.2', 'refs/heads/main', 1],
  ['v01.2.3', 'refs/heads/main', 1],
  ['v1.2.3-rc.1', 'refs/heads/main', 1],
  ['v1.2.3; true', 'refs/heads/main', 1],
])('release of %s from %s: %d', (version, ref, status) => {
  const result = runCheck('Check the version and the branch', REPOSITORY, { VERSION: version, REF: ref })
  expect(result.status).toBe(status)
  expect(result.stdout.startsWith('::error::')).toBe(status === 1)
})

describe('only commits on main are released', () => {
  const STEP = 'Refuse a commit that is not on main'

  test.each([
    ['the newest commit of main', 'main', 0],
    ['an earlier one', 'main~1', 0],
    ['one that main got by a merge', 'merged', 0],
    ['one of another branch', 'next', 1],
    ['one that is ahead of main', 'ahead', 1],
  ])('%s (%s): exit code %d', (_, commit, status) => {
    const folder = mkdtempSync(join(tmpdir(), 'release-'))
    try {
      const git = (place: string, ...args: string[]): void => {
        const author = ['-c', 'user.name=test', '-c', 'user.email=test@example.invalid']
        execFileSync('git', ['-C', join(folder, place), ...author, ...args], { stdio: 'pipe' })
      }
      const commitOn = (branch: string, from: string): void => {
        git('origin', 'checkout', '--quiet', '-B', branch, from)
        git('origin', 'commit', '--quiet', '--allow-empty', '-m', branch)
      }
      git('', 'init', '--quiet', '-b', 'main', 'origin')
      git('origin', 'commit', '--quiet', '--allow-empty', '-m', 'first')
      commitOn('next', 'main')
      commitOn('merged', 'main')
      commitOn('main', 'main')
      git('origin', 'merge', '--quiet', '--no-ff', '-m', 'merge', 'merged')
      commitOn('ahead', 'main')
      git('', 'clone', '--quiet', 'origin', 'clone')
      git('clone', 'checkout', '--quiet', '--detach', `origin/${commit}`)

      const result = runCheck(STEP, join(folder, 'clone'))
      expect(result.status).toBe(status)
      expect(result.stdout).toMatch(status === 0 ? /^$/ : /^::error::[0-9a-f]{40} is not on main/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('it is checked before any of its code runs, and before the job with write permissions', () => {
    const at = (is: (step: Step) => boolean): number => check.steps.findIndex(is)
    const checkout = at(({ uses }) => /^actions\/checkout@/.test(uses ?? ''))
    // A shallow clone of a tag does not have main.
    expect(check.steps[checkout]?.with?.['fetch-depth']).toBe(0)
    expect(at(({ name }) => name === STEP)).toBe(checkout + 1)
    expect(at(({ run }) => run === '.ci/run')).toBeGreaterThan(checkout + 1)
    expect(release.needs).toBe('check')
  })
})

test('every file that a runner loads is attested', () => {
  const attest = release.steps.find(({ uses }) => /^actions\/attest-build-provenance@/.test(uses ?? ''))
  const patterns = String(attest?.with?.['subject-path']).trim().split('\n')
  const filesAt = (...globs: string[]): string[] =>
    globSync(globs, { cwd: REPOSITORY }).filter((file) => statSync(join(REPOSITORY, file)).isFile())
  const loaded = [...ACTION_FOLDERS.map((folder) => join(folder, 'action.yml')), ...filesAt('dist/**')]
  expect(filesAt(...patterns).sort()).toEqual(loaded.sort())
})
