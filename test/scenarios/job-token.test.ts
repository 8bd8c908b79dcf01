// Where the runner can't be watched, as in a container, the job's own token tells whether the job still runs.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { LocalDataPipeline } from '../fakes/aws/data-pipeline.ts'
import { Job, leftOverProcesses } from '../support/job.ts'
import { eventually } from '../support/processes.ts'
import { Worker } from '../support/worker.ts'
import { type Holding, heartbeatOf, reportsOf, startActivity } from './holding.ts'

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

const onLinux = (process.platform === 'linux' ? test.concurrent : test.skip) as typeof test.concurrent

const TOKEN = 'ghs_theTokenOfTheJob0000000000000000'

/** GitHub, as far as it says whether a token is good. */
async function startGitHub() {
  const github = { status: 200, own: true, tokens: [] as (string | undefined)[], env: {}, [Symbol.asyncDispose]: close }
  const server = createServer((request, response) => {
    github.tokens.push(request.headers.authorization)
    response.writeHead(github.status, {
      'content-type': 'application/json; charset=utf-8',
      ...(github.own && { 'x-github-request-id': 'A1' }),
    })
    response.end('{"message":"Bad credentials"}')
  })
  async function close(): Promise<void> {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  github.env = { GITHUB_API_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  return github
}

/** Holds a task in a job whose heartbeat process asks GitHub every 50 ms, where it asks at all. */
async function holdAsking(
  service: LocalDataPipeline,
  job: Job,
  env: Readonly<Record<string, string>>,
): Promise<Holding> {
  const file = join(job.temp, 'often.cjs')
  writeFileSync(
    file,
    `if (process.argv[1].endsWith('heartbeat.js')) {
      const { setTimeout } = globalThis
      globalThis.setTimeout = (callback, ms, ...more) => setTimeout(callback, ms > 100_000 ? 50 : ms, ...more)
    }`,
  )
  return startActivity(
    service,
    {},
    { job, contexts: { github: { token: TOKEN } }, env: { ...env, NODE_OPTIONS: `--require=${file}` } },
  )
}

const AFTER = { env: { NODE_OPTIONS: undefined } }

onLinux('it is good, then refused again and again: the beats end, and nothing is reported', async () => {
  await using service = await LocalDataPipeline.start()
  await using github = await startGitHub()
  using job = new Job({ RUNNER_TRACKING_ID: undefined })
  using held = await holdAsking(service, job, github.env)
  expect(await eventually(() => github.tokens.length >= 3)).toBe(true)
  expect(job.heartbeats()).toHaveLength(1)
  github.status = 401
  expect(await job.heartbeatsEnd()).toBe(true)
  expect(reportsOf(service, held.taskId)).toEqual([])
  expect(new Set(github.tokens)).toEqual(new Set([`Bearer ${TOKEN}`]))
  expect(readFileSync(held.main.outputs['heartbeat-log'] ?? '', 'utf8')).toContain('job-over')
  expect(Object.values(job.files()).join()).not.toContain(TOKEN)
  // A runner that lives all the same may still run the post step.
  const post = await held.post(AFTER)
  expect(post.warnings.join()).toMatch(/heartbeat process ended early/)
  expect(service.task(held.taskId).state).toBe('finished')
})

onLinux('it is refused by what is not GitHub, or can not be looked at, in an outage: the task is held on', async () => {
  await using service = await LocalDataPipeline.start()
  await using github = await startGitHub()
  using job = new Job({ RUNNER_TRACKING_ID: undefined })
  using held = await holdAsking(service, job, github.env)
  expect(await eventually(() => github.tokens.length >= 2)).toBe(true)
  for (const change of [
    { status: 401, own: false },
    { status: 503, own: true },
  ]) {
    Object.assign(github, change)
    const before = github.tokens.length
    expect(await eventually(() => github.tokens.length >= before + 10)).toBe(true)
  }
  await held.beats(1)
  expect(await held.post(AFTER)).toMatchObject({ exitCode: 0, errors: [], warnings: [] })
  expect(await job.heartbeatsEnd()).toBe(true)
})

onLinux('nobody is asked where the runner is watched', async () => {
  await using service = await LocalDataPipeline.start()
  await using github = await startGitHub()
  await using worker = await Worker.start()
  using job = new Job({}, { worker })
  using held = await holdAsking(service, job, github.env)
  await held.beats(1)
  expect(heartbeatOf(job)).toBeGreaterThan(0)
  expect(github.tokens).toEqual([])
  await held.post(AFTER)
})
