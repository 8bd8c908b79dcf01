import { spawn } from 'node:child_process'
import { identify, type ProcessIdentity } from './process-identity.ts'

/** A process of ours in the background. */
export interface StartedProcess {
  readonly identity: ProcessIdentity
  /** Writes to its standard input, and ends that. */
  writeInput(text: string): void
  /** How it failed: it could not be started, or it has ended. */
  failure(): string | undefined
  kill(): void
}

/** Starts a process that is not a part of this step: detached, with the log as its output, and a pipe as its input. */
export function startProcess(
  command: string,
  args: readonly string[],
  { env, log }: { env: Record<string, string>; log: number },
): StartedProcess {
  const child = spawn(command, args, { detached: true, stdio: ['pipe', log, log], env, windowsHide: true })
  let failure: string | undefined
  child.once('error', (error) => {
    failure = error.message
  })
  child.once('exit', (code, signal) => {
    failure ??= `it ended with ${signal ?? `exit code ${code}`}`
  })
  // A process that is gone already breaks the pipe; how it ended says more.
  child.stdin?.on('error', () => undefined)
  child.unref()
  return {
    // 0 is no process: it could not be started, which the event tells.
    identity: child.pid === undefined ? { pid: 0, startedAt: 'never' } : identify(child.pid),
    writeInput: (text) => void child.stdin?.end(text),
    failure: () => failure,
    kill() {
      child.stdin?.destroy()
      child.kill('SIGKILL')
    },
  }
}
