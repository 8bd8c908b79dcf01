import { eventually } from '../support/processes.ts'
import { runStep, type StepOptions, type StepResult } from '../support/step.ts'
import { awakeTime } from './awake-time.ts'
import { type Scale, Scene, type Setting } from './fault-context.ts'
import type { Action, Arrived, FaultRow } from './fault-table.ts'

/** What was seen of one fault at one action. */
export interface Observation {
  readonly fault: string
  readonly action: Action
  /** Calls of the operation in question that the service saw from the fault's beginning to the end. */
  readonly tries: number
  readonly arrived: Arrived
  /** From the fault's beginning to the end of the step; for heartbeats, to the next beat that arrived. */
  readonly seconds: number
  /** The errors and warnings of the step. */
  readonly messages: readonly string[]
  /** What contradicts what must hold whatever the fault is. */
  readonly problems: readonly string[]
}

/** Beside the budget, for starting a process on a busy machine. */
const ALLOWANCE_MS = 10_000
/** Beside the outage, for the next beat: due in 5 s, given up after 15 s where it has no answer; and a busy machine. */
const NEXT_BEAT_MS = 60_000
/** The same where none is expected: one that came all the same would be seen, and nothing fails as it is not waited for. */
const NO_BEAT_MS = 25_000
/** A step is killed, and its row fails, when it goes on for so long. */
const LIMIT_MS = 200_000

const FAILED_TEXTS = { 'error-id': 'E', 'error-message': 'M', 'error-stack-trace': 'T' }

/** Runs the action with the fault, and gives what came of it. */
export async function runFault(row: FaultRow, action: Action, scale: Scale): Promise<Observation> {
  await using scene = await Scene.start(row, action, scale)
  const stage = await (action === 'root'
    ? atRoot(row, scene)
    : action.startsWith('poll-for-task')
      ? atPoll(row, scene)
      : atActivity(row, scene))
  const { signalled, mustStrike, operation, service } = scene
  const problems = [...stage.problems, ...(row.proof?.(scene) ?? [])]
  if (mustStrike && !service.requestsFor(operation).some(({ fault }) => fault))
    problems.push('no request met the fault')
  if (signalled && stage.endedAt - signalled.at > signalled.limitMs)
    problems.push(`ended ${Math.round(stage.endedAt - signalled.at)} ms after its signal`)
  return {
    fault: row.fault,
    action,
    tries: stage.tries,
    arrived: stage.arrived,
    seconds: stage.tookMs / 1000,
    messages: stage.messages,
    problems,
  }
}

/** What a stage of an action came to. */
interface Stage extends Pick<Observation, 'tries' | 'arrived' | 'messages' | 'problems'> {
  readonly tookMs: number
  /** By `awakeTime`. */
  readonly endedAt: number
}

async function atRoot(row: FaultRow, scene: Scene): Promise<Stage> {
  const setting = await row.provoke(scene)
  const step = await runStep(
    options(row, scene, setting, { 'task-id': scene.taskId, status: 'FAILED', ...FAILED_TEXTS }),
  )
  const arrived = scene.service.task(scene.taskId).status === 'FAILED'
  return {
    ...seen(step, scene, 0),
    arrived: arrived ? 'yes' : 'no',
    problems: [...problemsOf(step, arrived, row, scene), ...contradictions(step, setting, { reported: arrived })],
  }
}

async function atPoll(row: FaultRow, scene: Scene): Promise<Stage> {
  const setting = await row.provoke(scene)
  const inputs = { 'worker-group': 'ci', 'wait-seconds': String(row.waitSeconds ?? 0) }
  const step = await runStep({ ...options(row, scene, setting, inputs), action: 'poll-for-task' })
  const { state } = scene.service.task(scene.taskId)
  const isHandedOn = step.outputs['task-id'] === scene.taskId && step.exitCode === 0
  const isHeld = state === 'running'
  return {
    ...seen(step, scene, 0),
    arrived: isHandedOn
      ? isHeld
        ? 'yes'
        : 'yes, unacknowledged'
      : isHeld
        ? 'no, and nobody has it'
        : 'no, another poll gets it',
    problems: [...problemsOf(step, isHandedOn, row, scene), ...contradictions(step, setting, { found: isHandedOn })],
  }
}

