import { spawn } from 'node:child_process'
import { identify, type ProcessIdentity } from './process-identity.ts'

/** A process in the background. */
export interface StartedProcess {
  readonly identity: ProcessIdentity
  /** Writes to its standard input, and closes it. */
  writeInput(text: string): void
  /** Why it does not run: it could not start, or it has ended; undefined while it runs. */
  failure(): string | undefined
  kill(): void
}

/** Starts a process that is no part of this step: detached, with the log as its output and a pipe as its input. */
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
  // A process that has ended breaks the pipe. How it ended is the better message.
  child.stdin?.on('error', () => undefined)
  child.unref()
  return {
    // 0 is no process. The event gives the reason why it could not start.
    identity: child.pid === undefined ? { pid: 0, startedAt: 'never' } : identify(child.pid),
    writeInput: (text) => void child.stdin?.end(text),
    failure: () => failure,
    kill() {
      child.stdin?.destroy()
      child.kill('SIGKILL')
    },
  }
}
