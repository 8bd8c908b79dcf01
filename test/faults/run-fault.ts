import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ready, startTasks } from '../scenarios/task-running.ts'
import { eventually } from '../support/processes.ts'
import { runStep, type StepOptions, type StepResult } from '../support/step.ts'
import { awakeTime } from './awake-time.ts'
import { FaultContext, type Scale, type Setting } from './fault-context.ts'
import type { Action, Arrived, FaultRow } from './fault-table.ts'

/** The result of one fault at one action. */
export interface Observation {
  readonly fault: string
  readonly action: Action
  /** Calls of the operation that the service received from the start of the fault to the end. */
  readonly attempts: number
  readonly arrived: Arrived
  /** From the start of the fault to the end of the step; for heartbeats, to the next one that arrived. */
  readonly seconds: number
  /** The errors and warnings of the step. */
  readonly messages: readonly string[]
  /** Violations of what must hold for every fault. */
  readonly problems: readonly string[]
}

/** In addition to the budget, for starting a process on a slow machine. */
const ALLOWANCE_MS = 10_000
/** In addition to the outage, for the next heartbeat: due in 5 s, given up after 15 s without a response; on a slow machine. */
const NEXT_BEAT_MS = 60_000
/** The same where no heartbeat is expected, long enough to detect one. */
const NO_BEAT_MS = 25_000
/** A step is killed, and its row fails, after this time. */
const LIMIT_MS = 200_000

/** A task of a command that does nothing. */
const TASK_RUNNER_INPUTS = {
  'worker-group': 'ci',
  'wait-seconds': '0',
  'heartbeat-seconds': '5',
  run: ':',
}

const FAILED_TEXTS = { 'error-id': 'E', 'error-message': 'M', 'error-stack-trace': 'T' }

/** Runs the action with the fault, and returns the result. */
export async function runFault(row: FaultRow, action: Action, scale: Scale): Promise<Observation> {
  await using context = await FaultContext.start(row, action, scale)
  const stage = await (action === 'root'
    ? atRoot(row, context)
    : action.startsWith('poll-for-task')
      ? atPoll(row, context)
      : action === 'task-runner: heartbeat'
        ? whileTaskRuns(row, context)
        : action === 'task-runner: report'
          ? atTaskRunner(row, context)
          : atActivity(row, context))
  const { signalled, mustStrike, operation, service } = context
  const problems = [...stage.problems, ...(row.proof?.(context) ?? [])]
  if (mustStrike && !service.requestsFor(operation).some(({ fault }) => fault))
    problems.push('no request met the fault')
  if (signalled && stage.endedAt - signalled.at > signalled.limitMs)
    problems.push(`ended ${Math.round(stage.endedAt - signalled.at)} ms after its signal`)
  return {
    fault: row.fault,
    action,
    attempts: stage.attempts,
    arrived: stage.arrived,
    seconds: stage.tookMs / 1000,
    messages: stage.messages,
    problems,
  }
}

/** The result of one stage of an action. */
interface Stage extends Pick<Observation, 'attempts' | 'arrived' | 'messages' | 'problems'> {
  readonly tookMs: number
  /** By `awakeTime`. */
  readonly endedAt: number
}

async function atRoot(row: FaultRow, context: FaultContext): Promise<Stage> {
  const setting = await row.provoke(context)
  const step = await runStep(
    options(row, context, setting, { 'task-id': context.taskId, status: 'FAILED', ...FAILED_TEXTS }),
  )
  const arrived = context.service.task(context.taskId).status === 'FAILED'
  return {
    ...seen(step, context, 0),
    arrived: arrived ? 'yes' : 'no',
    problems: [...problemsOf(step, arrived, row, context), ...contradictions(step, setting, { reported: arrived })],
  }
}

async function atPoll(row: FaultRow, context: FaultContext): Promise<Stage> {
  const setting = await row.provoke(context)
  const inputs = { 'worker-group': 'ci', 'wait-seconds': String(row.waitSeconds ?? 0) }
  const step = await runStep({ ...options(row, context, setting, inputs), action: 'poll-for-task' })
  const { state } = context.service.task(context.taskId)
  const isHandedOn = step.outputs['task-id'] === context.taskId && step.exitCode === 0
  const isHeld = state === 'running'
  return {
    ...seen(step, context, 0),
    arrived: isHandedOn
      ? isHeld
        ? 'yes'
        : 'yes, unacknowledged'
      : isHeld
        ? 'no, and nobody has it'
        : 'no, another poll gets it',
    problems: [...problemsOf(step, isHandedOn, row, context), ...contradictions(step, setting, { found: isHandedOn })],
  }
}