async function atActivity(row: FaultRow, scene: Scene): Promise<Stage> {
  const { action, job, service, taskId } = scene
  const at = (stage: typeof action): Promise<Setting> | Setting => (action === stage ? row.provoke(scene) : {})
  const step = (setting: Setting): StepOptions => ({
    ...options(row, scene, setting, { 'task-id': taskId, 'heartbeat-seconds': '5' }),
    action: 'activity',
  })
  const mainSetting = await at('activity: main')
  const main = await job.main('activity', step(mainSetting))
  const isHeld = main.exitCode === 0 && job.heartbeats().length === 1 && service.task(taskId).state === 'running'
  const atMain = seen(main, scene, 0)
  if (action !== 'activity: main' && !isHeld) throw new Error(`the main step failed without a fault:\n${main.stdout}`)

  const before = service.requestsFor(scene.operation).length
  let beating: { isBeating: boolean; tookMs: number } | undefined
  if (action === 'activity: heartbeat') {
    await row.provoke(scene)
    beating = await nextBeat(row, scene, before)
  }
  const beats = service.requestsFor(scene.operation).slice(before)
  const beatEndedAt = awakeTime()
  if (action !== 'activity: post') service.behave()
  const postSetting = await at('activity: post')
  const postStartedAt = service.requestsFor('SetTaskStatus').length
  const post = await job.post('activity', { ...step(postSetting), jobStatus: isHeld ? 'success' : 'failure' })
  const expected = isHeld ? 'FINISHED' : 'FAILED'
  const isReported = service.task(taskId).status === expected
  const problems = (await job.heartbeatsEnd()) ? [] : ['the heartbeats go on after the post step']

  switch (action) {
    case 'activity: main':
      return {
        ...atMain,
        arrived: isHeld ? 'yes' : isReported ? 'no; FAILED by post' : 'no',
        problems: [
          ...problems,
          ...problemsOf(main, isHeld, row, scene),
          ...(post.exitCode === (isReported ? 0 : 1)
            ? []
            : [`the post step ended with ${post.exitCode}: ${post.stdout}`]),
        ],
      }
    case 'activity: heartbeat':
      return {
        ...seen(post, scene, 0),
        tries: beats.length,
        tookMs: beating?.tookMs ?? 0,
        endedAt: beatEndedAt,
        arrived: isReported ? (beating?.isBeating ? 'yes' : 'no; FINISHED by post') : 'no',
        problems: [
          ...problems,
          ...problemsOf(post, isReported, row, scene),
          ...(beating?.isBeating && beats.some(({ fault }) => fault) && / sent, 0 failed/.test(post.stdout)
            ? ['a beat that failed was taken for one that arrived']
            : []),
        ],
      }
    default:
      return {
        ...seen(post, scene, postStartedAt),
        arrived: isReported ? 'yes' : 'no',
        problems: [...problems, ...problemsOf(post, isReported, row, scene), ...contradictions(post, postSetting, {})],
      }
  }
}

/** Waits for a beat that arrives after one that met the fault, or for the end of the heartbeats. */
async function nextBeat(
  { expected }: FaultRow,
  scene: Scene,
  before: number,
): Promise<{ isBeating: boolean; tookMs: number }> {
  const startedAt = performance.now()
  const arrived = (): boolean =>
    scene.service
      .requestsFor('ReportTaskProgress')
      .slice(before)
      .some(({ answer, fault }) => answer?.status === 200 && fault === undefined)
  const withinMs = scene.outageMs + (expected[scene.action]?.arrived === 'yes' ? NEXT_BEAT_MS : NO_BEAT_MS)
  await eventually(() => arrived() || scene.job.heartbeats().length === 0, withinMs)
  const tookMs = performance.now() - startedAt
  // The answer has to reach the process.
  await eventually(() => false, 300)
  return { isBeating: arrived() && scene.job.heartbeats().length === 1, tookMs }
}

function options(row: FaultRow, scene: Scene, setting: Setting, inputs: Readonly<Record<string, string>>): StepOptions {
  return {
    ...setting,
    inputs: {
      ...inputs,
      ...scene.inputs,
      ...(row.isEndless ? { 'timeout-seconds': String(scene.scale.budgetSeconds) } : {}),
    },
    env: { ...scene.env, ...setting.env },
    limitMs: LIMIT_MS,
  }
}

function seen(step: StepResult, scene: Scene, before: number): Omit<Stage, 'arrived' | 'problems'> {
  return {
    tries: scene.service.requestsFor(scene.operation).length - before,
    messages: [...step.errors, ...step.warnings],
    tookMs: step.tookMs,
    endedAt: awakeTime(),
  }
}

/** What must hold of every step, whatever the fault is. */
function problemsOf(step: StepResult, isDone: boolean, row: FaultRow, scene: Scene): string[] {
  const problems: string[] = []
  const says = (problem: string, holds: boolean): void => {
    if (holds) problems.push(problem)
  }
  says(
    `exit code ${step.exitCode}, though ${isDone ? 'it was done' : 'it was not done'}`,
    step.exitCode !== (isDone ? 0 : 1),
  )
  says('an error and exit code 0, or none and 1', (step.errors.length === 1) !== (step.exitCode === 1))
  says(
    `an error that does not say what failed: ${step.errors}`,
    step.errors.some((error) => !/^Could not /.test(error)),
  )
  says(`something on standard error: ${step.stderr}`, step.stderr !== '')
  says('a stack trace in the log', /^ {4}at /m.test(step.stdout))
  if (row.isEndless && !row.expected[scene.action]?.isLong) {
    const budgetMs = scene.scale.budgetSeconds * 1000 + ALLOWANCE_MS
    says(`took ${Math.round(step.tookMs)} ms`, step.tookMs > budgetMs)
  }
  return problems
}

/** Outputs that say something else than what happened, where they could be written. */
function contradictions(step: StepResult, { env }: Setting, flags: Readonly<Record<string, boolean>>): string[] {
  if (env?.['GITHUB_OUTPUT'] !== undefined) return []
  return Object.entries(flags)
    .filter(([name, value]) => step.outputs[name] !== String(value))
    .map(([name, value]) => `the output ${name} is ${step.outputs[name]}, and should be ${value}`)
}
