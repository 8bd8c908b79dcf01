import { existsSync, readFileSync } from 'node:fs'
import { eventually, exists } from '../../../support/processes.ts'

const ENDS_WITHIN_MS = 10_000

interface Request {
  readonly operation: string
  readonly body: { readonly taskId?: string; readonly taskStatus?: string; readonly errorId?: string }
  readonly response?: number
}

const log = process.env['STATE_log'] ?? ''
// Without a number it would be 0, which is this process and its group.
const pid = Number(process.env['STATE_pid'] || Number.NaN)
try {
  process.kill(pid)
  // It logs a request when its response is sent: the last report may not be in the log yet.
  await eventually(() => !exists(pid), ENDS_WITHIN_MS)
} catch {
  console.log('::error::The local Data Pipeline was gone before the job ended.')
  process.exitCode = 1
}

const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
const requests = lines.map((line) => JSON.parse(line) as Request)
for (const { operation, body, response } of requests) {
  console.log(
    `${operation} ${JSON.stringify({ ...body, taskId: body.taskId?.slice(-12) })} → ${response ?? 'no response'}`,
  )
}

const reports = requests.filter(({ operation, response }) => operation === 'SetTaskStatus' && response === 200)
const arrived = reports.map(({ body }) => [body.taskStatus, body.errorId].filter(Boolean).join(' '))
const expected = (process.env['INPUT_EXPECTED'] ?? '').trim().split(/\s*\n\s*/)
if (arrived.join('\n') !== expected.join('\n')) {
  console.log(`::error::Expected the reports "${expected.join(', ')}", and got "${arrived.join(', ')}".`)
  process.exitCode = 1
}
const taskIds = new Set(reports.map(({ body }) => body.taskId))
if (taskIds.size !== reports.length) {
  console.log('::error::A task was reported twice.')
  process.exitCode = 1
}
