import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { type ActionFile, type Contexts, inputVariables, REPOSITORY, readActionFile } from './action-file.ts'
import { type Command, commandsIn, withoutMasks } from './commands.ts'
import { parseFileCommands } from './file-commands.ts'
import { jobContexts, jobVariables } from './job-variables.ts'
import { node24 } from './node24.ts'
import { removeFolder } from './temporary-folder.ts'
import type { RunningStep, StepCommand, Worker } from './worker.ts'

/** How to run a step. */
export interface StepOptions {
  /** The folder of the action; default '.', the root action. */
  readonly action?: string
  /** Where the actions' `dist` is; default: this repository. */
  readonly dist?: string
  /** The script to run. Default: main. */
  readonly stage?: 'main' | 'post'
  /** The `with:` of the step. */
  readonly inputs: Readonly<Record<string, string>>
  /** The current job.status. Default: success. */
  readonly jobStatus?: string
  /** More contexts for input defaults. */
  readonly contexts?: Contexts
  /** More environment variables. Undefined removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Files of the workspace by name. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  /** Called with the started process, to send it signals. */
  readonly onStart?: (step: RunningStep) => void
  /** The standard output: a pipe that is read to its end (default), or one that is never read. */
  readonly stdout?: 'read' | 'closed'
  /** A command that gets the command of the step as arguments and starts it, as a wrapper. */
  readonly startedBy?: readonly [string, ...string[]]
  /** The runner's process that starts the step. Default: this process. When it is lost, the step has no exit code. */
  readonly worker?: Worker
  /** The step is killed, and the test fails, after this time; default 30 s. */
  readonly limitMs?: number
}

/** The result of a step, as a runner sees it. */
export interface StepResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  /** The secrets that the step masked. These commands are not in `stdout`, as in the runner's log. */
  readonly masks: readonly string[]
  /** Every other workflow command that the runner would find in the output. */
  readonly commands: readonly Command[]
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
  readonly notices: readonly string[]
  readonly outputs: Readonly<Record<string, string>>
  readonly state: Readonly<Record<string, string>>
  /** The text added to the job summary. */
  readonly summary: string
  /** Milliseconds from its start to its end. */
  readonly tookMs: number
  /** Milliseconds since 1970. */
  readonly endedAt: number
}

/** The run that the steps of tests belong to. */
export const RUN_LINK = 'https://github.com/octo-org/pipes/actions/runs/4711/attempts/2'

/**
 * Runs a step as GitHub's runner does: the built action as a process of Node 24, inputs and defaults as INPUT_ variables,
 * the file commands as files of its own, and nothing else from the environment of the tests.
 */
export async function runStep(options: StepOptions): Promise<StepResult> {
  const folder = mkdtempSync(join(tmpdir(), 'step-'))
  try {
    return await runIn(folder, options)
  } finally {
    removeFolder(folder)
  }
}

async function runIn(folder: string, options: StepOptions): Promise<StepResult> {
  const { action, workspace, files, env } = prepareStep(folder, options)
  const script = action.runs[options.stage ?? 'main']
  if (script === undefined) throw new Error(`the action has no ${options.stage} script`)
  const started = performance.now()
  const folderOfAction = join(REPOSITORY, options.action ?? '.')
  const path = relative(join(REPOSITORY, 'dist'), join(folderOfAction, script))
  const step = [node24(), join(options.dist ?? join(REPOSITORY, 'dist'), path)] as const
  const [command, ...args] = options.startedBy === undefined ? step : ([...options.startedBy, ...step] as const)
  const stepCommand: StepCommand = {
    command,
    args,
    cwd: workspace,
    env: {
      PATH: process.env['PATH'] ?? '',
      ...(process.env['SystemRoot'] === undefined ? {} : { SystemRoot: process.env['SystemRoot'] }),
      // Compiles the bundle once for hundreds of steps.
      NODE_COMPILE_CACHE: join(REPOSITORY, 'node_modules', '.cache', 'steps'),
      ...env,
    },
    stdout: options.stdout ?? 'read',
  }
  const child = options.worker === undefined ? start(stepCommand) : await options.worker.spawn(stepCommand)
  options.onStart?.(child)
  const outcome = await outcomeOf(child, options.limitMs ?? 30_000)
  return { ...resultOf(outcome, files), tookMs: performance.now() - started, endedAt: Date.now() }
}

/** The files of the commands of a step, by the command. */
export type CommandFiles = Readonly<Record<'output' | 'state' | 'summary', string>>

/** The folders, the files and the variables of a step, in this folder. */
export function prepareStep(
  folder: string,
  options: Pick<StepOptions, 'action' | 'inputs' | 'jobStatus' | 'contexts' | 'env' | 'files'>,
  files: CommandFiles = {
    output: join(folder, 'output'),
    state: join(folder, 'state'),
    summary: join(folder, 'summary'),
  },
): { action: ActionFile; workspace: string; files: CommandFiles; env: Record<string, string> } {
  const action = readActionFile(options.action ?? '.')
  const [workspace, temp] = [join(folder, 'workspace'), join(folder, 'temp')]
  mkdirSync(workspace, { recursive: true })
  mkdirSync(temp)
  for (const [name, content] of Object.entries(options.files ?? {})) {
    mkdirSync(dirname(join(workspace, name)), { recursive: true })
    writeFileSync(join(workspace, name), content)
  }
  for (const file of Object.values(files)) writeFileSync(file, '')
  const contexts = jobContexts({ job: { status: options.jobStatus ?? 'success' }, ...options.contexts })
  const variables = {
    ...jobVariables({ home: folder, workspace, temp, files }),
    ...inputVariables(action, options.inputs, contexts),
    ...options.env,
  }
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) env[name] = value
  return { action, workspace, files, env }
}

/** What a runner finds in the output of a step and in its files. */
export function resultOf(
  { exitCode, stdout: output, stderr }: { exitCode: number | null; stdout: string; stderr: string },
  files: CommandFiles,
): Omit<StepResult, 'tookMs' | 'endedAt'> {
  const { visible: stdout, masks } = withoutMasks(output)
  // The runner reads both streams for commands.
  const commands = [...commandsIn(stdout), ...commandsIn(stderr)]
  const messages = (name: string): string[] =>
    commands.filter((command) => command.name === name).map(({ message }) => message)
  return {
    exitCode,
    stdout,
    stderr,
    masks,
    commands,
    errors: messages('error'),
    warnings: messages('warning'),
    notices: messages('notice'),
    outputs: parseFileCommands(readFileSync(files.output, 'utf8')),
    state: parseFileCommands(readFileSync(files.state, 'utf8')),
    summary: readFileSync(files.summary, 'utf8'),
  }
}

function start({ command, args, cwd, env, stdout }: StepCommand): RunningStep {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  if (stdout === 'closed') child.stdout.destroy()
  return child
}

function outcomeOf(
  child: RunningStep,
  limitMs: number,
): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8')
    child.stdout?.on('data', (text: string) => {
      stdout += text
    })
    child.stderr?.setEncoding('utf8')
    child.stderr?.on('data', (text: string) => {
      stderr += text
    })
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`the step did not end within ${limitMs} ms; its output:\n${stdout}\n${stderr}`))
    }, limitMs)
    child.on('error', reject)
    child.on('close', (exitCode) => {
      clearTimeout(timer)
      resolve({ exitCode, stdout, stderr })
    })
  })
}
