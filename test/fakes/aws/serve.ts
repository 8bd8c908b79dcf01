import { appendFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { TEST_CREDENTIALS } from './credentials.ts'
import { LocalDataPipeline, type ReceivedRequest } from './data-pipeline.ts'
import { PUBLISHED_RATES } from './rates.ts'

const USAGE = `Usage: npm run local-aws -- [options]

Starts a local AWS Data Pipeline on 127.0.0.1 and prints each request that it receives.

  --port <n>          port to listen on (default: any free one)
  --tasks <n>         tasks to put into the queue (default: 1)
  --worker-group <g>  worker group of these tasks (default: ci)
  --poll-hold <ms>    how long an empty poll is held (default: 90000, as documented)
  --write-env <f>     file to add the variables to, a line each, as GITHUB_ENV takes them
  --log <f>           file to add each request to, a line of JSON each
  --help              this text
`

function parseOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string', default: '0' },
      tasks: { type: 'string', default: '1' },
      'worker-group': { type: 'string', default: 'ci' },
      'poll-hold': { type: 'string', default: '90000' },
      // Not env-file: Node uses that option itself, even after the script.
      'write-env': { type: 'string' },
      log: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  return {
    help: values.help,
    port: wholeNumber('--port', values.port, 65_535),
    tasks: wholeNumber('--tasks', values.tasks, 10_000),
    workerGroup: values['worker-group'],
    envFile: values['write-env'],
    log: values.log,
    pollHoldMs: wholeNumber('--poll-hold', values['poll-hold'], 2_147_483_647),
  }
}

function wholeNumber(name: string, text: string, max: number): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number > max)
    throw new Error(`${name} must be a whole number from 0 to ${max}, not "${text}"`)
  return number
}

/** One line: the time, the operation, the end of the task id, the rest of the body, and the response. */
function line({ at, operation, body, fault, response }: ReceivedRequest): string {
  const { taskId, ...rest } = body
  return [
    new Date(at).toISOString(),
    operation ?? 'unknown operation',
    ...(typeof taskId === 'string' ? [`task …${taskId.slice(-12)}`] : []),
    ...(Object.keys(rest).length > 0 ? [shorten(JSON.stringify(rest))] : []),
    '→',
    response ? `${response.status}${response.error ? ` ${response.error}` : ''}` : 'no response',
    ...(fault ? [`(${fault})`] : []),
  ].join(' ')
}

function shorten(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 300)}…`
}

async function serve(args: string[]): Promise<void> {
  const { help, tasks, workerGroup, envFile, log, ...options } = parseOptions(args)
  if (help) {
    console.log(USAGE)
    return
  }
  const service = await LocalDataPipeline.start({
    ...options,
    rates: PUBLISHED_RATES,
    onRequest: (request) => {
      const { operation, body, response } = request
      // First into the file, so that it is there when the line is printed.
      if (log) appendFileSync(log, `${JSON.stringify({ operation, body, response: response?.status })}\n`)
      console.log(line(request))
    },
  })
  console.log(`Local AWS Data Pipeline at ${service.url}\n`)
  const env = service.env(TEST_CREDENTIALS)
  const forTheOlderCli = { AWS_DEFAULT_REGION: env['AWS_REGION'] }
  const variables = Object.entries({ ...env, ...forTheOlderCli })
  for (const [name, value] of variables) console.log(`export ${name}=${value}`)
  if (envFile) appendFileSync(envFile, variables.map(([name, value]) => `${name}=${value}\n`).join(''))
  for (let count = 0; count < tasks; count++) {
    const task = service.addTask({ workerGroup })
    console.log(`\ntask for the worker group ${workerGroup}:\n${task.taskId}`)
  }
  // Before the message that offers it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      service.stop().then(() => console.log('Stopped.'))
    })
  }
  console.log('\nStop it with Ctrl-C.\n')
}

serve(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
