import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { test } from '@jest/globals'
import { REPOSITORY } from './action-file.ts'
import { removeFolder } from './temporary-folder.ts'

/** Where `.ci/run` installs requirements.txt. */
const PROGRAMS = join(REPOSITORY, '.tools', 'python', 'bin')
const SERVER = join(PROGRAMS, 'moto_server')
const HOW_TO_GET_IT =
  'Install it with "python3 -m venv .tools/python && .tools/python/bin/pip install -r test/support/requirements.txt".'

/** Importing Python's packages takes some seconds on a slow machine. */
const START_LIMIT_MS = 45_000

const isLinux = process.platform === 'linux'
const isInstalled = existsSync(SERVER)
// CI must not pass without them: there a missing server fails each test.
const areSkipped = !isLinux || !(isInstalled || process.env['CI'])
if (isLinux && areSkipped) {
  console.warn(`The tests with S3 are skipped, as there is no .tools/python. ${HOW_TO_GET_IT}`)
}

/** A test that needs LocalS3 and the AWS CLI. */
export const testWithS3 = (areSkipped ? test.skip : test.concurrent) as typeof test.concurrent

/** The key with which this file calls S3. moto takes any, and checks no signature, but refuses requests without one. */
const OWN_KEY = 'test-support'
const SIGNATURE = `AWS4-HMAC-SHA256 Credential=${OWN_KEY}/20260112/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0`

type Objects = Readonly<Record<string, string | Uint8Array>>

/**
 * An S3 on 127.0.0.1 that was written by others: moto's server (https://docs.getmoto.org). The AWS CLI is beside it. It ends with
 * this process, however that ends.
 */
export class LocalS3 {
  readonly url: string
  readonly #process: ChildProcess & { readonly stdin: Writable }
  readonly #folder: string

  private constructor(process: ChildProcess & { readonly stdin: Writable }, url: string, folder: string) {
    this.#process = process
    this.url = url
    this.#folder = folder
  }

  /** @throws Error when it is not installed, or does not start */
  static async start(): Promise<LocalS3> {
    if (!isInstalled) throw new Error(`The tests of staging need moto's server, which is not there. ${HOW_TO_GET_IT}`)
    const folder = mkdtempSync(join(tmpdir(), 's3-'))
    // The shell waits for the end of its input, which is the end of this process if nothing ends it before. In a group of its
    // own, Ctrl+C can't end the shell alone.
    const child = spawn('sh', ['-c', '"$@" & cat; kill -KILL $!', 'sh', SERVER, '-H', '127.0.0.1', '-p', '0'], {
      // It records requests in its folder.
      cwd: folder,
      detached: true,
      env: { PATH: process.env['PATH'], HOME: folder },
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    try {
      const s3 = new LocalS3(child, await addressIn(child.stderr), folder)
      await call(`${s3.url}/moto-api/recorder/start-recording`, { method: 'POST' })
      // The AWS CLI takes a second to tell its version, which a step asks for only to know that it is there.
      const program = `#!/bin/sh\n[ "$1" = --version ] || exec '${join(PROGRAMS, 'aws')}' "$@"\n`
      writeFileSync(join(folder, 'aws'), program, { mode: 0o755 })
      return s3
    } catch (error) {
      child.stdin.end()
      removeFolder(folder)
      throw error
    }
  }

  /** The environment in which the AWS CLI is found, and finds this S3. The credentials are up to the caller. */
  env(): Record<string, string> {
    return { PATH: `${this.#folder}${delimiter}${process.env['PATH']}`, AWS_ENDPOINT_URL_S3: this.url }
  }

  /** Makes a bucket with a new name, and objects in it by key. */
  async createBucket(objects: Objects = {}): Promise<Bucket> {
    const bucket = new Bucket(this.url, `bucket-${randomUUID()}`)
    await call(bucket.url, { method: 'PUT' })
    for (const [key, content] of Object.entries(objects)) await bucket.put(key, content)
    return bucket
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'close')
    this.#process.stdin.end()
    await ended
    removeFolder(this.#folder)
  }
}

/** A bucket of a LocalS3. */
export class Bucket {
  readonly name: string
  readonly url: string
  readonly #server: string

  constructor(server: string, name: string) {
    this.#server = server
    this.name = name
    this.url = `${server}/${name}`
  }

  /** `s3://bucket/path` */
  uri(path: string): string {
    return `s3://${this.name}/${path}`
  }

  async put(key: string, content: string | Uint8Array): Promise<void> {
    const headers = { 'content-type': 'application/octet-stream' }
    await call(this.#urlOf(key), { method: 'PUT', headers, body: Buffer.from(content) })
  }

  async get(key: string): Promise<Buffer> {
    return Buffer.from(await (await call(this.#urlOf(key))).arrayBuffer())
  }

  /** The keys of all objects, in alphabetic order. */
  async keys(): Promise<string[]> {
    const list = await (await call(`${this.url}?list-type=2&encoding-type=url`)).text()
    return [...list.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => decodeURIComponent(key)).sort()
  }

  /** The texts of all objects by key. */
  async texts(): Promise<Record<string, string>> {
    const texts: Record<string, string> = {}
    for (const key of await this.keys()) texts[key] = (await this.get(key)).toString()
    return texts
  }

  /** The access keys that signed requests for this bucket, without those of the test. */
  async signers(): Promise<string[]> {
    const recording = await (await call(`${this.#server}/moto-api/recorder/download-recording`)).text()
    const requests = recording
      .split('\n')
      .filter((line) => line.includes(this.name))
      .map((line) => JSON.parse(line) as { readonly headers: Readonly<Record<string, string>> })
    const keys = requests.map(({ headers }) => /Credential=([^/]*)/.exec(headers['Authorization'] ?? '')?.[1] ?? '')
    return [...new Set(keys)].filter((key) => key !== OWN_KEY)
  }

  #urlOf(key: string): string {
    return `${this.url}/${key.split('/').map(encodeURIComponent).join('/')}`
  }
}

/** @throws Error when the server refuses it */
async function call(url: string, request: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, { ...request, headers: { ...request.headers, authorization: SIGNATURE } })
  if (!response.ok) throw new Error(`${request.method ?? 'GET'} ${url}: ${response.status} ${await response.text()}`)
  return response
}

/** The address that the server writes when it listens. What it writes later is read, so that it does not wait. */
function addressIn(stderr: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const fail = (why: string): void => reject(new Error(`moto's server ${why}; its output:\n${text}`))
    const limit = setTimeout(() => fail(`is not ready after ${START_LIMIT_MS} ms`), START_LIMIT_MS)
    const look = (chunk: string): void => {
      text += chunk
      const url = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(text)?.[1]
      if (url === undefined) return
      clearTimeout(limit)
      stderr.off('data', look).resume()
      resolve(url)
    }
    stderr.setEncoding('utf8').on('data', look)
  })
}
