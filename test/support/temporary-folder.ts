import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs something with a folder of its own, and removes that. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'test-'))
  try {
    return await work(folder)
  } finally {
    removeFolder(folder)
  }
}

/**
 * Removes a folder with its content. Windows keeps the folder that a process works in, as a heartbeat process does until
 * the job ends. The system has to clean up what remains.
 */
export function removeFolder(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  } catch (error) {
    if (process.platform !== 'win32') throw error
  }
}
