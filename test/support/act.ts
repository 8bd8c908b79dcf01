import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { REPOSITORY } from './action-file.ts'
import { node24 } from './node24.ts'
import { argumentsOf, eventually, killAll, processesWith } from './processes.ts'

/** The oldest tested version of act. */
const OLDEST = [0, 2, 87] as const
const HOW_TO_GET_IT = `Get it with "go install github.com/nektos/act@v${OLDEST.join('.')}", or set ACT to where it is.`

const TRACKING = 'RUNNER_TRACKING_ID'
let runs = 0

/**
 * Loaded into the actions. When a step fails, act drops the output that it has not read (HostEnvironment.exec). So a failing
 * step marks the end of its output, and waits until the mark was read.
 */
const WAIT_TO_BE_READ = `
  const { existsSync } = require('node:fs')
  if (process.stdout.isTTY) process.on('exit', (code) => {
    if (code === 0) return
    console.log('read-' + process.pid)
    const until = performance.now() + 20_000
    while (!existsSync(__dirname + '/read-' + process.pid) && performance.now() < until)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  })
`
const END_OF_OUTPUT = /"msg":"(read-\d+)\\n"/g

/** The reference to the action in the README, with the version. */
const PUBLISHED = 'OWNER/aws-datapipeline-set-task-status@v1'

/** How to run a workflow. */
export interface WorkflowOptions {
  /** The workflow. Default: the file in test/workflows with this name. */
  readonly text?: string
  /** More files of the repository, by path. They are executable. */
  readonly files?: Readonly<Record<string, string>>
  /** The inputs of workflow_dispatch. */
  readonly inputs?: Readonly<Record<string, string>>
  /** Environment variables of every step. */
  readonly env?: Readonly<Record<string, string>>
  /** Secrets of the repository; GITHUB_TOKEN sets `github.token`, which is empty by default. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Called with the started act. SIGINT cancels the run. */
  readonly onStart?: (act: ChildProcess) => void
  /** act is killed, and the test fails, after this time; default 150 s. */
  readonly limitMs?: number
}

/** The result of a run. */
export interface WorkflowRun {
  readonly exitCode: number | null
  /** The result of each job, by its key. A skipped job has no entry. */
  readonly results: Readonly<Record<string, string>>
  /** The messages of annotations, in order. */
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
  /** The output of the steps, without workflow commands. */
  readonly output: string
  /** The whole output of act, for people. */
  readonly log: string
}

/**
 * Runs a workflow with act (https://github.com/nektos/act), without containers, in a repository of its own with the
 * files of this one in their current state: those that git tracks or would add. The same files are used for
 * `uses: OWNER/aws-datapipeline-set-task-status@v1`.
 *
 * @param name of the workflow's file
 * @throws Error when act isn't there or does not end, or when a process of the run outlives it
 */
export async function runWorkflow(name: string, options: WorkflowOptions = {}): Promise<WorkflowRun> {
  const folder = mkdtempSync(join(tmpdir(), 'act-'))
  const trackingId = `act_${process.pid}_${++runs}_`
  try {
    const { exitCode, records, stderr } = await recordsOf(start(folder, name, trackingId, options), folder, options)
    const left = await leftOver(trackingId)
    const run = describe(exitCode, records, stderr)
    if (left.length > 0) throw new Error(`processes outlived the run: ${left.join('; ')}\n${run.log}`)
    return run
  } finally {
    // Repeatedly, as one may start another during the search.
    await eventually(() => {
      const left = processesOf(trackingId)
      killAll(left)
      return left.length === 0
    })
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/**
 * The act to use: that of the variable ACT, else that of `go install`, else the first in PATH.
 *
 * @param home an empty folder, used as its home directory
 * @throws Error with instructions to install it
 */
function findAct(home: string): string {
  const { ACT, PATH = '' } = process.env
  const goPath = output('go', ['env', 'GOPATH'], process.env)
  const folders = [...(goPath === '' ? [] : [join(goPath, 'bin')]), ...PATH.split(delimiter)]
  const act = ACT || folders.map((folder) => join(folder, 'act')).find((path) => existsSync(path))
  if (act === undefined) throw new Error(`The tests of workflows need act, which was not found. ${HOW_TO_GET_IT}`)
  const version = output(act, ['--version'], { HOME: home, XDG_CONFIG_HOME: home })
  const numbers = /(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number)
  if (numbers === undefined || isOlder(numbers)) {
    throw new Error(
      `The tests of workflows need act ${OLDEST.join('.')} or newer, and "${act} --version" prints ` +
        `${version === '' ? 'nothing' : `"${version}"`}. ${HOW_TO_GET_IT}`,
    )
  }
  return act
}

function isOlder(version: readonly number[]): boolean {
  const index = OLDEST.findIndex((number, place) => number !== version[place])
  return index >= 0 && (version[index] ?? 0) < (OLDEST[index] ?? 0)
}

function output(command: string, args: string[], env: NodeJS.ProcessEnv): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env }).trim()
  } catch {
    return ''
  }
}

