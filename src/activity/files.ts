import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeOwnFolder, type OwnFile } from '../util/own-file.ts'

/** The files that a heartbeat process writes. Their names have no task id and no secret. */
export interface ActivityFiles {
  /** For people. */
  readonly log: OwnFile
  /** For the post step. */
  readonly state: OwnFile
}

/** The runner's temporary folder, or else that of the system, which all users share. */
export function temporaryFolder(env: Readonly<Record<string, string | undefined>>): string {
  return env['RUNNER_TEMP'] || tmpdir()
}

const PREFIX = 'aws-datapipeline-activity-'

/** Makes a folder for a task in the temporary folder. Its name does not reveal the task id. */
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
