// The results of the fault suite: docs/reliability.md as a matrix of outcomes, and all details under reports/.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../support/action-file.ts'
import { FULL } from './fault-context.ts'
import { ACTIONS, type Action, type Arrived, FAULTS } from './fault-table.ts'
import type { Observation } from './run-fault.ts'

/** What the matrix is made of. */
export type Outcome = Pick<Observation, 'fault' | 'action' | 'arrived'>

const MATRIX = join(REPOSITORY, 'docs', 'reliability.md')
const REPORTS = join(REPOSITORY, 'reports')
/** Attempts, times and messages of the last run. */
export const DETAILS = 'reports/faults.md'

/** The stage of each action, as a user knows it. */
const STAGES: Readonly<Record<Action, string>> = {
  root: 'report',
  'poll-for-task': 'poll',
  'poll-for-task: acknowledgement': 'acknowledge',
  'activity: main': 'start',
  'activity: heartbeat': 'heartbeat',
  'activity: post': 'post step',
  'task-runner: heartbeat': 'heartbeat',
  'task-runner: report': 'run and report',
}

/** The heading of a column of the matrix. */
function headingOf(action: Action): string {
  const [name = ''] = action.split(': ')
  return `${name === 'root' ? 'root action' : name}: ${STAGES[action]}`
}

/** The cell of each outcome, and what it means. */
const CELLS: Readonly<Record<Arrived, readonly [cell: string, meaning: string]>> = {
  yes: ['✅', 'It works, by another attempt where that is needed. The step succeeds, at most with a warning.'],
  'yes, unacknowledged': [
    '✅ unsure',
    'The task is handed on, with a warning, as its acknowledgement may have arrived. If it did not, another poll may get the task, too.',
  ],
  'no; FINISHED by post': [
    '↩️ FINISHED',
    'The step fails. The post step then reports `FINISHED`, if the fault is over by then.',
  ],
  'no; FAILED by post': [
    '↩️ FAILED',
    'The task is not held, and the step fails. The post step then reports `FAILED`, if the fault is over by then.',
  ],
  'no, another poll gets it': [
    '🔁 next poll',
    'The step fails without a task. The task stays in the queue, or comes back to it after two minutes, for the next poll.',
  ],
  no: [
    '❌',
    'The step fails, and nothing reports the task. Run the job again or report by hand; otherwise the task ends by the timeouts of the pipeline.',
  ],
  'no, and nobody has it': [
    '❌ stuck',
    'The step fails, but the service takes the task for running. It ends by the timeouts of the pipeline.',
  ],
}

const NOT_APPLICABLE = '–'

/** The rows of the matrix, by fault: one cell for each action. */
export function matrixOf(outcomes: readonly Outcome[]): Map<string, string[]> {
  const found = new Map(outcomes.map(({ fault, action, arrived }) => [`${fault}: ${action}`, CELLS[arrived][0]]))
  return new Map(
    FAULTS.map(({ fault }) => [fault, ACTIONS.map((action) => found.get(`${fault}: ${action}`) ?? NOT_APPLICABLE)]),
  )
}

/** The outcomes that the fault table expects. A run fails unless it observes them, in short and at full length. */
export function expectedOutcomes(): Outcome[] {
  return FAULTS.flatMap(({ fault, expected }) =>
    Object.entries(expected).map(([action, { arrived }]) => ({ fault, action: action as Action, arrived })),
  )
}

/** The matrix in a document. */
export function matrixIn(text: string): Map<string, string[]> {
  const table = text.slice(text.indexOf('| fault |'))
  const rows = table.slice(0, table.indexOf('\n\n')).split('\n')
  return new Map(
    rows.slice(2).map((row) => {
      const [fault = '', ...cells] = row.slice(2, -2).split(' | ')
      return [fault, cells]
    }),
  )
}

/** The committed matrix; empty if there is none. */
export function committedMatrix(): Map<string, string[]> {
  return existsSync(MATRIX) ? matrixIn(readFileSync(MATRIX, 'utf8')) : new Map()
}

/** Differences of a committed matrix from the one that it should be, one line each; none if they are the same. */
export function differences(committed: Map<string, string[]>, wanted: Map<string, string[]>): string[] {
  return [
    ...[...committed.keys()].filter((fault) => !wanted.has(fault)).map((fault) => `${fault}: is no fault any more`),
    ...[...wanted].flatMap(([fault, cells]) => {
      const row = committed.get(fault)
      if (row === undefined) return [`${fault}: is missing`]
      return ACTIONS.flatMap((action, at) =>
        row[at] === cells[at] ? [] : [`${fault}, ${headingOf(action)}: is ${row[at]}, should be ${cells[at]}`],
      )
    }),
  ]
}

