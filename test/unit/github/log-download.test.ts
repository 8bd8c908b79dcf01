import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { downloadLogEnd } from '../../../src/github/log-download.ts'

const KEPT_BYTES = 256 * 1024

/** A log of one line a second, from second 0 on, each of `bytes` bytes. */
function logOf(seconds: number, bytes = 100): string {
  const lines = Array.from({ length: seconds }, (_, second) => {
    const line = `${new Date(second * 1000).toISOString()} line ${second} `
    return `${line.padEnd(bytes - 1, '.')}\n`
  })
  return lines.join('')
}

/** Serves a log, with ranges or without, and downloads its end. */
async function download(log: string, until?: number, { ranges = true, status = 200 } = {}) {
  const requested: (string | undefined)[] = []
  let sentBytes = 0
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { range } = request.headers
    requested.push(range)
    if (status !== 200) {
      response.writeHead(status).end()
      return
    }
    const from = ranges ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0
    const content = Buffer.from(log).subarray(from)
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': content.length })
    response.end(content)
    response.once('close', () => {
      sentBytes += response.writableFinished ? content.length : 0
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    const signal = new AbortController().signal
    const end = await downloadLogEnd(`http://127.0.0.1:${port}/log`, until, { env: {}, signal })
    return { end, requested, sentBytes }
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

test('a small log is downloaded as a whole, in one request', async () => {
  const log = logOf(10)
  expect(await download(log)).toMatchObject({ end: log, requested: [undefined] })
})

describe('a large log', () => {
  const log = logOf(20_000)

  test('only its end is fetched, from the beginning of a line on', async () => {
    const { end, requested } = await download(log)
    expect(requested).toEqual([undefined, `bytes=${log.length - KEPT_BYTES}-`])
    expect(log.endsWith(end)).toBe(true)
    expect(end.length).toBeGreaterThan(KEPT_BYTES - 200)
    expect(end.length).toBeLessThanOrEqual(KEPT_BYTES)
    expect(end).toMatch(/^\d{4}-/)
  })

  test('of a server without ranges: the same end', async () => {
    const { end } = await download(log, undefined, { ranges: false })
    expect(log.endsWith(end)).toBe(true)
    expect(end.length).toBeLessThanOrEqual(KEPT_BYTES)
    expect(end).toMatch(/^\d{4}-/)
  })

  test('until a time in its end: that is fetched only', async () => {
    const { end, requested } = await download(log, 19_000_000)
    expect(requested).toHaveLength(2)
    expect(end).toContain('line 19000 ')
  })

  test('until a time before its end: what was logged until then, and not all that came later', async () => {
    const { end, requested } = await download(log, 5_000_000)
    expect(requested).toEqual([undefined, `bytes=${log.length - KEPT_BYTES}-`, undefined])
    expect(end).toContain('line 5000 ')
    expect(end).not.toContain('line 9000 ')
    expect(end).toMatch(/^\d{4}-/)
  })
})

test.each([404, 500])('status %d is an error', async (status) => {
  await expect(download('', undefined, { status })).rejects.toMatchObject({ name: 'LogDownloadError', status })
})
