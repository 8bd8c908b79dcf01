// The results of the fault suite as docs/RELIABILITY.md.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../support/action-file.ts'
import { FULL } from './fault-context.ts'
import { ACTIONS, FAULTS } from './fault-table.ts'
import type { Observation } from './run-fault.ts'

const FILE = join(REPOSITORY, 'docs', 'RELIABILITY.md')
const MAX_MESSAGE = 220
const HEADER = '| fault | action | attempts | arrived | seconds | message |\n| --- | --- | --- | --- | --- | --- |'

type Cells = readonly [
  fault: string,
  action: string,
  attempts: string,
  arrived: string,
  seconds: string,
  message: string,
]

/** What must be the same in each run: the row without attempts and seconds, which depend on chance and on the machine. */
export function rowOf(observation: Observation): string {
  return withoutChance(cellsOf(observation))
}

/** All rows in the order of the fault table. */
export function tableOf(observations: readonly Observation[]): string {
  const faults = FAULTS.map(({ fault }) => fault)
  const place = ({ fault, action }: Observation): number =>
    faults.indexOf(fault) * ACTIONS.length + ACTIONS.indexOf(action)
  const rows = [...observations].sort((one, other) => place(one) - place(other)).map(cellsOf)
  return [HEADER, ...rows.map((cells) => `| ${cells.join(' | ')} |`)].join('\n')
}

/** The rows of the document, as `rowOf` gives them. */
export function documentedRows(): string[] {
  if (!existsSync(FILE)) return []
  const [, , ...rows] = readFileSync(FILE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))
  return rows.map((row) => withoutChance(row.slice(2, -2).split(' | ') as unknown as Cells))
}

export function writeReliability(observations: readonly Observation[]): void {
  writeFileSync(FILE, documentOf(observations))
}

function withoutChance([fault, action, , arrived, , message]: Cells): string {
  return [fault, action, arrived, message].join(' | ')
}

function cellsOf({ fault, action, attempts, arrived, seconds, messages }: Observation): Cells {
  const message = messages.map((each) => shortened(each)).join(' // ') || '–'
  return [fault, action, String(attempts), arrived, String(Math.round(seconds)), message]
}

/** Without what differs from run to run, in one line, and not too long. */
function shortened(message: string): string {
  const text = message
    .replaceAll('|', '/')
    .replace(/\s+/g, ' ')
    .replace(/\S+…\S+ \(\d+ characters\)/g, '…')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…')
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:…')
    .replace(/\b\d+(\.\d+)? (attempts?|s\b)/g, '… $2')
    .replace(/'\/[^']*'/g, '…')
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE - 1).trimEnd()}…` : text
}

function documentOf(observations: readonly Observation[]): string {
  const counts = new Map<string, number>()
  for (const { arrived } of observations) counts.set(arrived, (counts.get(arrived) ?? 0) + 1)
  const summary = [...counts].map(([arrived, count]) => `${arrived}: ${count}`).join(' · ')
  return `# What happens when things fail

Made by \`npm run test:faults -- --write\`, which runs the built actions as processes against a local AWS that fails as each row says. Don't edit it by hand.

A fault that lasts "a while" lasts ${FULL.outageMs / 1000} seconds, under the default \`timeout-seconds\` of 120; where one lasts for ever, \`timeout-seconds\` is ${FULL.budgetSeconds}. An activity is a whole job: the fault strikes the part that is named, the other parts are well.

- **attempts**: the calls in question that the service received. Refused and misdirected connections do not reach it.
- **arrived**: root and post: the service has the status. poll-for-task: the task was acknowledged and handed on. Main: the task is held; "FAILED by post" means that the post step then told the service that the job failed. Heartbeat: beats arrived again, and so did the status at the end.
- **seconds**: how long the step took, or a beat needed to arrive again. They differ from run to run.
- **message**: the errors and warnings of the step, shortened; – for none.

${observations.length} rows. ${summary}.

${tableOf(observations)}

## What this does not cover

- **A machine that is lost whole.** A task that \`activity\` holds is reported as FAILED when its runner is lost, by the process that is left (test/scenarios/runner-loss.test.ts). When the machine, the pod or the container goes with it, nobody is left to call. Set \`reportProgressTimeout\` on the activity in the pipeline: the heartbeats end, and the service gives the task up by itself.
- **The environment of a post step.** The heartbeat process makes its report, with the environment and the credentials that the task is held with. So rows whose fault is in the environment of a step have no row for it.
- **After a cancel** GitHub gives a job 5 minutes until it ends it by force. A report that has not arrived by then is lost, unless \`activity\` holds the task: then the heartbeat process goes on trying. A step that is running then has 10 seconds from SIGINT to its end, of which the action uses 7 at the most.
- **The step never runs.** A report in a step without \`if: always()\` is skipped when one before it fails; no code here can see that.
- **The real service was never called.** The local one follows AWS's published documentation; where that is silent (the answer for an ended task, the throttling code, how long a silent task is held) it makes a choice, named in [test/fakes/aws/README.md](../test/fakes/aws/README.md).
- **Other systems.** All rows were run on Linux. Windows and macOS were not run. Windows has no signals: its runner sends Ctrl+C and Ctrl+Break instead, which are treated like SIGINT and SIGTERM, and that was not run, either.
- **Outages that outlast the budget.** After \`timeout-seconds\` the step fails and nothing tries again. Run the job again, or report by hand: \`aws datapipeline set-task-status\`.
- **A task that was polled and never acknowledged** waits for the two minutes after which the service gives it to the next poll (five seconds in the rows in which a poll's reply is lost).
- **GitHub's own API.** What happens when it fails while the evidence of a failure is gathered is in [test/scenarios](../test/scenarios), not here: it never stops a report.
- **Lies.** A proxy that answers as Data Pipeline would, with status 200 and the right headers, is believed.
`
}
