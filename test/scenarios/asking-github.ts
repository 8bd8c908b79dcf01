import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import type { LocalGitHub } from '../fakes/github/local-github.ts'
import { perform, type Style } from '../support/perform.ts'
import type { StepOptions, StepResult } from '../support/step.ts'
import { slowClock } from '../support/timing.ts'

/** What SetTaskStatus received. */
export interface Sent {
  readonly taskId?: string
  readonly taskStatus?: string
  readonly errorId?: string
  readonly errorMessage?: string
  readonly errorStackTrace?: string
}

/** A step that may have asked GitHub why a job failed, and what it told Data Pipeline. */
export interface GitHubReport {
  readonly step: StepResult
  /** The bodies of all SetTaskStatus requests, in order. */
  readonly bodies: readonly Sent[]
  /** The last of them, with '' for each text that it doesn't have. */
  readonly sent: Required<Sent>
  /**
   * From the first call to GitHub until Data Pipeline got the first report, in milliseconds; 0 without such a call. Of a called
   * step, `step.tookMs` tells more.
   */
  readonly waited: number
}

export interface GitHubReportOptions extends Omit<StepOptions, 'inputs' | 'contexts'>, Style {
  /** Default: one of its own, which knows no faults. */
  readonly service?: LocalDataPipeline
  /** What `github.token` is; default: the right one. */
  readonly token?: string
  /** What `job.check_run_id` is; default: not there, as on GitHub Enterprise Server. */
  readonly checkRunId?: number | string
  /** What `github.action_status` is; default: not there, as outside of a composite action. */
  readonly actionStatus?: string
}

/** Runs the root action in a job of the run that this GitHub knows, for a new task. */
export async function reportFrom(
  github: LocalGitHub,
  inputs: Readonly<Record<string, string>> = {},
  options: GitHubReportOptions = {},
): Promise<GitHubReport> {
  if (options.service) return await reportTo(options.service, github, inputs, options)
  await using service = await LocalDataPipeline.start()
  return await reportTo(service, github, inputs, options)
}

async function reportTo(
  service: LocalDataPipeline,
  github: LocalGitHub,
  inputs: Readonly<Record<string, string>>,
  { token, checkRunId, jobStatus, actionStatus, ...options }: GitHubReportOptions,
): Promise<GitHubReport> {
  const { taskId } = service.addTask()
  const step = await perform({
    ...options,
    inputs: { 'task-id': taskId, ...inputs },
    contexts: {
      github: { token: token ?? github.token, action_status: actionStatus },
      job: { status: jobStatus ?? 'success', check_run_id: checkRunId },
    },
    env: { ...service.env(), ...github.environment, ...options.env },
  })
  if (github.violations.length > 0) throw new Error(`GitHub would not answer so: ${github.violations.join('\n')}`)
  const reports = service.requestsFor('SetTaskStatus')
  const bodies = reports.map(({ body }) => body as Sent)
  const [askedAt, reportedAt] = [github.requests[0]?.at, reports[0]?.at]
  const waited = askedAt === undefined || reportedAt === undefined ? 0 : reportedAt - askedAt
  const nothing = { taskId: '', taskStatus: '', errorId: '', errorMessage: '', errorStackTrace: '' }
  return { step, bodies, sent: { ...nothing, ...bodies.at(-1) }, waited }
}

/** One report, and nothing to say beside it. */
export function expectPlainReport({ step, bodies }: GitHubReport): void {
  expect(step.exitCode).toBe(0)
  expect(step.errors).toEqual([])
  expect(step.warnings).toEqual([])
  expect(step.notices).toEqual([])
  expect(step.stderr).toBe('')
  expect(bodies).toHaveLength(1)
}

/** The text that `toJSON(needs)` makes of results by job. */
export function needsOf(results: Readonly<Record<string, string>>): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(results).map(([job, result]) => [job, { result, outputs: {} }])),
    undefined,
    2,
  )
}

/** The calls that the API got, by name. */
export function routesAsked(github: LocalGitHub): (string | undefined)[] {
  return github.requests.map(({ route }) => route)
}

/** What a process was made of. */
export interface Footprint {
  /** The names of the files of the action that it loaded. */
  readonly loaded: readonly string[]
  /** Its largest resident set, in bytes. */
  readonly peakBytes: number
}

// Runs in the process of the action, before it.
const RECORDER = `
import { registerHooks } from 'node:module'
import { writeFileSync } from 'node:fs'
const loaded = []
registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
process.on('exit', () => writeFileSync(process.env.FOOTPRINT_FILE,
  JSON.stringify({ loaded, peakBytes: process.resourceUsage().maxRSS * 1024 })))
`

/** Has the process that `run` starts, with these variables, record its footprint. It has more time on a slow machine. */
export async function withFootprint<T>(
  run: (env: Record<string, string>) => Promise<T>,
): Promise<{ result: T; footprint: Footprint }> {
  const folder = mkdtempSync(join(tmpdir(), 'footprint-'))
  try {
    const file = join(folder, 'footprint.json')
    const result = await run({
      ...slowClock(4, RECORDER),
      FOOTPRINT_FILE: file,
    })
    const { loaded, peakBytes } = JSON.parse(readFileSync(file, 'utf8')) as Footprint
    const names = loaded.filter((url) => url.startsWith('file:')).map((url) => url.slice(url.indexOf('/dist/') + 1))
    return { result, footprint: { loaded: names, peakBytes } }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
