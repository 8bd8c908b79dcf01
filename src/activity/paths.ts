import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'

/** The files through which a step and its heartbeat process talk. No task id and no secret is in their names. */
export interface ActivityFiles {
  readonly folder: string
  /** What the heartbeat process did; read by people. */
  readonly log: string
  /** What the heartbeat process did; read by the post step. */
  readonly state: string
  /** There when the heartbeat process is to end. */
  readonly stop: string
  /** There when the end of the task was reported in this job. */
  readonly reported: string
}

const PREFIX = 'aws-datapipeline-activity-'

/** The beginning of the names of the folders for a task: found again by its id, without showing it. */
export function folderPrefix(taskId: string): string {
  return `${PREFIX}${createHash('sha256').update(taskId).digest('hex').slice(0, 16)}-`
}

/** A new name of a folder for a task, in the temporary folder of the runner. */
export function newActivityFolder(runnerTemp: string, taskId: string): string {
  return join(runnerTemp, folderPrefix(taskId) + randomBytes(4).toString('hex'))
}

export function filesIn(folder: string): ActivityFiles {
  return {
    folder,
    log: join(folder, 'heartbeat.log'),
    state: join(folder, 'state.json'),
    stop: join(folder, 'stop'),
    reported: join(folder, 'reported'),
  }
}