/** A step of task-runner, with the fault at the report of the end. */
async function atTaskRunner(row: FaultRow, context: FaultContext): Promise<Stage> {
  const { job, service, taskId } = context
  const setting = await row.provoke(context)
  const step = { ...options(row, context, setting, TASK_RUNNER_INPUTS), action: 'task-runner' }
  const main = await job.main('runner', step)
  const stage = seen(main, context, 0)
  const isReported = service.task(taskId).status === 'FINISHED'
  service.clearFaults()
  const post = await job.post('runner', { ...step, env: context.env })
  const { status, state } = service.task(taskId)
  const isByPost = !isReported && status === 'FINISHED'
  const isTaken = state !== 'waiting'
  return {
    ...stage,
    arrived: isReported ? 'yes' : isByPost ? 'no; FINISHED by post' : isTaken ? 'no' : 'no, another poll gets it',
    problems: [
      ...problemsOf(main, isReported, row, context),
      ...contradictions(main, setting, { reported: isReported }),
      ...(status === 'FAILED' ? ['a command that ended well was reported as FAILED'] : []),
      ...(post.exitCode === (isTaken && !isReported && !isByPost ? 1 : 0)
        ? []
        : [`the post step ended with ${post.exitCode}: ${post.stdout}`]),
    ],
  }
}

/** A step of task-runner, with the fault at the heartbeats while the command runs. */
async function whileTaskRuns(row: FaultRow, context: FaultContext): Promise<Stage> {
  const { job, service, taskId } = context
  const go = join(context.folder(), 'go')
  const run = ready(`until [ -e '${go}' ]; do sleep 0.1; done`)
  const { inputs, env = {}, limitMs = LIMIT_MS } = options(row, context, {}, { ...TASK_RUNNER_INPUTS, run })
  const { done } = await startTasks(job, inputs, { env, limitMs })
  const before = service.requestsFor('ReportTaskProgress').length
  await row.provoke(context)
  const startedAt = performance.now()
  const isBeating = (): boolean => arrivedAfter(context, before)
  const mayBeat = row.expected[context.action]?.arrived === 'yes'
  await eventually(isBeating, context.outageMs + (mayBeat ? NEXT_BEAT_MS : NO_BEAT_MS))
  const tookMs = performance.now() - startedAt
  const attempts = service.requestsFor('ReportTaskProgress').length - before
  writeFileSync(go, '')
  const step = await done
  const isReported = service.task(taskId).status === 'FINISHED'
  return {
    ...seen(step, context, before),
    attempts,
    tookMs,
    arrived: isReported && isBeating() ? 'yes' : 'no',
    problems: problemsOf(step, isReported, row, context),
  }
}

async function atActivity(row: FaultRow, context: FaultContext): Promise<Stage> {
  const { action, job, service, taskId } = context
  const at = (stage: typeof action): Promise<Setting> | Setting => (action === stage ? row.provoke(context) : {})
  const step = (setting: Setting): StepOptions => ({
    ...options(row, context, setting, { 'task-id': taskId, 'heartbeat-seconds': '5' }),
    action: 'activity',
  })
  const mainSetting = await at('activity: main')
  const main = await job.main('activity', step(mainSetting))
  const isHeld = main.exitCode === 0 && job.heartbeats().length === 1 && service.task(taskId).state === 'running'
  const atMain = seen(main, context, 0)
  if (action !== 'activity: main' && !isHeld) throw new Error(`the main step failed without a fault:\n${main.stdout}`)

  const before = service.requestsFor(context.operation).length
  let beating: { isBeating: boolean; tookMs: number } | undefined
  if (action === 'activity: heartbeat') {
    await row.provoke(context)
    beating = await nextBeat(row, context, before)
  }
  const beats = service.requestsFor(context.operation).slice(before)
  const beatEndedAt = awakeTime()
  if (action !== 'activity: post') service.clearFaults()
  const postSetting = await at('activity: post')
  const postStartedAt = service.requestsFor('SetTaskStatus').length
  const post = await job.post('activity', { ...step(postSetting), jobStatus: isHeld ? 'success' : 'failure' })
  const expected = isHeld ? 'FINISHED' : 'FAILED'
  const isReported = service.task(taskId).status === expected
  const problems = (await job.heartbeatsEnd()) ? [] : ['the heartbeats continue after the post step']

  switch (action) {
    case 'activity: main':
      return {
        ...atMain,
        arrived: isHeld ? 'yes' : isReported ? 'no; FAILED by post' : 'no',
        problems: [
          ...problems,
          ...problemsOf(main, isHeld, row, context),
          ...(post.exitCode === (isReported ? 0 : 1)
            ? []
            : [`the post step ended with ${post.exitCode}: ${post.stdout}`]),
        ],
      }
    case 'activity: heartbeat':
      return {
        ...seen(post, context, 0),
        attempts: beats.length,
        tookMs: beating?.tookMs ?? 0,
        endedAt: beatEndedAt,
        arrived: isReported ? (beating?.isBeating ? 'yes' : 'no; FINISHED by post') : 'no',
        problems: [
          ...problems,
          ...problemsOf(post, isReported, row, context),
          ...(beating?.isBeating && beats.some(({ fault }) => fault) && / sent, 0 failed/.test(post.stdout)
            ? ['a beat that failed was taken for one that arrived']
            : []),
        ],
      }
    default:
      return {
        ...seen(post, context, postStartedAt),
        arrived: isReported ? 'yes' : 'no',
        problems: [
          ...problems,
          ...problemsOf(post, isReported, row, context),
          ...contradictions(post, postSetting, {}),
        ],
      }
  }
}

