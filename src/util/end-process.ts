import { accessSync, constants } from 'node:fs'

/** A slower reader has most likely stopped reading. */
const MAX_FLUSH_MS = 10_000

const SHELL = '/bin/sh'

/** Node's requests in the thread pool of libuv that can hang: files and name lookups. */
const POOL_REQUEST = /^(FSReq|FileHandleCloseReq|GetAddrInfoReq|GetNameInfoReq)/i

/**
 * Ends this process with its exit code, whatever still runs. All output is written first.
 *
 * `process.exit` waits for threads of libuv, so a read that hangs, such as from a network drive, keeps the process alive. In that case a
 * shell replaces the process and exits with its code. Windows has no `process.execve`: the step ends there when the read does.
 */
export async function endProcess(): Promise<void> {
  await Promise.race([Promise.all([flush(process.stdout), flush(process.stderr)]), expire(MAX_FLUSH_MS)])
  const exitCode = Number(process.exitCode ?? 0)
  if (hasPoolRequests() && canReplaceProcess()) {
    // Without the environment: no secrets, and nothing that the shell runs first.
    process.execve?.(SHELL, ['sh', '-c', `exit ${exitCode}`], {})
  }
  process.exit(exitCode)
}

function hasPoolRequests(): boolean {
  return process.getActiveResourcesInfo().some((name) => POOL_REQUEST.test(name))
}

function canReplaceProcess(): boolean {
  // POSIX, in Node 22.15, 23.11 and newer.
  if (process.execve === undefined) return false
  try {
    // Node aborts when the program does not exist.
    accessSync(SHELL, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  // The callback is also called when the reader has ended.
  return new Promise((resolve) => (stream.writableLength === 0 ? resolve() : stream.write('', () => resolve())))
}

function expire(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
