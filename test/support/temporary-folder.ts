import { rmSync } from 'node:fs'

/**
 * Removes a folder with all that is in it. Windows keeps the one that a process works in, as a heartbeat process does until
 * the job ends; what is left there is for the system to clean up.
 */
export function removeFolder(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  } catch (error) {
    if (process.platform !== 'win32') throw error
  }
}
