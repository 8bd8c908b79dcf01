import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import type { Arbiter } from '../../../src/activity/arbiter.ts'
import type { HeartbeatStatus } from '../../../src/activity/heartbeat-message.ts'
import { HeartbeatServer } from '../../../src/activity/heartbeat-server.ts'

const onPosix = process.platform === 'win32' ? test.skip : test

onPosix("a socket that is a file is this user's alone from its first moment", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'socket-'))
  const path = join(folder, 'x.sock')
  writeFileSync(path, 'left over')
  const before = process.umask(0o022)
  const server = new HeartbeatServer({ path, key: Buffer.alloc(32), id: '0' }, true, {
    arbiter: {} as Arbiter,
    state: () => ({}) as HeartbeatStatus,
    onChange: () => undefined,
    redact: (text) => text,
  })
  try {
    const listening = server.listen()
    expect(statSync(path).mode & 0o077).toBe(0)
    expect(process.umask()).toBe(0o022)
    await listening
    expect(statSync(path).isSocket()).toBe(true)
  } finally {
    process.umask(before)
    await server.close()
    rmSync(folder, { recursive: true })
  }
})
