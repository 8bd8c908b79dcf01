import { writeFileSync } from 'node:fs'
import { parse, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'

/** Separates this process from the steps of the job: their signals, and the servers that they end. */
export function isolateProcess(title: string): void {
  process.title = title
  // Steps end servers of their own by name. This process ends when it sees that its runner is gone.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGBREAK'] as const) process.on(signal, () => undefined)
  if (process.platform !== 'linux') return
  try {
    // The runner makes its steps likelier victims than itself (actions/runner, ProcessInvoker.cs).
    writeFileSync('/proc/self/oom_score_adj', '0')
  } catch {
    // The system does not allow it.
  }
}

/**
 * Saves memory from now on: optimized code gains nothing in a process that sleeps, and takes half as much memory again. With other
 * flags, Node compiles those of its own modules again that it loads later, which takes long.
 */
export function saveMemory(): void {
  setFlagsFromString('--no-opt')
  setFlagsFromString('--no-maglev')
}

/** AWS variables that name files. A relative path starts at the folder that the step was started in. */
const PATH_VARIABLES = [
  'AWS_CA_BUNDLE',
  'AWS_CONFIG_FILE',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
]

/** Leaves the workspace, which belongs to the job: Windows locks the folder that a process works in. */
export function leaveWorkspace(env: NodeJS.ProcessEnv): void {
  for (const name of PATH_VARIABLES) if (env[name]) env[name] = resolve(env[name])
  process.chdir(parse(process.execPath).root)
}
