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

/** The part that must be the same in each run: the row without attempts and seconds, which vary. */
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

/** The rows of the document, in the form of `rowOf`. */
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

/** Without the parts that vary, in one line, truncated. */
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

\`npm run test:faults -- --write\` generates this file. It runs the built actions as processes against a local AWS with the fault of each row. Don't edit it by hand.

A fault "for a while" lasts ${FULL.outageMs / 1000} seconds, with the default \`timeout-seconds\` of 120. For a permanent fault, \`timeout-seconds\` is ${FULL.budgetSeconds}. Activity and task-runner are whole jobs: the fault affects the named part, and the other parts work.

- **attempts**: the calls in question that the service received. Refused and misdirected connections do not reach it.
- **arrived**: root and post: the service has the status. poll-for-task: the task was acknowledged and handed on. Main: the task is held; "FAILED by post" means that the post step then reported FAILED. Heartbeat: later heartbeats arrived, and so did the status at the end. Report: the service has the end of the command; "FINISHED by post" means that the post step then reported it.
- **seconds**: the time of the step, or until a later heartbeat arrived. They differ from run to run.
- **message**: the errors and warnings of the step, shortened; – for none.

${observations.length} rows. ${summary}.

${tableOf(observations)}

## What this does not cover

- **Loss of the machine.** When the runner of a task that \`activity\` holds is lost, the heartbeat process reports FAILED (test/scenarios/runner-loss.test.ts). When the machine, the pod or the container is lost as well, no process can report. Set \`reportProgressTimeout\` on the activity in the pipeline: the heartbeats end, and AWS Data Pipeline times the task out.
- **The environment of a post step.** The heartbeat process reports for it, with the environment and the credentials of the main step. So faults in the environment of a step have no row for post. The post step of task-runner uses its own environment, with the endpoints of the main step.
- **Cancellation.** GitHub terminates a cancelled job after 5 minutes. A report that has not arrived by then is lost, unless \`activity\` holds the task: then the heartbeat process continues. A running step has 10 seconds from SIGINT to its end, of which the action uses at most 7.
- **A step that does not run.** A step without \`if: always()\` is skipped when an earlier one fails. The action can't detect that.
- **The real service.** It was never called. The local one follows AWS's published documentation. Where that has gaps (the response for an ended task, the throttling code, how long a silent task is held), [test/fakes/aws/README.md](../test/fakes/aws/README.md) names the choices.
- **Other systems.** All rows were run on Linux. Windows and macOS were not run. Windows has no signals: its runner sends Ctrl+C and Ctrl+Break instead, which the action handles like SIGINT and SIGTERM.
- **Outages longer than the budget.** After \`timeout-seconds\` the step fails, without further attempts. Run the job again, or report by hand: \`aws datapipeline set-task-status\`.
- **A task that was polled and not acknowledged.** The service assigns it to the next poll after two minutes (five seconds in the rows in which a poll's response is lost).
- **GitHub's own API.** Its faults are in [test/scenarios](../test/scenarios). They never prevent a report.
- **Forged responses.** A proxy that responds as AWS Data Pipeline would, with status 200 and the right headers, is trusted.
`
}
