// Runs the checks of this repository. `.ci/run`, CI and people run the same ones, which are named here only.
// Usage: node scripts/check.ts               all but those that take longest (group "mutants")
//        node scripts/check.ts GROUP…        those of some groups
//        node scripts/check.ts --list        prints them
//        node scripts/check.ts --counts DIR  also writes the counts of each run of tests into DIR, as Jest's JSON
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

interface Check {
  readonly group: 'quick' | 'workflows' | 'slow' | 'mutants'
  /** The npm script and its arguments. */
  readonly run: readonly [script: string, ...args: string[]]
  /** Whether it runs Jest. */
  readonly isTest?: boolean
  /** Whether CI runs it on Linux only, as its result is the same on every system. */
  readonly isSameEverywhere?: boolean
}

const CHECKS: readonly Check[] = [
  { group: 'quick', run: ['lint'] },
  { group: 'quick', run: ['check:types'] },
  { group: 'quick', run: ['docs', '--check'] },
  { group: 'quick', run: ['check:workflows'], isSameEverywhere: true },
  { group: 'quick', run: ['test'], isTest: true },
  { group: 'quick', run: ['check:dist', '--diff', 'dist.diff'] },
  { group: 'quick', run: ['check:archive'] },
  { group: 'quick', run: ['demo'] },
  { group: 'workflows', run: ['test:workflows'], isTest: true },
  { group: 'slow', run: ['test:properties'], isTest: true },
  { group: 'slow', run: ['test:faults', '--short'], isTest: true },
  { group: 'slow', run: ['test:load', '--short'], isTest: true },
  { group: 'mutants', run: ['test:mutants'] },
]

const { values, positionals: groups } = parseArgs({
  allowPositionals: true,
  options: { list: { type: 'boolean', default: false }, counts: { type: 'string' } },
})
for (const group of groups) {
  if (!CHECKS.some((check) => check.group === group)) throw new Error(`There is no group of checks "${group}".`)
}
const chosen = CHECKS.filter(({ group }) => (groups.length === 0 ? group !== 'mutants' : groups.includes(group)))

const failed: string[] = []
for (const { group, run, isTest, isSameEverywhere } of chosen) {
  const [script, ...args] = run
  const command = ['npm', 'run', script, ...(args.length > 0 ? ['--', ...args] : [])].join(' ')
  if (values.list) {
    console.log(`${group.padEnd(10)} ${command}`)
    continue
  }
  if (isSameEverywhere && process.env['CI'] && process.platform !== 'linux') {
    console.log(`== ${command}: on Linux`)
    continue
  }
  console.log(`== ${command}`)
  const counts =
    isTest && values.counts ? ['--json', `--outputFile=${join(values.counts, `${nameOf(script)}.json`)}`] : []
  const more = [...args, ...counts]
  // In a shell, as npm is a script on Windows.
  const { status } = spawnSync(['npm', 'run', script, ...(more.length > 0 ? ['--', ...more] : [])].join(' '), {
    stdio: 'inherit',
    shell: true,
  })
  if (status === 0) continue
  failed.push(command)
  console.log(`== FAILED: ${command}`)
}
if (failed.length > 0) console.log(`Failed checks:\n${failed.join('\n')}`)
process.exitCode = failed.length > 0 ? 1 : 0

function nameOf(script: string): string {
  return script.replace(/^test:/, '')
}