/** Waits for a heartbeat that arrives after one that got the fault, or for the end of the heartbeats. */
async function nextBeat(
  { expected }: FaultRow,
  context: FaultContext,
  before: number,
): Promise<{ isBeating: boolean; tookMs: number }> {
  const startedAt = performance.now()
  const arrived = (): boolean => arrivedAfter(context, before)
  const withinMs = context.outageMs + (expected[context.action]?.arrived === 'yes' ? NEXT_BEAT_MS : NO_BEAT_MS)
  await eventually(() => arrived() || context.job.heartbeats().length === 0, withinMs)
  const tookMs = performance.now() - startedAt
  // The response has to reach the process.
  await eventually(() => false, 300)
  return { isBeating: arrived() && context.job.heartbeats().length === 1, tookMs }
}

/** Whether a heartbeat arrived after so many. */
function arrivedAfter({ service }: FaultContext, before: number): boolean {
  const beats = service.requestsFor('ReportTaskProgress').slice(before)
  return beats.some(({ response, fault }) => response?.status === 200 && fault === undefined)
}

function options(
  row: FaultRow,
  context: FaultContext,
  setting: Setting,
  inputs: Readonly<Record<string, string>>,
): StepOptions {
  return {
    ...setting,
    inputs: {
      ...inputs,
      ...context.inputs,
      ...(row.isEndless ? { 'timeout-seconds': String(context.scale.budgetSeconds) } : {}),
    },
    env: { ...context.env, ...setting.env },
    limitMs: LIMIT_MS,
  }
}

function seen(step: StepResult, context: FaultContext, before: number): Omit<Stage, 'arrived' | 'problems'> {
  return {
    attempts: context.service.requestsFor(context.operation).length - before,
    messages: [...step.errors, ...step.warnings],
    tookMs: step.tookMs,
    endedAt: awakeTime(),
  }
}

/** What must hold for every step and every fault. */
function problemsOf(step: StepResult, isDone: boolean, row: FaultRow, context: FaultContext): string[] {
  const problems: string[] = []
  const check = (problem: string, holds: boolean): void => {
    if (holds) problems.push(problem)
  }
  check(
    `exit code ${step.exitCode}, though ${isDone ? 'it was done' : 'it was not done'}`,
    step.exitCode !== (isDone ? 0 : 1),
  )
  check('an error and exit code 0, or none and 1', (step.errors.length === 1) !== (step.exitCode === 1))
  check(
    `an error that does not name what failed: ${step.errors}`,
    step.errors.some((error) => !/^Could not /.test(error)),
  )
  check(`something on standard error: ${step.stderr}`, step.stderr !== '')
  check('a stack trace in the log', /^ {4}at /m.test(step.stdout))
  if (row.isEndless && !row.expected[context.action]?.isLong) {
    const budgetMs = context.scale.budgetSeconds * 1000 + ALLOWANCE_MS
    check(`took ${Math.round(step.tookMs)} ms`, step.tookMs > budgetMs)
  }
  return problems
}

/** Outputs that differ from what happened, where they could be written. */
function contradictions(step: StepResult, { env }: Setting, flags: Readonly<Record<string, boolean>>): string[] {
  if (env?.['GITHUB_OUTPUT'] !== undefined) return []
  return Object.entries(flags)
    .filter(([name, value]) => step.outputs[name] !== String(value))
    .map(([name, value]) => `the output ${name} is ${step.outputs[name]}, and should be ${value}`)
}
