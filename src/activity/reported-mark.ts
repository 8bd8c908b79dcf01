import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createMarkFile } from '../regular-file.ts'
import { filesIn, folderPrefix } from './paths.ts'

/**
 * Tells the activities of this job that hold a task that its end has been reported: their heartbeats end, and their
 * post steps report nothing more.
 *
 * @throws AggregateError when a folder could not be marked; the others are
 */
export function markReported(runnerTemp: string, taskId: string): void {
  const prefix = folderPrefix(taskId)
  const problems: unknown[] = []
  for (const name of readdirSync(runnerTemp)) {
    if (!name.startsWith(prefix)) continue
    const files = filesIn(join(runnerTemp, name))
    try {
      createMarkFile(files.reported)
      createMarkFile(files.stop)
    } catch (error) {
      problems.push(error)
    }
  }
  if (problems.length > 0) throw new AggregateError(problems)
}
