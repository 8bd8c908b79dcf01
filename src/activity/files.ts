import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder, type OwnFile } from '../util/own-file.ts'

/** The files in which a heartbeat process says what it did. No task id and no secret is in their names. */
export interface ActivityFiles {
  /** What the heartbeat process did; read by people. */
  readonly log: OwnFile
  /** What the heartbeat process did; read by the post step. */
  readonly state: OwnFile
}

/** The runner's temporary folder, or else that of the system, which all users share. */
export function temporaryFolder(env: Readonly<Record<string, string | undefined>>): string {
  return env['RUNNER_TEMP'] || tmpdir()
}

const PREFIX = 'aws-datapipeline-activity-'

/** Makes a folder for a task, in the temporary folder; its name does not show the task id. */
export function makeActivityFolder(temp: string, taskId: string): string {
  const task = createHash('sha256').update(taskId).digest('hex').slice(0, 16)
  return makeOwnFolder(temp, `${PREFIX}${task}-`)
}

/** The files in a folder of `makeActivityFolder`. */
export function filesIn(folder: string): ActivityFiles {
  return {
    log: { path: join(folder, 'heartbeat.log'), isInOwnFolder: true },
    state: { path: join(folder, 'state.json'), isInOwnFolder: true },
  }
}
