import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DataPipelineClient, PollForTaskCommand } from '@aws-sdk/client-data-pipeline'
import { expect, test } from '@jest/globals'
import { TEST_CREDENTIALS } from './credentials.ts'

const SERVE = fileURLToPath(new URL('serve.ts', import.meta.url))

/** Starts the command line tool and collects what it prints. */
function serve(...args: string[]) {
  const child: ChildProcess = spawn(process.execPath, [SERVE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const printed = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      printed.text += text
    })
  }
  let isOver = false
  const ended = once(child, 'close').then(([code]) => {
    isOver = true
    return code as number
  })
  const prints = async (what: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = what.exec(printed.text)
      if (match) return match
      if (isOver) throw new Error(`ended after printing ${printed.text}`)
      await Promise.race([once(child.stdout ?? child, 'data'), ended])
    }
  }
  return { child, printed, ended, prints, [Symbol.dispose]: () => void child.kill('SIGKILL') }
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  'it prints how to reach it, then each request, and stops at %s',
  async (signal) => {
    using tool = serve('--tasks', '2', '--worker-group', 'builds')
    const [, url] = await tool.prints(/export AWS_ENDPOINT_URL_DATA_PIPELINE=(\S+)/)
    await tool.prints(/Stop it/)
    expect(tool.printed.text).toContain(`export AWS_ACCESS_KEY_ID=${TEST_CREDENTIALS.accessKeyId}\n`)
    const taskIds = tool.printed.text.match(/^\S{921}$/gm)
    expect(taskIds).toHaveLength(2)

    const client = new DataPipelineClient({ endpoint: url ?? '', region: 'us-east-1', credentials: TEST_CREDENTIALS })
    const { taskObject } = await client.send(new PollForTaskCommand({ workerGroup: 'builds' }))
    expect(taskIds).toContain(taskObject?.taskId)
    await tool.prints(/PollForTask \{"workerGroup":"builds"\} → 200\n/)

    tool.child.kill(signal)
    expect(await tool.ended).toBe(0)
    expect(tool.printed.text).toMatch(/Stopped\.\n$/)
  },
)

test('it writes its variables and each request into files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'serve-'))
  try {
    const [envFile, log] = [join(folder, 'env'), join(folder, 'log')]
    writeFileSync(envFile, 'EARLIER=1\n')
    using tool = serve('--tasks', '0', '--poll-hold', '0', '--write-env', envFile, '--log', log)
    await tool.prints(/Stop it/)
    const env = readFileSync(envFile, 'utf8')
    const endpoint = /^EARLIER=1\nAWS_ENDPOINT_URL_DATA_PIPELINE=(.+)\n(AWS_\w+=.+\n)+$/.exec(env)?.[1]
    if (endpoint === undefined) throw new Error(`not the variables: ${env}`)

    const client = new DataPipelineClient({ endpoint, region: 'us-east-1', credentials: TEST_CREDENTIALS })
    for (const workerGroup of ['one', 'two']) await client.send(new PollForTaskCommand({ workerGroup }))
    await tool.prints(/"two".* → 200\n/)
    expect(readFileSync(log, 'utf8')).toBe(
      ['one', 'two']
        .map((workerGroup) => `{"operation":"PollForTask","body":{"workerGroup":"${workerGroup}"},"response":200}\n`)
        .join(''),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('it reports an invalid option', async () => {
  using tool = serve('--tasks', 'many')
  expect(await tool.ended).toBe(1)
  expect(tool.printed.text).toBe('--tasks must be a whole number from 0 to 10000, not "many"\n')
})

test('it reports a port that is in use', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  using tool = serve('--port', String(port))
  expect(await tool.ended).toBe(1)
  expect(tool.printed.text).toContain(`EADDRINUSE: address already in use 127.0.0.1:${port}`)
  await new Promise((resolve) => other.close(resolve))
})

test('it prints its usage', async () => {
  using tool = serve('--help')
  expect(await tool.ended).toBe(0)
  expect(tool.printed.text).toMatch(/^Usage: npm run local-aws -- \[options\]\n/)
})
