// The state that the main step of activity saves for its post step: pure functions, thousands of cases.
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { sanitizeErrorInputs } from '../../src/activity/sanitize-error-inputs.ts'
import { ActivityRecord, type SavedHeartbeat } from '../../src/activity/saved-state.ts'
import { CONFIGURED_ENDPOINT_VARIABLES } from '../../src/aws/endpoint.ts'
import { type ActivityReportInputs, readActivityReportInputs } from '../../src/inputs/activity.ts'
import { ConfigurationError } from '../../src/util/errors.ts'
import { anyLongText } from '../support/texts.ts'
import { PROPERTY_LIMIT_MS, runs } from './runs.ts'

/** Linux, MAX_ARG_STRLEN: bytes of one environment variable with its name and the zero byte at its end. */
const MAX_VARIABLE_BYTES = 131_072
const SECRET = 'SECRET-abc/def+'

// Texts that become longest in JSON: characters that become two or six, and those of many bytes.
const large = fc
  .tuple(
    fc.constantFrom('"', '\\', '\n', 'x\u0001', '\u0001', '\ud800', 'é', '漢', '\u{1f4a5}', SECRET),
    fc.nat(90_000),
  )
  .map(([unit, count]) => unit.repeat(count))
const text = fc.oneof(anyLongText, large)

/** A value up to its limit, and a little more. */
function upTo(most: number, units: readonly string[], start = ''): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...units), fc.oneof(fc.constant(most), fc.integer({ min: 0, max: most + 10 })))
    .map(([unit, count]) => start + unit.repeat(Math.max(0, count - start.length)))
}

const inputs = fc.record(
  {
    'task-id': upTo(2048, ['x', '"', '\\', '漢', '\u{1f4a5}']),
    'error-id': text,
    'error-message': text,
    'error-stack-trace': text,
    'error-stack-trace-file': fc.oneof(text, upTo(4096, ['x', '/', '"', '\u0001', '漢', '\ud800'])),
    'aws-region': upTo(63, ['r']),
    'role-to-assume': upTo(2048, ['r', '/'], 'arn:aws:iam::123456789012:role/'),
    'role-session-name': upTo(64, ['s']),
    audience: upTo(1024, ['a', '"', '漢', '\u{1f4a5}']),
  },
  { requiredKeys: ['task-id'] },
)
const ENDPOINTS = CONFIGURED_ENDPOINT_VARIABLES.map((name) => [name, `https://${'"'.repeat(2040)}`])
// The folder is in the temporary folder of the runner, whose path is not an input.
const folder = upTo(4096, ['f', '"', '漢'])

test(
  'any accepted inputs: main saves less than the limit of Linux for post, and no secret',
  () => {
    fc.assert(
      fc.property(inputs, folder, (given, path) => {
        const read = readInputs(given)
        if (read === undefined) return
        const { error } = sanitizeErrorInputs(read.error, [SECRET])
        const heartbeat = { pid: 4_194_304, startedAt: '9'.repeat(20), folder: path }
        const saved = saveRunning({ ...read, error }, heartbeat)
        expect(Buffer.byteLength(`STATE_activity=${saved}\0`)).toBeLessThanOrEqual(MAX_VARIABLE_BYTES)
        for (const field of [error.errorId, error.errorMessage, error.errorStackTrace])
          expect(field ?? '').not.toContain(SECRET)
      }),
      { numRuns: runs(400) },
    )
  },
  PROPERTY_LIMIT_MS,
)

test(
  'any error inputs: post sanitizes them again, which changes nothing',
  () => {
    const errors = fc.record({
      errorId: fc.option(text, { nil: undefined }),
      errorMessage: fc.option(text, { nil: undefined }),
      errorStackTrace: fc.option(text, { nil: undefined }),
      errorStackTraceFile: fc.option(text, { nil: undefined }),
    })
    fc.assert(
      fc.property(errors, (given) => {
        const { error } = sanitizeErrorInputs(given, [SECRET])
        expect(sanitizeErrorInputs(error, [SECRET])).toEqual({ error, adjustments: [] })
      }),
      { numRuns: runs(400) },
    )
  },
  PROPERTY_LIMIT_MS,
)

test('a path of 4096 characters is kept, and a longer one is ignored with one sentence', () => {
  const withPath = (length: number) => sanitizeErrorInputs({ ...NO_TEXTS, errorStackTraceFile: 'p'.repeat(length) }, [])
  expect(withPath(4096)).toEqual({ error: { ...NO_TEXTS, errorStackTraceFile: 'p'.repeat(4096) }, adjustments: [] })
  const { error, adjustments } = withPath(90_000)
  expect(error).toEqual(NO_TEXTS)
  expect(adjustments).toHaveLength(1)
  expect(adjustments[0]).toMatch(/^error-stack-trace-file: ignored.*90000 characters.*"p{40}…".*4096/)
})

const NO_TEXTS = {
  errorId: undefined,
  errorMessage: undefined,
  errorStackTrace: undefined,
  errorStackTraceFile: undefined,
}

/** Undefined where the inputs are rejected. */
function readInputs(given: Readonly<Record<string, string | undefined>>): ActivityReportInputs | undefined {
  try {
    return readActivityReportInputs((name) => given[name]?.trim() ?? '')
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError)
    return undefined
  }
}

function saveRunning(inputs: ActivityReportInputs, heartbeat: SavedHeartbeat): string {
  let saved = ''
  const runner = {
    env: Object.fromEntries(ENDPOINTS),
    saveState(_name: string, value: string) {
      saved = value
    },
  }
  new ActivityRecord(runner, inputs).running(heartbeat, 'r'.repeat(63))
  return saved
}
