import { renameSync, writeFileSync } from 'node:fs'
import { readRegularFile } from '../regular-file.ts'

/** Why a heartbeat process ended. */
export type EndReason = 'asked' | 'canceled' | 'task-gone' | 'runner-gone' | 'lifetime-over' | 'terminated'

/** What a heartbeat process has done so far. */
export interface HeartbeatState {
  readonly pid: number
  /** When the process started, where the system tells. */
  readonly startedAt?: string | undefined
  readonly beats: number
  readonly failures: number
  /** Milliseconds; the longest time without a beat that arrived, the one since the last included. */
  readonly longestGapMs: number
  /** Whether the service has cancelled the task. */
  readonly canceled: boolean
  readonly ended: EndReason | undefined
  /** The error that ended it, or the last failure. */
  readonly message: string | undefined
}

/** How often a file that is in use is tried again, and milliseconds between two tries: half a second in all. */
const TRIES = 25
const BETWEEN_TRIES_MS = 20

/**
 * Writes the state such that a reader sees the old one or the new one, and never a part. Windows refuses that for as
 * long as a reader, or a virus scanner, has one of the files open; so it is tried again for half a second.
 *
 * @throws Error when the file can't be written
 */
export function writeState(file: string, state: HeartbeatState, rename = renameSync): void {
  for (let tries = 1; ; tries++) {
    try {
      writeFileSync(`${file}.new`, JSON.stringify(state))
      rename(`${file}.new`, file)
      return
    } catch (error) {
      if (!isInUse(error) || tries >= TRIES) throw error
      // Nothing else is to be done in between: what comes next may be the end of the process.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BETWEEN_TRIES_MS)
    }
  }
}

function isInUse(error: unknown): boolean {
  return ['EPERM', 'EACCES', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** The state; undefined while there is none. */
export function readState(file: string): HeartbeatState | undefined {
  try {
    const state = JSON.parse(readRegularFile(file)) as HeartbeatState
    return typeof state.pid === 'number' ? state : undefined
  } catch {
    return undefined
  }
}
