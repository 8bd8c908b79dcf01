import { createHmac } from 'node:crypto'

type Environment = Readonly<Record<string, string | undefined>>

/** Where the process that holds a task for this job is found by later steps, and what proves that both belong to the job. */
export interface HolderAddress {
  /** For `net.connect` and `net.listen`. */
  readonly path: string
  /** Shared by the steps of this job. */
  readonly key: Buffer
  /** 16 hexadecimal digits: a part of the process title, and of the names of files. Shows nothing of the task. */
  readonly id: string
}

/**
 * What the runner marks all processes of a job with (github_<uuid>): random, so other users can't know it. Steps of a job
 * in a container have none.
 */
export const TRACKING_VARIABLE = 'RUNNER_TRACKING_ID'

/** With it the runner does not take the process for one of the job's, which it kills at the end. */
export const TRACKING_SUFFIX = '_heartbeat'

/** The longest that a path of a socket may be on macOS is 103 bytes, and TMPDIR has half of that. */
const SOCKET_FOLDER = '/tmp'

/**
 * Derived from the task, the run and the job, so it needs no file, which the job may delete, and no variable: an abstract
 * socket on Linux, a named pipe on Windows, and elsewhere a socket in the system's temporary folder.
 */
export function holderAddress(taskId: string, env: Environment, platform = process.platform): HolderAddress {
  const trackingId = trackingIdOf(env)
  const names = ['GITHUB_REPOSITORY', 'GITHUB_RUN_ID', 'GITHUB_RUN_ATTEMPT', 'GITHUB_JOB']
  const job = JSON.stringify([taskId, trackingId, ...names.map((name) => env[name] ?? '')])
  const derive = (purpose: string): Buffer => createHmac('sha256', job).update(purpose).digest()
  const id = derive('id').toString('hex').slice(0, 16)
  return { path: pathOf(`aws-datapipeline-${id}`, platform), key: derive('key'), id }
}

/** The job's value of the variable, also in the process that has it with a suffix. */
export function trackingIdOf(env: Environment): string {
  const value = env[TRACKING_VARIABLE] ?? ''
  return value.endsWith(TRACKING_SUFFIX) ? value.slice(0, -TRACKING_SUFFIX.length) : value
}

function pathOf(name: string, platform: NodeJS.Platform): string {
  switch (platform) {
    case 'linux':
      return `\0${name}`
    case 'win32':
      return `\\\\.\\pipe\\${name}`
    default:
      return `${SOCKET_FOLDER}/${name}.sock`
  }
}
