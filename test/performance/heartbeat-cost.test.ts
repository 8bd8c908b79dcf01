// The CPU time and memory of a heartbeat process on the machine of the job.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { TEST_CREDENTIALS } from '../fakes/aws/credentials.ts'
import { Job } from '../support/job.ts'
import { cpuSecondsOf, eventually, residentBytesOf } from '../support/processes.ts'
import { SHORT } from './load/size.ts'

const onLinux = process.platform === 'linux' ? test : test.skip

const MEGABYTE = 1_000_000
const BEATS = SHORT ? 2_000 : 10_000
const IDLE_SECONDS = 6

/**
 * Loaded into the heartbeat process. Sleeps of up to a second take some milliseconds, and five times as long by its clock,
 * so that a heartbeat of 5 s is due after each. Everything else takes its real time: with a faster clock alone, the limit
 * of a heartbeat would be over before it starts on a slow machine. Without pauses of some milliseconds, V8 would let the
 * heap grow, and more so on a faster machine.
 */
const FAST = `
  if (process.argv[1].endsWith('heartbeat.js')) {
    const { setTimeout } = globalThis
    const { uptime } = process
    let slept = 0
    process.uptime = () => uptime() + slept / 1000
    globalThis.setTimeout = (callback, ms, ...more) => {
      if (ms > 1_000) return setTimeout(callback, ms, ...more)
      return setTimeout(() => {
        slept += 5 * ms
        callback(...more)
      }, 6)
    }
  }
`

/** A heartbeat process, as activity starts it, and a service that only confirms that the task is held. */
async function startHeartbeat(heartbeatSeconds: string, preload = '') {
  let requests = 0
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      requests += 1
      response.writeHead(200, { 'Content-Type': 'application/x-amz-json-1.1', 'x-amzn-RequestId': `${requests}` })
      response.end('{"canceled":false}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const job = new Job()
  const preloaded = join(job.temp, 'preloaded.cjs')
  writeFileSync(preloaded, preload)
  const step = await job.main('activity', {
    action: 'activity',
    inputs: { 'task-id': 'x'.repeat(921), 'heartbeat-seconds': heartbeatSeconds },
    env: {
      AWS_ACCESS_KEY_ID: TEST_CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: TEST_CREDENTIALS.secretAccessKey,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_DATA_PIPELINE: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      NODE_OPTIONS: `--require=${preloaded}`,
    },
  })
  expect(step.errors).toEqual([])
  const [pid = 0] = job.heartbeats()
  const state = join(dirname(step.outputs['heartbeat-log'] ?? ''), 'state.json')
  return {
    pid,
    // The first one was from the step.
    beats: () => requests - 1,
    state: () => JSON.parse(readFileSync(state, 'utf8')) as { beats: number; failures: number },
    async [Symbol.asyncDispose]() {
      job.end()
      expect(await job.heartbeatsEnd()).toBe(true)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      job[Symbol.dispose]()
    },
  }
}

onLinux(
  'a heartbeat stays small over 10,000 beats, and uses next to nothing of a core',
  async () => {
    await using heartbeat = await startHeartbeat('5', FAST)
    const resident: Array<{ beats: number; megabytes: number }> = []
    for (let next = 500; next <= BEATS; next += 500) {
      expect(await eventually(() => heartbeat.beats() >= next, 60_000)).toBe(true)
      resident.push({ beats: next, megabytes: residentBytesOf(heartbeat.pid) / MEGABYTE })
    }
    const { beats, failures } = heartbeat.state()
    const cpuPerBeat = cpuSecondsOf(heartbeat.pid) / heartbeat.beats()

    await using idle = await startHeartbeat('300')
    await delay(1_000)
    const before = cpuSecondsOf(idle.pid)
    await delay(IDLE_SECONDS * 1_000)
    const cpuIdle = (cpuSecondsOf(idle.pid) - before) / IDLE_SECONDS
    const shareOfCore = cpuIdle + cpuPerBeat / 60

    const half = resident.slice(resident.length / 2)
    const megabytes = (list: typeof resident): number => Math.max(...list.map((each) => each.megabytes))
    const growth = megabytes(half) - megabytes(resident.slice(0, resident.length / 2))
    process.stdout.write(
      `A heartbeat: ${resident.map((each) => each.megabytes.toFixed(0)).join(' ')} MB resident at every 500th of ` +
        `${BEATS} beats, ${(residentBytesOf(idle.pid) / MEGABYTE).toFixed(0)} MB before the first; ` +
        `${(cpuPerBeat * 1000).toFixed(2)} ms of CPU for a beat, ${(cpuIdle * 100).toFixed(2)} % of a core between beats, ` +
        `so ${(shareOfCore * 100).toFixed(2)} % with a beat every 60 s\n`,
    )
    expect(failures).toBe(0)
    expect(beats).toBeGreaterThanOrEqual(BEATS - 1)
    expect(megabytes(resident)).toBeLessThan(80)
    expect(growth).toBeLessThan(5)
    expect(shareOfCore).toBeLessThan(0.01)
  },
  600_000,
)
