import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { REPOSITORY } from './action-file.ts'
import { node24 } from './node24.ts'
import { eventually, exists, isAlive, killAll } from './processes.ts'

/** The prefix of the command line of the runner's own process, which identifies it. */
const RUNNER_WORKER = '/opt/runner/bin/Runner.Worker'

/** A started step with any parent: the part of ChildProcess that tests use. */
export interface RunningStep {
  readonly pid?: number | undefined
  readonly stdout: NodeJS.ReadableStream | null
  readonly stderr: NodeJS.ReadableStream | null
  kill(signal?: NodeJS.Signals): boolean
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'close', listener: (exitCode: number | null) => void): unknown
}

/** How to start a step. */
export interface StepCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** `closed` is a pipe that is never read. */
  readonly stdout: 'read' | 'closed'
}

/** A message of the process about a step. */
interface Message {
  readonly id: number
  readonly pid?: number
  readonly stream?: 'stdout' | 'stderr'
  readonly text?: string
  readonly error?: string
  readonly exitCode?: number | null
}

/**
 * The runner's process of a job, called Runner.Worker in GitHub's runner: its steps are its children. A test can kill it
 * while they run, to simulate the loss of a runner.
 */
export class Worker {
  readonly #process: ChildProcess
  readonly #steps = new Map<number, WorkerStep>()
  #started = 0

  private constructor(process: ChildProcess) {
    this.#process = process
    process.on('message', (message: Message) => this.#steps.get(message.id)?.onMessage(message))
    process.once('exit', () => {
      for (const step of this.#steps.values()) void step.waitForLoss()
    })
  }

  static async start(): Promise<Worker> {
    const script = join(REPOSITORY, 'test', 'support', 'worker-process.mjs')
    const child = spawn(node24(), [script], {
      argv0: RUNNER_WORKER,
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const worker = new Worker(child)
    await once(child, 'message')
    return worker
  }

  get pid(): number {
    return this.#process.pid as number
  }

  /** Starts a step as a child of this process. The promise resolves when it runs. */
  async spawn(command: StepCommand): Promise<RunningStep> {
    const id = ++this.#started
    const step = new WorkerStep()
    this.#steps.set(id, step)
    step.once('close', () => this.#steps.delete(id))
    this.#process.send({ id, ...command })
    await step.running
    return step
  }

  /** Kills the process and waits until it is gone. Its steps continue. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.#hasEnded) return
    const ended = once(this.#process, 'exit')
    this.#process.kill(signal)
    await ended
  }

  /** Ends the process, and steps that still run. */
  async [Symbol.asyncDispose](): Promise<void> {
    killAll([...this.#steps.values()].flatMap(({ pid }) => pid ?? []))
    await this.kill()
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }
}

/** A step that a Worker has started. When the Worker is lost, it closes when its own process is gone, without an exit code. */
class WorkerStep extends EventEmitter implements RunningStep {
  readonly stdout = new PassThrough()
  readonly stderr = new PassThrough()
  /** Rejected when it can't be started. */
  readonly running: Promise<void>
  pid: number | undefined
  #outcome = { started: (): void => {}, failed: (_error: Error): void => {} }

  constructor() {
    super()
    this.running = new Promise((resolve, reject) => {
      this.#outcome = { started: resolve, failed: reject }
    })
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): boolean {
    return this.pid !== undefined && exists(this.pid) && process.kill(this.pid, signal)
  }

  onMessage({ pid, stream, text = '', error, exitCode }: Message): void {
    if (pid !== undefined) {
      this.pid = pid
      this.#outcome.started()
    } else if (stream !== undefined) this[stream].write(text, 'latin1')
    else if (error !== undefined) this.#outcome.failed(new Error(error))
    else void this.#close(exitCode ?? null)
  }

  async waitForLoss(): Promise<void> {
    const { pid } = this
    this.#outcome.failed(new Error('the runner was lost before the step was started'))
    // The test has its own time limit.
    while (pid !== undefined && !(await eventually(() => !isAlive(pid))));
    await this.#close(null)
  }

  async #close(exitCode: number | null): Promise<void> {
    this.stdout.end()
    this.stderr.end()
    await Promise.all([finished(this.stdout), finished(this.stderr)])
    this.emit('close', exitCode)
  }
}
