import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'

/** The files in which a heartbeat process says what it did. No task id and no secret is in their names. */
export interface ActivityFiles {
  readonly folder: string
  /** What the heartbeat process did; read by people. */
  readonly log: string
  /** What the heartbeat process did; read by the post step. */
  readonly state: string
}

const PREFIX = 'aws-datapipeline-activity-'

/** A new name of a folder for a task, in the temporary folder of the runner; it does not show the task id. */
export function newActivityFolder(runnerTemp: string, taskId: string): string {
  const task = createHash('sha256').update(taskId).digest('hex').slice(0, 16)
  return join(runnerTemp, `${PREFIX}${task}-${randomBytes(4).toString('hex')}`)
}

export function filesIn(folder: string): ActivityFiles {
  return {
    folder,
    log: join(folder, 'heartbeat.log'),
    state: join(folder, 'state.json'),
  }
}
