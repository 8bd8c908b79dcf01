import { readFileSync, renameSync, writeFileSync } from 'node:fs'

/** Why a heartbeat process ended. */
export type EndReason = 'asked' | 'canceled' | 'task-gone' | 'runner-gone' | 'lifetime-over' | 'terminated'

/** What a heartbeat process has done so far. */
export interface HeartbeatState {
  readonly pid: number
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

/** Writes the state such that a reader sees the old one or the new one, and never a part. */
export function writeState(file: string, state: HeartbeatState): void {
  writeFileSync(`${file}.new`, JSON.stringify(state))
  renameSync(`${file}.new`, file)
}

/** The state; undefined while there is none. */
export function readState(file: string): HeartbeatState | undefined {
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as HeartbeatState
    return typeof state.pid === 'number' ? state : undefined
  } catch {
    return undefined
  }
}