function start(folder: string, name: string, trackingId: string, options: WorkflowOptions): ChildProcess {
  const { inputs = {}, env = {}, secrets = {} } = options
  const file = (base: string, content: object): string => {
    const path = join(folder, base)
    writeFileSync(path, JSON.stringify(content))
    return path
  }
  const home = join(folder, 'home')
  mkdirSync(home)
  const waitToBeRead = join(folder, 'wait-to-be-read.cjs')
  writeFileSync(waitToBeRead, WAIT_TO_BE_READ)
  const variables = {
    GITHUB_REPOSITORY: 'octo-org/pipes',
    GITHUB_RUN_ATTEMPT: '2',
    GITHUB_RUN_ID: '4711',
    GITHUB_RUN_NUMBER: '17',
    RUNNER_NAME: 'runner-1',
    [TRACKING]: trackingId,
    // Only the credentials of the test: no profile, no metadata service of the machine.
    AWS_EC2_METADATA_DISABLED: 'true',
    NODE_OPTIONS: `--require=${waitToBeRead}`,
    ...env,
  }
  const repository = repositoryWith(name, options, join(folder, 'repository'))
  const args = [
    ...['--workflows', `.github/workflows/${name}`],
    ...['--platform', 'ubuntu-latest=-self-hosted'],
    ...['--eventpath', file('event.json', { inputs })],
    // JSON is valid YAML, without further quoting.
    ...['--env-file', file('env.yml', variables)],
    // Without a token, act would get the user's own from the GitHub CLI.
    ...['--secret-file', file('secrets.yml', { GITHUB_TOKEN: '', ...secrets })],
    ...['--local-repository', `${PUBLISHED}=${repository}`],
    ...['--action-cache-path', join(folder, 'cache')],
    '--no-cache-server',
    '--json',
  ]
  return spawn(findAct(home), args, {
    cwd: repository,
    env: {
      // On the host, act runs the first `node` in PATH for every `using: node…`.
      PATH: `${dirname(node24())}${delimiter}${process.env['PATH']}`,
      HOME: home,
      XDG_CACHE_HOME: home,
      XDG_CONFIG_HOME: home,
      [TRACKING]: trackingId,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Creates a repository with the files of the actions and the workflow. act uses its commit as `github.sha`. */
function repositoryWith(name: string, { text, files = {} }: WorkflowOptions, folder: string): string {
  const git = (cwd: string, ...args: string[]): string => execFileSync('git', args, { cwd, encoding: 'utf8' })
  const listed = git(
    REPOSITORY,
    ...['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', 'action.yml', '*/action.yml', 'dist'],
  )
  for (const path of new Set(listed.split('\0'))) {
    if (path !== '' && existsSync(join(REPOSITORY, path))) cpSync(join(REPOSITORY, path), join(folder, path))
  }
  const workflow = text ?? readFileSync(join(REPOSITORY, 'test', 'workflows', name), 'utf8')
  for (const [path, content] of Object.entries({ ...files, [`.github/workflows/${name}`]: workflow })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content, { mode: 0o755 })
  }
  git(folder, 'init', '--quiet', '--initial-branch', 'main')
  git(folder, 'add', '--all')
  git(folder, '-c', 'user.name=test', '-c', 'user.email=test@example.com', 'commit', '--quiet', '--message', 'Add it')
  return folder
}

/** A line of act's log. */
interface LogRecord {
  readonly msg?: string
  readonly jobID?: string
  readonly jobResult?: string
  readonly raw_output?: boolean
  readonly command?: string
  readonly arg?: string
}

async function recordsOf(
  act: ChildProcess,
  folder: string,
  { onStart, limitMs = 150_000 }: WorkflowOptions,
): Promise<{ exitCode: number | null; records: LogRecord[]; stderr: string }> {
  let [stdout, stderr] = ['', '']
  let searched = 0
  act.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    // Only the first time: a line may arrive in pieces.
    for (const [, file = ''] of stdout.slice(searched).matchAll(END_OF_OUTPUT)) writeFileSync(join(folder, file), '')
    searched = stdout.lastIndexOf('\n') + 1
  })
  act.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  onStart?.(act)
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    const timer = setTimeout(() => {
      act.kill('SIGKILL')
      reject(new Error(`act did not end within ${limitMs} ms; its log:\n${stdout}\n${stderr}`))
    }, limitMs)
    act.on('error', reject)
    // Steps write to terminals of act, so none of their processes keeps its streams open.
    act.on('close', (code) => {
      clearTimeout(timer)
      resolve(code)
    })
  })
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
  return { exitCode, records: lines.map((line) => JSON.parse(line) as LogRecord), stderr }
}

function describe(exitCode: number | null, records: readonly LogRecord[], stderr: string): WorkflowRun {
  const annotations = (kind: string): string[] =>
    records.filter(({ command }) => command === kind).map(({ arg = '' }) => arg)
  return {
    exitCode,
    results: resultsIn(records),
    errors: annotations('error'),
    warnings: annotations('warning'),
    output: records.map(({ raw_output: isRaw, msg = '' }) => (isRaw ? msg : '')).join(''),
    log: `${records.map(({ jobID, msg }) => `[${jobID}] ${msg?.trimEnd()}`).join('\n')}\n${stderr}`,
  }
}

/** The result of each job. Jobs of a matrix end in any order, and have one result: a failure if one failed. */
function resultsIn(records: readonly LogRecord[]): Record<string, string> {
  const results: Record<string, string> = {}
  for (const { jobID, jobResult } of records) {
    if (jobID !== undefined && jobResult && results[jobID] !== 'failure') results[jobID] = jobResult
  }
  return results
}

/** The commands of the processes that outlived a run, after a wait for those that are ending. */
async function leftOver(trackingId: string): Promise<string[]> {
  await eventually(() => processesOf(trackingId).length === 0)
  return processesOf(trackingId).map((pid) => argumentsOf(pid).join(' '))
}

/** The processes of a run, and act itself. Linux only. */
function processesOf(trackingId: string): number[] {
  return process.platform === 'linux' ? processesWith(TRACKING, trackingId) : []
}
