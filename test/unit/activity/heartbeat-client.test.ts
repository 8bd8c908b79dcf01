// What a step says to one who only pretends to be the process that holds its task.
import { randomUUID } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { expect, test } from '@jest/globals'
import { connectHeartbeat } from '../../../src/activity/find-heartbeat.ts'
import { type HeartbeatAddress, heartbeatAddress } from '../../../src/activity/heartbeat-address.ts'
import {
  Channel,
  type HeartbeatMessage,
  type HeartbeatStatus,
  type StepMessage,
} from '../../../src/activity/heartbeat-message.ts'
import { systemClock } from '../../../src/util/clock.ts'

const ENV = { RUNNER_TRACKING_ID: `github_${randomUUID()}`, GITHUB_RUN_ID: '1', GITHUB_JOB: 'work' }

/** Listens at the address of a task, and hands over each connection. */
async function listening(address: HeartbeatAddress, serve: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(address.path, resolve))
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Speeds up the time in which no word comes. */
const hasty = { now: systemClock.now, sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(20, signal) }

test.each<[string, (socket: Socket) => void]>([
  ['says nothing', () => undefined],
  ['says what it heard', (socket) => socket.pipe(socket)],
  ['has no proof', (socket) => socket.write(`${JSON.stringify({ nonce: 'n', mac: 'm'.repeat(64) })}\n`)],
  ['has another key', (socket) => new Channel(socket, Buffer.alloc(32), 'heartbeat', { onMessage: () => undefined })],
  ['talks without end', (socket) => socket.write('x'.repeat(3 * 1024 * 1024))],
  ['hangs up', (socket) => socket.destroy()],
])('one who %s hears a random number, and nothing of the task', async (_name, serve) => {
  const address = heartbeatAddress(randomUUID(), ENV)
  let heard = ''
  await using _server = await listening(address, (socket) => {
    socket.setEncoding('utf8').on('data', (text) => {
      heard += text
    })
    serve(socket)
  })
  expect(await connectHeartbeat(address, hasty)).toBe('silent')
  expect(heard).toMatch(/^(\{"nonce":"[0-9a-f]{32}"\}\n)?$/)
})

test('nobody at the address: absent', async () => {
  expect(await connectHeartbeat(heartbeatAddress(randomUUID(), ENV), systemClock)).toBe('absent')
})

test('a step of another job, task or run has another address and another key', () => {
  const all = [
    heartbeatAddress('task', ENV),
    heartbeatAddress('task', { ...ENV, RUNNER_TRACKING_ID: 'github_other' }),
    heartbeatAddress('task', { ...ENV, GITHUB_RUN_ID: '2' }),
    heartbeatAddress('task', { ...ENV, GITHUB_JOB: 'other' }),
    heartbeatAddress('other', ENV),
  ]
  expect(new Set(all.map(({ path }) => path)).size).toBe(all.length)
  expect(new Set(all.map(({ key }) => key.toString('hex'))).size).toBe(all.length)
  const suffixed = heartbeatAddress('task', { ...ENV, RUNNER_TRACKING_ID: `${ENV.RUNNER_TRACKING_ID}_heartbeat` })
  expect(suffixed).toEqual(all[0])
  expect(heartbeatAddress('task', ENV, 'win32').path).toMatch(/^\\\\\.\\pipe\\aws-datapipeline-[0-9a-f]{16}$/)
  // macOS allows 103 bytes.
  expect(heartbeatAddress('task', ENV, 'darwin').path.length).toBeLessThan(103)
})

test('a message that is repeated, or that comes out of order, ends the connection', async () => {
  const address = heartbeatAddress(randomUUID(), ENV)
  const heard: StepMessage[] = []
  let ended = false
  await using _server = await listening(address, (socket) => {
    socket.once('close', () => {
      ended = true
    })
    new Channel<HeartbeatMessage, StepMessage>(socket, address.key, 'heartbeat', {
      onMessage: (message) => heard.push(message),
    })
  })
  const { connect } = await import('node:net')
  const socket = connect(address.path)
  let line = ''
  const write = socket.write.bind(socket)
  socket.write = ((text: string) => {
    line = text
    return write(text)
  }) as typeof socket.write
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const channel = new Channel<StepMessage, HeartbeatMessage>(socket, address.key, 'step', {
    onProof: () => {
      channel.send({ kind: 'leave' })
      write(line)
    },
    onMessage: () => undefined,
  })
  await closed
  expect(ended).toBe(true)
  expect(heard).toEqual([{ kind: 'leave' }])
})

test('a process that says each moment that it is alive may take as long as it needs', async () => {
  const address = heartbeatAddress(randomUUID(), ENV)
  const timers: NodeJS.Timeout[] = []
  await using _server = await listening(address, (socket) => {
    const channel: Channel<HeartbeatMessage, StepMessage> = new Channel(socket, address.key, 'heartbeat', {
      onMessage(message) {
        const state = { folder: '', activities: 1 } as HeartbeatStatus
        if (message.kind === 'hello') channel.send({ kind: 'state', state })
        if (message.kind !== 'report') return
        let words = 0
        timers.push(
          setInterval(() => {
            if (++words < 40) channel.send({ kind: 'alive' })
            else channel.send({ kind: 'result', result: { outcome: 'superseded' }, state })
          }, 50),
        )
      },
    })
  })
  try {
    // Ten pieces of silence are 5 s, so 40 words take as long as 50 s of it.
    const client = await connectHeartbeat(address, hasty)
    if (client === 'absent' || client === 'silent') throw new Error(client)
    const decision = { by: 'step', status: 'FALSE', versions: [{}] } as const
    const handlers = {
      onLog: () => undefined,
      credentials: async () => undefined,
      onMayHaveLanded: () => undefined,
      signal: new AbortController().signal,
    }
    expect(await client.report(decision, 1_000, handlers)).toEqual({ outcome: 'superseded' })
    client.close()
  } finally {
    timers.forEach(clearInterval)
  }
})
