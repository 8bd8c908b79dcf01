import { renameSync } from 'node:fs'
import type { TaskStatus } from '../domain/task-status.ts'
import { formatValue } from '../masking/format.ts'
import type { Reporter } from '../report/decision.ts'
import { asRecord } from '../util/json.ts'
import { type OwnFile, readOwnFile, replaceOwnFile } from '../util/own-file.ts'

/** Why no more beats are sent. */
export type EndReason =
  | 'asked'
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
  /** When the process started, where the system tells. */
  readonly startedAt?: string | undefined
  readonly beats: number
  readonly failures: number
  /** Milliseconds; the longest time without a beat that arrived, the one since the last included. */
  readonly longestGapMs: number
  /** Whether the service has cancelled the task. */
  readonly canceled: boolean
  /** Why the beats ended. The process may go on: to remember that the task was reported or cancelled. */
  readonly ended: EndReason | undefined
  /** The error that ended the beats, or the last failure. */
  readonly message: string | undefined
  /** The report that the service has, and who decided it. */
  readonly reported?: { readonly by: Reporter; readonly status: TaskStatus } | undefined
}

/** Far above any state; the message is cut. */
const MAX_BYTES = 64 * 1024

/**
 * Writes the state such that a reader sees the old one or the new one, and never a part.
 *
 * @throws Error when the file can't be written
 */
export function writeState(file: OwnFile, state: HeartbeatState, rename = renameSync): void {
  const message = state.message && formatValue(state.message)
  replaceOwnFile(file, JSON.stringify({ ...state, message }), rename)
}

/**
 * The state; undefined when there is none.
 *
 * @throws Error when there is one that can't be read, or is not a state: that does not mean that it was deleted
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
