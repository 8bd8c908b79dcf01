import type { AnnotationInput, Conclusion, JobInput, StepInput } from './jobs.ts'

/*
 * A job's log as the runner writes it and `GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs` returns it.
 *
 * From the runner's source:
 * - Each message becomes a line of `<UTC time with seven decimals>Z <message>`. A message with line ends in it (an
 *   `::error::` with %0A, as setFailed writes of a text of several lines) has a timestamp on its first line only
 *   (https://github.com/actions/runner/blob/main/src/Runner.Common/Logging.cs, Write).
 * - The log is written in blocks of 2 MiB, each a file of its own that begins with a byte order mark and ends with a
 *   whole line, so a long log can have marks in the middle (same file, NewBlock). Lines end as the runner's system
 *   ends them: CRLF on Windows, else LF.
 * - A script step begins with `##[group]Run <first line of the script>`, the script in bright cyan, `shell:`, `env:`,
 *   `##[endgroup]`; after its output, a failure ends with `##[error]Process completed with exit code N.`
 *   (https://github.com/actions/runner/blob/main/src/Runner.Worker/Handlers/ScriptHandler.cs).
 * - A step's lines also go to the job's log, in the order of writing (ExecutionContext.cs, Write). Nothing in it shows
 *   the step's name or its number.
 *
 * From real logs:
 * - `Post job cleanup.` of each action with a post step and `Cleaning up orphan processes` come after the failed step,
 *   30 lines of git among them (https://github.com/bborbe/go-skeleton/actions/runs/32670749762), and a `##[warning]`
 *   may follow as the last line. A whole log: https://github.com/pluhin/sa.it-academy.by/blob/f59b1f5/Andrei_Bakaushyn/04.GitOPS/README.md
 * - Steps follow each other within the same second (one ended at 39.840, the next ran from 39.857 to 39.892, and the
 *   first post step began at 39.900), while the API gives their times in whole seconds: times alone don't show which
 *   line belongs to which step.
 * - Groups are no steps: actions open their own (`##[group]Fetching the repository`), and each step of a composite
 *   action prints its own `##[group]Run …` within one step of the job. `gh run view --log` calls such lines UNKNOWN
 *   STEP (https://github.com/cli/cli/pull/11172, https://github.com/mochilang/mochi/issues/21862).
 * - `##[error]` need not be a failure's: a step with continue-on-error writes it too, and so does any `::error::`.
 */

export interface LoggedStep {
  name: string
  /** The script of a `run` step. */
  run?: string
  /** The action of a `uses` step. */
  uses?: string
  with?: Record<string, string>
  env?: Record<string, string>
  /** Lines, without line ends, with any ANSI colours. Generated again for each reading. */
  output?: string[] | (() => Iterable<string>)
  /** `##[error]` lines after the output; a line end within one starts a line without a timestamp. */
  errors?: string[]
  /** Default success. A skipped step writes nothing. */
  conclusion?: Exclude<Conclusion, null>
  /** The exit code in the last line of a failed script step. Default 1. */
  exitCode?: number
  /** How long the step takes: its times in the API. 0 puts the next step into the same second. */
  seconds?: number
  /** The action has a post step: `Post job cleanup.` */
  post?: boolean
}

export interface JobLog {
  name?: string
  steps: LoggedStep[]
  startedAt?: string
  lineEnd?: '\n' | '\r\n'
  /** The byte order mark before each block of the log. */
  byteOrderMark?: boolean
  blockBytes?: number
}

export interface WrittenLog {
  /** The log piece by piece, generated again at each call, and never kept as a whole. */
  pieces: () => Iterable<string>
  /** The whole log. */
  text(): string
  /** The steps as the API shows them, with those that the runner adds. */
  steps: StepInput[]
  /** The annotations that the errors leave. */
  annotations: AnnotationInput[]
  /** The argument of `LocalGitHub.addJob`. */
  job: Required<Pick<JobInput, 'steps' | 'log' | 'annotations' | 'startedAt' | 'completedAt'>>
}

