import { renameSync } from 'node:fs'
import type { TaskStatus } from '../domain/task-status.ts'
import { formatValue } from '../masking/format.ts'
import type { Reporter } from '../report/decision.ts'
import { asRecord } from '../util/json.ts'
import { type OwnFile, readOwnFile, replaceOwnFile } from '../util/own-file.ts'

/** Why no more heartbeats are sent. */
export type EndReason =
  /** Every activity that holds the task is over. */
  | 'activities-over'
  | 'canceled'
  | 'job-over'
  | 'lifetime-over'
  | 'reported'
  | 'runner-gone'
  | 'runner-lost'
  | 'task-gone'

/** What a heartbeat process has done so far. */
export interface HeartbeatState {
  readonly pid: number
  /** When the process started; undefined where the system does not provide it. */
  readonly startedAt?: string | undefined
  readonly beats: number
  readonly failures: number
  /** Milliseconds: the longest time without a heartbeat that arrived, including the time since the last one. */
  readonly longestGapMs: number
  /** Whether the service has canceled the task. */
  readonly canceled: boolean
  /** Why the heartbeats ended. The process may go on, to remember that the task was reported or canceled. */
  readonly ended: EndReason | undefined
  /** The error that ended the heartbeats, or the last failure. */
  readonly message: string | undefined
  /** The report that the service has, and who decided it. */
  readonly reported?: { readonly by: Reporter; readonly status: TaskStatus } | undefined
}

/** Far above any state: the message is truncated. */
const MAX_BYTES = 64 * 1024

/**
 * Writes the state. A reader sees the old one or the new one, and never a part of it.
 *
 * @throws Error when the file can't be written
 */
export function writeState(file: OwnFile, state: HeartbeatState, rename = renameSync): void {
  const message = state.message && formatValue(state.message)
  replaceOwnFile(file, JSON.stringify({ ...state, message }), rename)
}

/**
 * Reads the state.
 *
 * @returns undefined when there is no file
 * @throws Error when the file can't be read, or has no state in it
 */
export function readState(file: OwnFile): HeartbeatState | undefined {
  const text = readOwnFile(file, MAX_BYTES)
  return text === undefined ? undefined : toState(JSON.parse(text))
}

function toState(value: unknown): HeartbeatState {
  const { pid, startedAt, beats, failures, longestGapMs, canceled, ended, message, reported } = asRecord(value)
  if (typeof pid !== 'number') throw new Error('the state of the heartbeats has no process id')
  const { by, status } = asRecord(reported)
  return {
    pid,
    startedAt: typeof startedAt === 'string' ? startedAt : undefined,
    beats: Number(beats) || 0,
    failures: Number(failures) || 0,
    longestGapMs: Number(longestGapMs) || 0,
    canceled: canceled === true,
    ended: typeof ended === 'string' ? (ended as EndReason) : undefined,
    message: typeof message === 'string' ? message : undefined,
    ...(typeof by === 'string' && typeof status === 'string'
      ? { reported: { by: by as Reporter, status: status as TaskStatus } }
      : {}),
  }
}
