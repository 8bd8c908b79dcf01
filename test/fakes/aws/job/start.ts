import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const WITHIN_MS = 30_000
const serve = fileURLToPath(new URL('../serve.ts', import.meta.url))

const folder = mkdtempSync(join(variable('RUNNER_TEMP'), 'local-aws-'))
const [output, log, env] = ['output', 'log', 'env'].map((name) => join(folder, name)) as [string, string, string]
const file = openSync(output, 'a')
const args = ['--tasks', variable('INPUT_TASKS'), '--poll-hold', '1000', '--write-env', env, '--log', log]
const service = spawn(process.execPath, [serve, ...args], {
  detached: true,
  // The runner would wait for a process that keeps the step's own output open.
  stdio: ['ignore', file, file],
  windowsHide: true,
})
service.unref()
appendFileSync(variable('GITHUB_STATE'), `pid=${service.pid}\nlog=${log}\n`)

const deadline = Date.now() + WITHIN_MS
while (!readFileSync(output, 'utf8').includes('Stop it with')) {
  if (Date.now() > deadline || service.exitCode !== null) throw new Error(`It did not start:\n${readFileSync(output)}`)
  await sleep(50)
}
appendFileSync(variable('GITHUB_ENV'), readFileSync(env))
console.log(readFileSync(output, 'utf8'))

function variable(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}