/** Writes the matrix of these outcomes. */
export function writeMatrix(outcomes: readonly Outcome[]): void {
  writeFileSync(MATRIX, documentOf(matrixOf(outcomes)))
}

/** Writes attempts, times and messages of every row. */
export function writeDetails(observations: readonly Observation[]): void {
  mkdirSync(REPORTS, { recursive: true })
  writeFileSync(join(REPOSITORY, DETAILS), `${detailsOf(observations)}\n`)
}

function detailsOf(observations: readonly Observation[]): string {
  const faults = FAULTS.map(({ fault }) => fault)
  const place = ({ fault, action }: Observation): number =>
    faults.indexOf(fault) * ACTIONS.length + ACTIONS.indexOf(action)
  const rows = [...observations].sort((one, other) => place(one) - place(other))
  return [
    '| fault | action | outcome | attempts | seconds | messages |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(({ fault, action, arrived, attempts, seconds, messages }) => {
      const message = messages.map((each) => each.replaceAll('|', '/').replace(/\s+/g, ' ')).join(' // ')
      return `| ${[fault, action, arrived, attempts, seconds.toFixed(1), message].join(' | ')} |`
    }),
  ].join('\n')
}

/** The document with a matrix. */
export function documentOf(matrix: Map<string, string[]>): string {
  const used = new Set([...matrix.values()].flat())
  const legend = Object.values(CELLS).filter(([cell]) => used.has(cell))
  const heading = ['fault', ...ACTIONS.map(headingOf)]
  return `# What happens when things fail

Each row is a fault, and each column is a stage of an action that the fault hits. The other stages work.

| cell | what happens |
| --- | --- |
${legend.map(([cell, meaning]) => `| ${cell} | ${meaning} |`).join('\n')}
| ${NOT_APPLICABLE} | Not run: the fault does not apply to this stage, or another row or column shows the same. |

Wherever a step fails, its one error says what failed and why. [Troubleshooting](troubleshooting.md) says what to do.

| ${heading.join(' | ')} |
|${' --- |'.repeat(heading.length)}
${[...matrix].map(([fault, cells]) => `| ${[fault, ...cells].join(' | ')} |`).join('\n')}

- **root action: report.** The service has the status.
- **poll-for-task.** The task is acknowledged and handed on.
- **activity.** Start: the task is held. Heartbeat: later heartbeats arrive, and so does the status at the end. Post step: the service has the status of the job.
- **task-runner.** Heartbeat: later heartbeats arrive, and so does the status at the end. Run and report: a task is taken, and its end is reported.

\`npm run test:faults -- --write\` makes this file from what the built actions did as processes against a local AWS. A fault "for a while" lasts ${FULL.outageMs / 1000} seconds, with the default \`timeout-seconds\` of 120. For a permanent fault, \`timeout-seconds\` is ${FULL.budgetSeconds}. The attempts, times and messages of a run are then in \`${DETAILS}\`.

## What this does not cover

- **Loss of the machine.** When the runner of a task that \`activity\` holds is lost, the heartbeat process reports FAILED (test/scenarios/runner-loss.test.ts). When the machine, the pod or the container is lost as well, no process can report. Set \`reportProgressTimeout\` on the activity in the pipeline: the heartbeats end, and AWS Data Pipeline times the task out.
- **The environment of a post step.** The heartbeat process reports for it, with the environment and the credentials of the main step. So faults in the environment of a step have no cell there. The post step of task-runner uses its own environment, with the endpoints of the main step.
- **Cancellation.** GitHub terminates a cancelled job after 5 minutes. A report that has not arrived by then is lost, unless \`activity\` holds the task: then the heartbeat process continues. A running step has 10 seconds from SIGINT to its end, of which the action uses at most 7.
- **A step that does not run.** A step without \`if: always()\` is skipped when an earlier one fails. The action can't detect that.
- **The real service.** It was never called. The local one follows AWS's published documentation. Where that has gaps (the response for an ended task, the throttling code, how long a silent task is held), [test/fakes/aws/README.md](../test/fakes/aws/README.md) names the choices.
- **Other systems.** All faults were run on Linux. Windows and macOS were not run. Windows has no signals: its runner sends Ctrl+C and Ctrl+Break instead, which the action handles like SIGINT and SIGTERM.
- **Outages longer than the budget.** After \`timeout-seconds\` the step fails, without further attempts. Run the job again, or report by hand: \`aws datapipeline set-task-status\`.
- **A task that was polled and not acknowledged.** The service assigns it to the next poll after two minutes (here five seconds, where a poll's response is lost).
- **GitHub's own API.** Its faults are in [test/scenarios](../test/scenarios). They never prevent a report.
- **Forged responses.** A proxy that responds as AWS Data Pipeline would, with status 200 and the right headers, is trusted.
`
}