const runnerSteps = { first: 'Set up job', last: 'Complete job' }
const blockSize = 2 * 1024 * 1024

/** Writes the log of a completed job, with matching steps and annotations. */
export function writeJobLog(log: JobLog): WrittenLog {
  const start = Date.parse(log.startedAt ?? '2026-01-02T03:04:05Z')
  const steps = timedSteps(log, start)
  const annotations = log.steps.flatMap(annotationsOf)
  const pieces = () => written(log, steps, start)
  const apiSteps = steps.map(
    ({ name, conclusion, startedMs, completedMs }, index): StepInput => ({
      name,
      status: 'completed',
      conclusion,
      number: index + 1,
      startedAt: wholeSeconds(startedMs),
      completedAt: wholeSeconds(completedMs),
    }),
  )
  return {
    pieces,
    text: () => [...pieces()].join(''),
    steps: apiSteps,
    annotations,
    job: {
      steps: apiSteps,
      log: pieces,
      annotations,
      startedAt: wholeSeconds(start),
      completedAt: wholeSeconds(steps.at(-1)?.completedMs ?? start),
    },
  }
}

interface TimedStep {
  name: string
  conclusion: Exclude<Conclusion, null>
  startedMs: number
  completedMs: number
  lines: () => Iterable<string>
}

function timedSteps(log: JobLog, start: number): TimedStep[] {
  const steps: TimedStep[] = []
  let at = start
  const add = (name: string, seconds: number, conclusion: TimedStep['conclusion'], lines: TimedStep['lines']) => {
    const startedMs = at
    at += seconds * 1000
    steps.push({ name, conclusion, startedMs, completedMs: at, lines })
  }
  add(runnerSteps.first, 1.2, 'success', () => setupLines(log))
  for (const step of log.steps) {
    const conclusion = step.conclusion ?? 'success'
    add(step.name, conclusion === 'skipped' ? 0 : (step.seconds ?? 1.5), conclusion, () => stepLines(step))
  }
  for (const step of log.steps.toReversed()) {
    if (!step.post || step.conclusion === 'skipped') continue
    add(`Post ${step.name}`, 0.2, 'success', postLines)
  }
  add(runnerSteps.last, 0.1, 'success', () => ['Cleaning up orphan processes'])
  return steps
}

function* setupLines(log: JobLog): Iterable<string> {
  yield "Current runner version: '2.336.0'"
  yield* group('Runner Image Provisioner', ['Hosted Compute Agent', 'Version: 20251211.462'])
  yield* group('Operating System', ['Ubuntu', '24.04.3', 'LTS'])
  yield* group('GITHUB_TOKEN Permissions', ['Actions: read', 'Checks: read', 'Contents: read', 'Metadata: read'])
  yield 'Secret source: Actions'
  yield 'Prepare workflow directory'
  yield 'Prepare all required actions'
  for (const { uses } of log.steps) {
    if (uses) yield `Download action repository '${uses}' (SHA:34e114876b0b11c390a56381ad16ebd13914f8d5)`
  }
  yield `Complete job name: ${log.name ?? 'build'}`
}

function* group(title: string, lines: Iterable<string>): Iterable<string> {
  yield `##[group]${title}`
  yield* lines
  yield '##[endgroup]'
}

function* stepLines(step: LoggedStep): Iterable<string> {
  if (step.conclusion === 'skipped') return
  yield* group(`Run ${step.uses ?? firstLine(step.run)}`, stepHeader(step))
  yield* outputOf(step)
  for (const error of step.errors ?? []) yield `##[error]${error}`
  const last = lastWord(step)
  if (last) yield `##[error]${last}`
}

function* stepHeader(step: LoggedStep): Iterable<string> {
  if (!step.uses) {
    for (const line of (step.run ?? '').split('\n')) yield `\u001b[36;1m${line}\u001b[0m`
    yield 'shell: /usr/bin/bash -e {0}'
  }
  for (const [title, values] of Object.entries({ with: step.with, env: step.env })) {
    if (!values) continue
    yield `${title}:`
    for (const [name, value] of Object.entries(values)) yield `  ${name}: ${value}`
  }
}

