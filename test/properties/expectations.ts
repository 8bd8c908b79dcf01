import { expect } from '@jest/globals'
import { redact } from '../../src/text/redact.ts'
import { checkConstraints } from '../fakes/aws/constraints.ts'
import { readActionFile } from '../support/action-file.ts'
import { windowFinder } from '../support/secret-windows.ts'
import type { StepResult } from '../support/step.ts'
import { ALL_SECRETS } from './any-inputs.ts'
import { type Exchange, saysError, saysSuccess } from './hostile-server.ts'

const HARMLESS = new Set(['error', 'warning', 'notice', 'group', 'endgroup', 'debug'])

const finders = new Map<string, (text: string) => string[]>()

/**
 * Expects no 12 consecutive characters of any secret in the text, whether or not the runner has decoded it.
 *
 * @param given secrets that were not in the environment
 */
export function expectNoSecret(text: string, given: readonly string[] = []): void {
  const key = given.join()
  const find = finders.get(key) ?? windowFinder([...ALL_SECRETS, ...given])
  finders.set(key, find)
  // The runner shows decoded commands.
  const visible = text.replace(/^::.*$/gm, (command) =>
    command.replaceAll('%0A', '\n').replaceAll('%0D', '\r').replaceAll('%25', '%'),
  )
  expect(find(visible)).toEqual([])
}

/** The texts in an output. JSON is parsed, as an escape and the text after it may look like a part of a secret. */
function textsOfOutput(output: string): string[] {
  const texts: string[] = []
  try {
    JSON.parse(output, (key, value) => {
      texts.push(key, String(value))
    })
    return texts
  } catch {
    return [output]
  }
}

/** The text in the form in which it may be shown. */
export function withoutSecrets(text: string): string {
  return redact(text, ALL_SECRETS).text
}

/**
 * What must hold for every run of an action, with any inputs and responses.
 *
 * @param given secrets that it got, and that were not in its environment
 */
export function expectCleanEnd(place: string, run: StepResult, given: readonly string[] = []): void {
  expect([0, 1]).toContain(run.exitCode)
  expect(run.errors).toHaveLength(Number(run.exitCode))
  for (const error of run.errors) expect(error.trim()).not.toBe('')
  for (const { name, properties } of run.commands) {
    expect([name, properties, HARMLESS.has(name)]).toEqual([name, {}, true])
  }
  for (const text of [run.stdout, run.summary, ...Object.values(run.outputs).flatMap(textsOfOutput)]) {
    expectNoSecret(text, given)
  }
  const declared = Object.keys(readActionFile(place).outputs)
  // The action.yml of activity declares the outputs of its main step only.
  if (declared.includes('reported')) expect(declared).toEqual(expect.arrayContaining(Object.keys(run.outputs)))
}

/** A text as read from the runner's files: in UTF-8, with \n for each line end, including that of its last line. */
export function asRead(text: unknown): string {
  // A value that is not a text is empty.
  const given = typeof text === 'string' ? text : ''
  return given.toWellFormed().replaceAll('\r\n', '\n').replace(/\r$/, '')
}

/** Checks a request against all published limits; for a task id, characters count and not UTF-16 units. */
export function expectWithinLimits({ body }: Exchange): Record<string, unknown> {
  const request = JSON.parse(body) as Record<string, unknown>
  const taskId = String(request['taskId'])
  expect([...taskId].length).toBeGreaterThan(0)
  expect([...taskId].length).toBeLessThanOrEqual(2048)
  const ascii = taskId.replaceAll(/[\u{10000}-\u{10ffff}]/gu, 'x')
  checkConstraints('SetTaskStatus', { ...request, taskId: ascii }, { stackTraceLimit: 4095 })
  return request
}

/**
 * What must hold for a run that reports: every request within the limits, no success without a report, and outputs that
 * match what was sent.
 *
 * @param reports all SetTaskStatus requests of the run
 */
export function expectTrueReport(
  run: StepResult,
  reports: readonly Exchange[],
  given: {
    readonly taskId: string
    readonly failOnError: boolean
    readonly dryRun: boolean
    /** Secrets that were not in the environment. */
    readonly secrets?: readonly string[]
  },
): void {
  const requests = reports.map(expectWithinLimits)
  for (const exchange of reports) expectNoSecret(exchange.body, given.secrets)
  for (const request of requests) {
    expect(request['taskId']).toBe(given.taskId)
    if (request['taskStatus'] === 'FINISHED') expect(Object.keys(request).sort()).toEqual(['taskId', 'taskStatus'])
    expect(request['taskStatus']).toBe(run.outputs['status'])
  }
  // It ends with the first success, and the end of no task is reported twice.
  const successes = reports.filter(({ response }) => saysSuccess(response))
  expect(successes).toEqual(reports.slice(reports.length - successes.length))
  expect(successes.length).toBeLessThanOrEqual(1)
  const isPresumed = run.warnings.some((text) => text.includes('Most likely the report succeeded'))
  if (isPresumed) {
    expect(successes).toEqual([])
    expect(reports.length).toBeGreaterThan(1)
    expect(reports.slice(0, -1).some(({ response }) => isLost(response))).toBe(true)
    const last = reports.at(-1)?.response
    expect(last && saysError(last, /TaskNotFound/)).toBe(true)
  }
  const isReported = successes.length === 1 || isPresumed
  expect(run.outputs['reported'] ?? 'false').toBe(String(isReported))
  expect(run.exitCode).toBe(isReported || given.dryRun || (!given.failOnError && run.outputs['reported']) ? 0 : 1)
  if (given.dryRun) expect(reports).toEqual([])
  if (run.exitCode === 0 && !isReported && !given.dryRun) {
    expect(run.warnings.filter((text) => text.includes('fail-on-error is false'))).toHaveLength(1)
  }
  if (!isReported) expect(run.outputs['request-id'] ?? '').toBe('')
  const sent = isReported ? (isPresumed ? requests : requests.slice(-1)) : requests.slice(0, 1)
  if (sent.length > 0) {
    expect(sent.map(textsOf)).toContainEqual([run.outputs['error-id'], run.outputs['error-message']])
  }
}

/** Whether the request may have taken effect although its response does not show it. */
function isLost(response: Exchange['response']): boolean {
  return response.breaks !== undefined || response.status < 300 || response.status === 502 || response.status === 504
}

function textsOf(request: Record<string, unknown>): [string, string] {
  return [asRead(request['errorId']), asRead(request['errorMessage'])]
}
