// "npm run bench" compares the time of the actions with that of a bare request and of the alternatives. All run interleaved,
// as machines are noisy: the ratios count. It writes test/performance/bench/RESULTS.md.
// Usage: node test/performance/bench/run.ts [--runs N] [--only KEY,KEY] [--dry]
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { LocalDataPipeline } from '../../fakes/aws/data-pipeline.ts'
import { LocalGitHub } from '../../fakes/github/local-github.ts'
import { REPOSITORY } from '../../support/action-file.ts'
import { type Contestant, checkOutcome, contestants } from './contestants.ts'
import { type Measured, results } from './results.ts'

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

const field = contestants(service, github).filter(({ key }) => only?.includes(key) ?? true)
const times = new Map<Contestant, number[]>(field.map((contestant) => [contestant, []]))
// The first round fills the disk cache and is not counted.
for (let round = 0; round <= runs; round++) {
  for (let place = 0; place < field.length; place++) {
    const contestant = field[(place + round) % field.length] as Contestant
    const took = await contestant.run()
    if (round > 0) times.get(contestant)?.push(took)
  }
  process.stderr.write(`\rround ${round} of ${runs}`)
}
process.stderr.write('\n')

const measured: Measured[] = []
for (const contestant of field) {
  measured.push({ ...contestant, times: times.get(contestant) ?? [], peakBytes: await peakOf(contestant) })
}
checkOutcome(service)
const text = results(measured, runs)
console.log(text)
if (!values.dry && only === undefined)
  writeFileSync(join(REPOSITORY, 'test', 'performance', 'bench', 'RESULTS.md'), text)

/** The largest resident set of a run of its own, in bytes; undefined where it is unknown (not Node, not Linux). */
async function peakOf(contestant: Contestant): Promise<number | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const file = join(folder, 'peak')
    // VmHWM and not getrusage, which includes the process before it became Node.
    const recorder = `import { readFileSync, writeFileSync } from 'node:fs'
      process.on('exit', () => {
        if (process.argv[1]?.endsWith('heartbeat.js')) return
        writeFileSync(${JSON.stringify(file)}, /VmHWM:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
      })`
    const node = `--import=data:text/javascript,${encodeURIComponent(recorder)}`
    if (process.platform === 'linux') await contestant.run({ NODE_OPTIONS: node })
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) * 1024 : undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
