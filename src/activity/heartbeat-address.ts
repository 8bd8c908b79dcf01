import { createHmac } from 'node:crypto'

type Environment = Readonly<Record<string, string | undefined>>

/** Where later steps of a job find the heartbeat process of a task, and what proves that both belong to the job. */
export interface HeartbeatAddress {
  /** For `net.connect` and `net.listen`. */
  readonly path: string
  /** Shared by the steps of this job. */
  readonly key: Buffer
  /** 16 hexadecimal digits, for the process title and the names of files. Reveals nothing of the task. */
  readonly id: string
}

/**
 * The mark of all processes of a job (github_<uuid>): random, so other users can't know it. Steps of a job in a container
 * have none.
 */
export const TRACKING_VARIABLE = 'RUNNER_TRACKING_ID'

/** A process with this suffix survives the end of the job, when the runner kills those with the mark. */
export const TRACKING_SUFFIX = '_heartbeat'

/** The path of a socket has at most 103 bytes on macOS, and TMPDIR alone has half of that. */
const SOCKET_FOLDER = '/tmp'

/**
 * The address for a task of this job. It is derived from the task, the run and the job, so it needs no file, which the job
 * may delete, and no variable. An abstract socket on Linux, a named pipe on Windows, and a socket in the system's temporary
 * folder on other systems.
 */
export function heartbeatAddress(taskId: string, env: Environment, platform = process.platform): HeartbeatAddress {
  const trackingId = trackingIdOf(env)
  const names = ['GITHUB_REPOSITORY', 'GITHUB_RUN_ID', 'GITHUB_RUN_ATTEMPT', 'GITHUB_JOB']
  const job = JSON.stringify([taskId, trackingId, ...names.map((name) => env[name] ?? '')])
  const derive = (purpose: string): Buffer => createHmac('sha256', job).update(purpose).digest()
  const id = derive('id').toString('hex').slice(0, 16)
  return {
    path: pathOf(`aws-datapipeline-${id}`, platform),
    // Few need it.
    get key() {
      return derive('key')
    },
    id,
  }
}

/** The job's value of the variable, without the suffix of the heartbeat process. */
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
