import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { REPOSITORY } from '../../support/action-file.ts'
import { node24 } from '../../support/node24.ts'
import type { Contestant } from './contestants.ts'

/** A contestant, the milliseconds of its runs, and the bytes of its largest resident set where they are known. */
export interface Measured extends Contestant {
  readonly times: readonly number[]
  readonly peakBytes: number | undefined
}

/** A figure that must not be exceeded. */
interface Target {
  readonly what: string
  readonly figure: number | undefined
  readonly limit: number
  readonly unit: string
}

/** The results as Markdown: machine, times and ratios, peak memory, sizes, and each target with the measured value. */
export function results(measured: readonly Measured[], runs: number): string {
  const floor = median(measured, 'floor')
  const rows = measured.map(({ title, times, peakBytes }) => {
    const middle = quantile(times, 0.5)
    const peak = peakBytes === undefined ? '–' : `${(peakBytes / 1e6).toFixed(0)} MB`
    return [
      title,
      ms(middle),
      ms(quantile(times, 0.95)),
      ratio(middle, floor),
      ratio(middle, median(measured, 'aws-cli')),
      peak,
    ]
  })
  const ofFloor = (key: string) => divide(median(measured, key), floor)
  const finished = measured.find(({ key }) => key === 'finished')
  const targets: Target[] = [
    { what: 'root action, FINISHED, to the floor', figure: ofFloor('finished'), limit: 1.5, unit: '×' },
    {
      what: 'root action, FINISHED, to the AWS CLI',
      figure: divide(median(measured, 'finished'), median(measured, 'aws-cli')),
      limit: 0.25,
      unit: '×',
    },
    { what: 'root action, FAILED with evidence, to the floor', figure: ofFloor('failed'), limit: 2.2, unit: '×' },
    { what: 'activity, main, to the floor', figure: ofFloor('activity'), limit: 2.5, unit: '×' },
    {
      what: 'peak memory of the root action, FINISHED',
      figure: finished?.peakBytes === undefined ? undefined : finished.peakBytes / 1e6,
      limit: 90,
      unit: 'MB',
    },
    { what: 'the bundle that the root action loads', figure: sizeOf('actions/index.js') / 1e6, limit: 1.2, unit: 'MB' },
  ]
  return `# Results

Made by \`npm run bench\`: ${runs} runs of each, interleaved, as processes against a local AWS Data Pipeline and a local GitHub. Times depend on the machine; ratios within one run are what counts.

${machine()}

${table(['what', 'median', '95th percentile', 'to the floor', 'to the AWS CLI', 'peak memory'], rows)}

## Targets

${table(
  ['what', 'measured', 'at most', ''],
  targets.map(({ what, figure, limit, unit }) => [
    what,
    figure === undefined ? 'not measured' : `${figure.toFixed(2)} ${unit}`,
    `${limit} ${unit}`,
    figure === undefined ? '' : figure <= limit ? 'met' : '**missed**',
  ]),
)}

## Sizes

${table(
  ['file', 'bytes'],
  bundles().map((name) => [`\`dist/${name}\``, sizeOf(name).toLocaleString('en')]),
)}
`
}

function machine(): string {
  const versions = [
    `Node.js ${output(node24(), '--version').slice(1)}`,
    output('aws', '--version').split(' ')[0]?.replace('/', ' '),
    output(
      'python3',
      '-c',
      'import boto3, sys; print("Python", sys.version.split()[0] + ", boto3", boto3.__version__)',
    ),
  ].filter(Boolean)
  const [cpu] = cpus()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return [
    `- date: ${new Date().toISOString().slice(0, 10)}`,
    `- machine: ${cpus().length} × ${cpu?.model.trim()}, ${memory}, ${type()} ${release()}`,
    `- versions: ${versions.join(', ')}`,
  ].join('\n')
}

function output(command: string, ...args: string[]): string {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout?.trim() ?? ''
}

function bundles(): string[] {
  const files = readdirSync(join(REPOSITORY, 'dist'), { recursive: true, encoding: 'utf8' })
  return files.filter((name) => name.endsWith('.js')).sort()
}

function sizeOf(name: string): number {
  return statSync(join(REPOSITORY, 'dist', name)).size
}

function median(measured: readonly Measured[], contestantKey: string): number | undefined {
  const found = measured.find(({ key }) => key === contestantKey)
  return found && quantile(found.times, 0.5)
}

/** The value below which this share of the values lies (nearest rank). */
function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

function divide(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b
}

function ratio(a: number | undefined, b: number | undefined): string {
  return divide(a, b)?.toFixed(2) ?? '–'
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
