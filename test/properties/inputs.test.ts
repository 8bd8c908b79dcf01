// Reading inputs is a pure function: thousands of cases each.
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readActivityReportInputs, readHeartbeatInputs } from '../../src/inputs/activity.ts'
import { readPollForTaskInputs } from '../../src/inputs/poll-for-task.ts'
import type { ReadInput } from '../../src/inputs/readers.ts'
import { readJobStatus } from '../../src/inputs/reporting.ts'
import { readSetTaskStatusInputs } from '../../src/inputs/set-task-status.ts'
import { ConfigurationError } from '../../src/util/errors.ts'
import { readActionFile } from '../support/action-file.ts'
import { NOT_ALLOWED } from '../support/texts.ts'
import { activityInputs, anyInputs, pollForTaskInputs, setTaskStatusInputs } from './any-inputs.ts'
import { PROPERTY_LIMIT_MS, runs } from './runs.ts'

type Inputs = Readonly<Record<string, string>>

const readerOf =
  (inputs: Inputs): ReadInput =>
  (name) =>
    (inputs[name] ?? '').trim()

/** What was read; undefined where the inputs were refused, as they should be: with a name, on one line, not endless. */
function read<T>(inputs: Inputs, how: (reader: ReadInput) => T): T | undefined {
  try {
    return how(readerOf(inputs))
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    const { message } = error as ConfigurationError
    expect(message).toMatch(/^(?=.*[Ii]nput "[a-z-]+")/)
    expect(message).not.toMatch(/[\r\n\0]/)
    expect(message.length).toBeLessThan(4_000)
    return undefined
  }
}

function expectSendable(text: string | undefined, most: number): void {
  if (text === undefined) return
  expect([...text].length).toBeGreaterThan(0)
  expect([...text].length).toBeLessThanOrEqual(most)
  expect(text).not.toMatch(NOT_ALLOWED)
}

function expectReporting({ timeoutSeconds, ...flags }: { timeoutSeconds: number }): void {
  expect(Number.isInteger(timeoutSeconds) && timeoutSeconds >= 1 && timeoutSeconds <= 3600).toBe(true)
  for (const flag of Object.values(flags)) expect(typeof flag).toBe('boolean')
}

function given(place: string, good: fc.Arbitrary<Inputs>): fc.Arbitrary<Inputs> {
  const names = Object.keys(readActionFile(place).inputs)
  return fc.oneof(
    anyInputs(names),
    fc.tuple(good, anyInputs(names)).map(([some, more]) => ({ ...some, ...more })),
    good,
  )
}

const options = { numRuns: runs(4_000) }

describe('any inputs are read within their limits, or rejected by name', () => {
  test(
    'of the root action',
    () => {
      fc.assert(
        fc.property(given('.', setTaskStatusInputs), (inputs) => {
          const parsed = read(inputs, readSetTaskStatusInputs)
          if (parsed === undefined) return
          expectSendable(parsed.taskId, 2048)
          expectReporting(parsed.reporting)
          const { status, cause } = parsed.status
          expect(['FINISHED', 'FAILED', 'FALSE']).toContain(status)
          // A success is reported only where every checked result is a success, or an input sets it.
          const word = inputs['status']?.trim().toLowerCase() ?? ''
          if (word !== '') expect(cause.kind).toBe('given')
          else if (status === 'FINISHED') {
            expect(inputs['job-status']?.trim().toLowerCase()).toBe('success')
            expect(cause).toEqual({ kind: 'job', outcome: 'success' })
          }
          if (status === 'FALSE' && word === '') expect(inputs['precondition']?.trim().toLowerCase()).toBe('true')
        }),
        options,
      )
    },
    PROPERTY_LIMIT_MS,
  )

  test(
    'of poll-for-task',
    () => {
      fc.assert(
        fc.property(given('poll-for-task', pollForTaskInputs), (inputs) => {
          const parsed = read(inputs, readPollForTaskInputs)
          if (parsed === undefined) return
          for (const text of [parsed.workerGroup, parsed.hostname, parsed.taskrunnerId]) expectSendable(text, 1024)
          expectReporting(parsed.reporting)
          expect(parsed.waitSeconds >= 0 && parsed.waitSeconds <= 432_000).toBe(true)
          expect(parsed.maxTasks >= 1 && parsed.maxTasks <= 256).toBe(true)
          expect(parsed.jobTotal >= 1 && parsed.jobTotal <= 256).toBe(true)
        }),
        options,
      )
    },
    PROPERTY_LIMIT_MS,
  )

  test(
    'of activity: first those of its report, as an error in the others must be reported',
    () => {
      fc.assert(
        fc.property(given('activity', activityInputs), (inputs) => {
          const report = read(inputs, readActivityReportInputs)
          if (report === undefined) return
          expectSendable(report.taskId, 2048)
          expectReporting(report.reporting)
          const heartbeat = read(inputs, readHeartbeatInputs)
          if (heartbeat === undefined) return
          expect(heartbeat.heartbeatSeconds >= 5 && heartbeat.heartbeatSeconds <= 300).toBe(true)
          expect(heartbeat.maxLifetimeMinutes >= 1 && heartbeat.maxLifetimeMinutes <= 7200).toBe(true)
          // The post step reads it again, and must accept it.
          expect(() => readJobStatus(readerOf(inputs))).not.toThrow()
        }),
        options,
      )
    },
    PROPERTY_LIMIT_MS,
  )
})
