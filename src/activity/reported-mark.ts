import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesIn, folderPrefix } from './paths.ts'

/**
 * Tells the activities of this job that hold a task that its end has been reported: their heartbeats end, and their
 * post steps report nothing more.
 */
export function markReported(runnerTemp: string, taskId: string): void {
  const prefix = folderPrefix(taskId)
  for (const name of readdirSync(runnerTemp)) {
    if (!name.startsWith(prefix)) continue
    const files = filesIn(join(runnerTemp, name))
    writeFileSync(files.reported, '')
    writeFileSync(files.stop, '')
  }
}
