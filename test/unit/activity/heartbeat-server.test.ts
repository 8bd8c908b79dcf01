import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import type { Arbiter } from '../../../src/activity/arbiter.ts'
import { type HeartbeatAddress, heartbeatAddress } from '../../../src/activity/heartbeat-address.ts'
import {
  Channel,
  type HeartbeatMessage,
  type HeartbeatStatus,
  type ReportResult,
  type StepMessage,
} from '../../../src/activity/heartbeat-message.ts'
import { HeartbeatServer } from '../../../src/activity/heartbeat-server.ts'
import type { Decision } from '../../../src/report/decision.ts'

const onPosix = process.platform === 'win32' ? test.skip : test

function serverAt(address: HeartbeatAddress, decide: Arbiter['decide'] = async () => ({ outcome: 'superseded' })) {
  return new HeartbeatServer(address, false, {
    arbiter: { decide } as Arbiter,
    state: () => ({}) as HeartbeatStatus,
    onChange: () => undefined,
    redact: (text) => text,
  })
}

/** Connects as a step does, and gives what it hears, one message after the other. */
function connectTo({ path, key }: HeartbeatAddress) {
  const socket = connect(path)
  const heard: HeartbeatMessage[] = []
  let wake = (): void => undefined
  let prove = (): void => undefined
  const proved = new Promise<void>((resolve) => {
    prove = resolve
  })
  const channel = new Channel<StepMessage, HeartbeatMessage>(socket, key, 'step', {
    onProof: prove,
    onMessage(message) {
      heard.push(message)
      wake()
    },
  })
  return {
    async send(message: StepMessage): Promise<void> {
      await proved
      channel.send(message)
    },
    async hear(): Promise<HeartbeatMessage> {
      while (heard.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return heard.shift() as HeartbeatMessage
    },
    close: () => socket.destroy(),
  }
}

const BY_POST: Decision = { by: 'post', status: 'FINISHED', versions: [{}] }
const BY_ROOT: Decision = { ...BY_POST, by: 'step' }
const SUPERSEDED = { outcome: 'superseded' } as const

test('activities that join and leave: the process is done when all of them are over, and nothing is being reported', async () => {
  const address = heartbeatAddress(randomUUID(), {})
  let finish = (_result: ReportResult): void => undefined
  const server = serverAt(address, () => new Promise((resolve) => (finish = resolve)))
  await server.listen()
  const [first, second, root] = [connectTo(address), connectTo(address), connectTo(address)]
  try {
    expect([server.isDone, server.wantsReport]).toEqual([false, false])
    await second.send({ kind: 'join', report: true })
    expect(await second.hear()).toMatchObject({ kind: 'state', state: { activities: 2, isBusy: false } })
    expect(server.wantsReport).toBe(true)
    for (let count = 0; count < 2; count++) {
      // It is counted once.
      await first.send({ kind: 'leave' })
      expect(await first.hear()).toMatchObject({ state: { activities: 1 } })
    }
    expect(server.isDone).toBe(false)
    // The root action is no activity. While its report is made, the step hears each second that the process is alive.
    await root.send({ kind: 'report', decision: BY_ROOT, budgetMs: 1 })
    expect(await root.hear()).toEqual({ kind: 'alive' })
    finish(SUPERSEDED)
    expect(await root.hear()).toMatchObject({ kind: 'result', result: SUPERSEDED, state: { activities: 1 } })
    await second.send({ kind: 'report', decision: BY_POST, budgetMs: 1 })
    expect(await second.hear()).toEqual({ kind: 'alive' })
    expect(server.isDone).toBe(false)
    finish(SUPERSEDED)
    expect(await second.hear()).toMatchObject({ kind: 'result', state: { activities: 0, isBusy: false } })
    expect(server.isDone).toBe(true)
  } finally {
    for (const connection of [first, second, root]) connection.close()
    await server.close()
  }
})

onPosix("a socket that is a file is this user's alone from its first moment", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'socket-'))
  const path = join(folder, 'x.sock')
  writeFileSync(path, 'left over')
  const before = process.umask(0o022)
  const server = serverAt({ path, key: Buffer.alloc(32), id: '0' })
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
