import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { REPOSITORY } from '../../support/action-file.ts'
import { node24 } from '../../support/node24.ts'
import type { Contestant } from './contestants.ts'

/** What a process used. */
export interface Usage {
  readonly cpuMs: number
  readonly peakBytes: number
}

/** A contestant, the milliseconds of its runs, and what runs of their own used, where it is known. */
export interface Measured extends Contestant {
  readonly times: readonly number[]
  readonly usages: readonly Usage[]
}

/** A figure that must not be exceeded. */
interface Target {
  readonly what: string
  readonly figure: number | undefined
  readonly limit: number
  readonly unit: string
}

/**
 * The results as Markdown: machine, times and ratios, peak memory, sizes, and each target with the measured value. The minimum of
 * many runs and the processor time are the least that the work costs; medians also have what else the machine does.
 */
export function results(measured: readonly Measured[], runs: number): string {
  const find = (key: string): Measured | undefined => measured.find((each) => each.key === key)
  const [floor, finished, cli] = [find('floor'), find('finished'), find('aws-cli')]
  const rows = measured.map((each) => [
    each.title,
    ms(least(each)),
    ms(quantile(each.times, 0.5)),
    ratio(least(each), least(floor)),
    roundByRound(each, floor),
    ms(cpu(each)),
    ratio(cpu(each), cpu(floor)),
    ratio(least(each), least(cli)),
    peak(each) === undefined ? '–' : `${((peak(each) ?? 0) / 1e6).toFixed(0)} MB`,
  ])
  const toFloor = (what: string, key: string, limit: number): Target[] => [
    { what: `${what}, to the floor`, figure: divide(least(find(key)), least(floor)), limit, unit: '×' },
    { what: `${what}, processor time to the floor`, figure: divide(cpu(find(key)), cpu(floor)), limit, unit: '×' },
  ]
  const finishedPeak = peak(finished)
  const targets: Target[] = [
    ...toFloor('root action, FINISHED', 'finished', 1.5),
    ...toFloor('root action, FAILED with evidence of its own job', 'failed', 1.9),
    ...toFloor('activity, main', 'activity', 2.2),
    {
      what: 'activity, post, to the root action, FINISHED',
      figure: divide(least(find('activity-post')), least(finished)),
      limit: 1.2,
      unit: '×',
    },
    {
      what: 'root action, FINISHED, to the AWS CLI',
      figure: divide(least(finished), least(cli)),
      limit: 0.25,
      unit: '×',
    },
    {
      what: 'peak memory of the root action, FINISHED',
      figure: finishedPeak === undefined ? undefined : finishedPeak / 1e6,
      limit: 90,
      unit: 'MB',
    },
    { what: 'what a FINISHED report loads', figure: sizeOf('actions/index.js') / 1e3, limit: 185, unit: 'KB' },
  ]
  return `# Results

Made by \`npm run bench\`: ${runs} runs of each, interleaved, as processes against a local AWS Data Pipeline and a local GitHub, over TLS. Times depend on the machine; ratios within one run are what counts.

${machine()}

${table(
  [
    'what',
    'minimum',
    'median',
    'to the floor',
    'in a round',
    'processor time',
    'to the floor',
    'to the AWS CLI',
    'peak memory',
  ],
  rows,
)}

To the floor and to the AWS CLI: of the minima. In a round: to the floor, of the same round, the median; it varies least. Processor time (user and system) and peak memory are those of the process of the step, the least of runs of their own.

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

function least(measured: Measured | undefined): number | undefined {
  return measured && Math.min(...measured.times)
}

function cpu(measured: Measured | undefined): number | undefined {
  return leastUsage(measured, 'cpuMs')
}

function peak(measured: Measured | undefined): number | undefined {
  return leastUsage(measured, 'peakBytes')
}

function leastUsage(measured: Measured | undefined, what: keyof Usage): number | undefined {
  if (measured === undefined || measured.usages.length === 0) return undefined
  return Math.min(...measured.usages.map((usage) => usage[what]))
}

/** The median of the ratios to the floor in each round, when the machine was as busy. */
function roundByRound({ times }: Measured, floor: Measured | undefined): string {
  if (floor === undefined) return '–'
  const ratios = times.map((time, round) => time / (floor.times[round] ?? Number.NaN))
  return quantile(ratios, 0.5).toFixed(2)
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

function ms(value: number | undefined): string {
  return value === undefined ? '–' : `${value.toFixed(0)} ms`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
