import type { IncomingMessage } from 'node:http'
import { requestFollowing } from '../http/request.ts'
import { LogDownloadError } from './api-error.ts'

/** The end of a log that is kept: enough for any excerpt. */
const LOG_END_BYTES = 256 * 1024

export interface DownloadSettings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/**
 * Downloads the end of a log, at most 256 KiB, or of the part that was logged until a time. Of a large log only the end is fetched,
 * if the server supports it. The whole log is never in memory.
 *
 * @param until milliseconds since 1970
 */
export async function downloadLogEnd(
  address: string,
  until: number | undefined,
  settings: DownloadSettings,
): Promise<string> {
  const whole = await request(address, {}, settings)
  const size = Number(whole.headers['content-length'] ?? Number.NaN)
  if (!(size > LOG_END_BYTES)) return collect(whole, until)
  whole.destroy()
  // "bytes=-N" would be shorter, but Azure's blob storage, where GitHub keeps its logs, does not know it.
  const end = await collect(await request(address, { range: `bytes=${size - LOG_END_BYTES}-` }, settings), undefined)
  const first = firstTime(end)
  if (until === undefined || first === undefined || first <= until) return end
  // The wanted part is before that end: read from the beginning to the time.
  return collect(await request(address, {}, settings), until)
}

async function request(
  address: string,
  headers: Record<string, string>,
  { env, signal }: DownloadSettings,
): Promise<IncomingMessage> {
  const { response } = await requestFollowing(new URL(address), {
    env,
    headers: { 'accept-encoding': 'identity', ...headers },
    signal,
  })
  if (response.statusCode === 200 || response.statusCode === 206) return response
  response.resume()
  throw new LogDownloadError(response.statusCode ?? 0)
}

/** Keeps the last bytes that were logged until the time. Does not read on after it. */
async function collect(response: IncomingMessage, until: number | undefined): Promise<string> {
  let isPart = response.statusCode === 206
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (until !== undefined && (firstTime(chunk.toString('latin1')) ?? 0) > until) break
    chunks.push(chunk)
    size += chunk.length
    while (size - (chunks[0]?.length ?? 0) >= LOG_END_BYTES) {
      size -= chunks.shift()?.length ?? 0
      isPart = true
    }
  }
  const all = Buffer.concat(chunks)
  const end = all.subarray(Math.max(0, all.length - LOG_END_BYTES))
  // Without the rest of a truncated line, which may be a part of a secret or of a time stamp.
  return (end.length < all.length || isPart ? end.subarray(end.indexOf(0x0a) + 1) : end).toString('utf8')
}

/** The time of the first line in a piece of a log, which may start within a line. */
function firstTime(piece: string): number | undefined {
  const stamp = /(?:^|\n)(?:\ufeff|\u00ef\u00bb\u00bf)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z) /.exec(piece)
  return stamp ? Date.parse(stamp[1] ?? '') : undefined
}
