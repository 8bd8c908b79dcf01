// "npm run bench" compares the time of the actions with that of a bare request and of the alternatives: whole processes, over
// TLS. All run interleaved, as machines are noisy: the ratios count. It writes test/performance/bench/RESULTS.md.
// Usage: node test/performance/bench/run.ts [--runs N] [--only KEY,KEY] [--dry]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { LocalDataPipeline } from '../../fakes/aws/data-pipeline.ts'
import { LocalGitHub } from '../../fakes/github/local-github.ts'
import { REPOSITORY } from '../../support/action-file.ts'
import { TlsFront } from '../../support/proxy.ts'
import { type Contestant, checkOutcome, contestants } from './contestants.ts'
import { results, type Usage } from './results.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '25' },
    only: { type: 'string' },
    dry: { type: 'boolean', default: false },
  },
})
const runs = Number(values.runs)
const only = values.only?.split(',')

await using service = await LocalDataPipeline.start()
await using github = await LocalGitHub.start()
github.addJob({ name: 'work', steps: [{ name: 'Run ./load.sh', conclusion: 'failure' }] })
github.addJob({ name: 'report', steps: [{ name: 'Set up job', conclusion: 'success' }] })
github.addJob({
  name: 'load',
  conclusion: 'failure',
  steps: [{ name: 'Run ./load.sh', conclusion: 'failure' }],
  log: `${'2026-11-22T02:00:00.0000000Z row loaded\n'.repeat(20_000)}2026-11-22T02:00:01.0000000Z ##[error]disk full\n`,
  annotations: [{ message: 'disk full', level: 'failure' }],
})

await using awsFront = await TlsFront.start(service.url)
await using githubFront = await TlsFront.start(github.apiUrl)
const folder = mkdtempSync(join(tmpdir(), 'bench-'))
const certificates = join(folder, 'certificates.pem')
writeFileSync(certificates, `${awsFront.cert}\n${githubFront.cert}\n`)
const usage = join(folder, 'usage.json')
// Required before the program, as this costs less than a module. Records the processor time until the exit, and the largest
// resident set: VmHWM and not that of getrusage, which includes the process before it became Node.
const recorder = join(folder, 'recorder.cjs')
writeFileSync(
  recorder,
  `const { argv, env, cpuUsage } = process
if (argv[1]?.endsWith(env.BENCH_SCRIPT)) process.on('exit', () => {
  const { user, system } = cpuUsage()
  const { readFileSync, writeFileSync } = require('node:fs')
  const peak = /VmHWM:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))
  writeFileSync(${JSON.stringify(usage)}, JSON.stringify({ cpuMs: (user + system) / 1e3, peakBytes: peak[1] * 1024 }))
})
`,
)

/** The usage of a run of its own; undefined where it is unknown (not Node, not Linux). */
async function usageOf({ script, run }: Contestant): Promise<Usage | undefined> {
  if (script === undefined || process.platform !== 'linux') return undefined
  await run({ NODE_OPTIONS: `--require=${recorder}`, BENCH_SCRIPT: script })
  return JSON.parse(readFileSync(usage, 'utf8')) as Usage
}

try {
  const venue = {
    service,
    github,
    awsUrl: awsFront.url,
    githubUrl: githubFront.url,
    certificates,
    output: join(folder, 'output'),
  }
  const field = contestants(venue).filter(({ key }) => only?.includes(key) ?? true)
  const measured = field.map((contestant) => ({ ...contestant, times: [] as number[], usages: [] as Usage[] }))
  // The first round fills the disk cache and is not counted.
  for (let round = 0; round <= runs; round++) {
    for (let place = 0; place < field.length; place++) {
      const contestant = measured[(place + round) % field.length] as (typeof measured)[number]
      const took = await contestant.run()
      const used = await usageOf(contestant)
      if (round === 0) continue
      contestant.times.push(took)
      if (used !== undefined) contestant.usages.push(used)
    }
    process.stderr.write(`\rround ${round} of ${runs}`)
  }
  process.stderr.write('\n')
  checkOutcome(service)
  const text = results(measured, runs)
  console.log(text)
  if (!values.dry && only === undefined)
    writeFileSync(join(REPOSITORY, 'test', 'performance', 'bench', 'RESULTS.md'), text)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
