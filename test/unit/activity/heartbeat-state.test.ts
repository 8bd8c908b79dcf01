import { mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { filesIn } from '../../../src/activity/files.ts'
import { type HeartbeatState, readState, writeState } from '../../../src/activity/heartbeat-state.ts'
import type { OwnFile } from '../../../src/util/own-file.ts'

const STATE: HeartbeatState = {
  pid: 7,
  beats: 3,
  failures: 1,
  longestGapMs: 60_000,
  canceled: false,
  ended: undefined,
  message: 'one failed',
}

/** A rename that fails so often, as on Windows while another program has the file open. */
function refusing(code: string, times: number): { rename: typeof renameSync; calls: () => number } {
  let calls = 0
  return {
    rename: (from, to) => {
      calls += 1
      if (calls <= times) throw Object.assign(new Error(`${code}: refused`), { code })
      renameSync(from, to)
    },
    calls: () => calls,
  }
}

function inFolder(work: (file: OwnFile, folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'state with space-'))
  try {
    work(filesIn(folder).state, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('what is written can be read, and nothing else is left', () => {
  inFolder((file, folder) => {
    writeState(file, STATE)
    writeState(file, { ...STATE, ended: 'activities-over' })
    expect(readState(file)).toMatchObject({ pid: 7, beats: 3, ended: 'activities-over' })
    expect(readdirSync(folder)).toEqual(['state.json'])
  })
})

test.each(['EPERM', 'EACCES', 'EBUSY'])('a file in use (%s) is tried again', (code) => {
  inFolder((file) => {
    const { rename } = refusing(code, 3)
    writeState(file, STATE, rename)
    expect(readState(file)).toMatchObject({ beats: 3 })
  })
})

test('a file that stays in use is given up, with what was said', () => {
  inFolder((file) => {
    const { rename } = refusing('EPERM', Number.POSITIVE_INFINITY)
    expect(() => writeState(file, STATE, rename)).toThrow('EPERM')
  })
})

test('another error is no reason to wait', () => {
  inFolder((file) => {
    const { rename, calls } = refusing('ENOSPC', Number.POSITIVE_INFINITY)
    expect(() => writeState(file, STATE, rename)).toThrow('ENOSPC')
    expect(calls()).toBe(1)
  })
})