const firstLine = (script = '') => script.trimStart().split('\n', 1)[0] ?? ''

const outputOf = (step: LoggedStep) => (typeof step.output === 'function' ? step.output() : (step.output ?? []))

/** The runner's own error for a step that did not succeed. An action that fails writes its own errors. */
function lastWord(step: LoggedStep): string | undefined {
  if (step.conclusion === 'cancelled') return 'The operation was canceled.'
  if (step.conclusion === 'failure' && !step.uses) return `Process completed with exit code ${step.exitCode ?? 1}.`
  return undefined
}

function* postLines(): Iterable<string> {
  yield 'Post job cleanup.'
  yield '[command]/usr/bin/git version'
  yield 'git version 2.52.0'
  yield "Temporarily overriding HOME='/home/runner/work/_temp/52ff4606' before making global git config changes"
  yield 'Adding repository directory to the temporary git global config as a safe directory'
  for (const key of ['core\\.sshCommand', 'http\\.https\\:\\/\\/github\\.com\\/\\.extraheader']) {
    yield `[command]/usr/bin/git config --local --name-only --get-regexp ${key}`
    yield `[command]/usr/bin/git submodule foreach --recursive sh -c "git config --local --name-only --get-regexp '${key}' || :"`
  }
}

function annotationsOf(step: LoggedStep): AnnotationInput[] {
  const last = lastWord(step)
  const messages = [...(step.errors ?? []), ...(last ? [last] : [])]
  // The line is the one in the step's own log. Generated output is not counted.
  const before = [...group('', stepHeader(step))].length + (Array.isArray(step.output) ? step.output.length : 0)
  return messages.map((message, index) => ({ message, level: 'failure', startLine: before + index + 1 }))
}

/** Characters of a piece: a large log has few pieces, and each needs little memory. */
const pieceLength = 32 * 1024

function* written(log: JobLog, steps: TimedStep[], start: number): Iterable<string> {
  const lineEnd = log.lineEnd ?? '\n'
  const mark = (log.byteOrderMark ?? true) ? '\ufeff' : ''
  const limit = log.blockBytes ?? blockSize
  let block = limit
  let piece = ''
  // Ticks of 100 ns, as in .NET, since the job's start: those since 1970 are too many for a number.
  let ticks = 0
  for (const step of steps) {
    ticks = Math.max(ticks, (step.startedMs - start) * 10_000)
    for (const message of step.lines()) {
      ticks += 3
      const line = `${timeStamp(start, ticks)} ${message}${lineEnd}`
      if (block >= limit) {
        piece += mark
        block = 0
      }
      piece += line
      block += Buffer.byteLength(line)
      if (piece.length < pieceLength) continue
      yield piece
      piece = ''
    }
  }
  yield piece
}

// Caches the text of the last second, as a long log has many lines in each.
let stampedSecond = -1
let stampedText = ''

/** `2026-01-02T03:04:05.1234567Z`, as .NET's format `O` writes it. */
function timeStamp(start: number, ticks: number): string {
  const ms = start + Math.floor(ticks / 10_000)
  const second = Math.floor(ms / 1000)
  if (second !== stampedSecond) {
    stampedSecond = second
    stampedText = wholeSeconds(second * 1000).slice(0, -1)
  }
  const fraction = (ms - second * 1000) * 10_000 + (ticks % 10_000)
  return `${stampedText}.${String(fraction).padStart(7, '0')}Z`
}

const wholeSeconds = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`

/** Output lines of `bytes` or a little more, all different, for a log too large for memory. `line` is ASCII. */
export function* manyLines(bytes: number, line = 'compiling module'): Iterable<string> {
  // The timestamp and the line end count as well.
  const overhead = 30
  const rest = '.'.repeat(200)
  for (let count = 0, sum = 0; sum < bytes; count++) {
    const text = `${line} ${String(count).padStart(8, '0')} ${rest}`
    sum += text.length + overhead
    yield text
  }
}
