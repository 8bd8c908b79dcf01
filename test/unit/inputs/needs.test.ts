import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { NeededJob } from '../../../src/domain/needs.ts'
import { checkAllowances, parseNeeds } from '../../../src/inputs/needs.ts'
import { ConfigurationError } from '../../../src/util/errors.ts'
import { runs } from '../../properties/runs.ts'

const NOTHING_ALLOWED = { skips: [], failures: [] }

function jobs(results: Record<string, string>): NeededJob[] {
  return parseNeeds(
    JSON.stringify(Object.fromEntries(Object.entries(results).map(([key, result]) => [key, { result }]))),
  )
}

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('parseNeeds', () => {
  test('gives each job with its result, in the order of the workflow', () => {
    const text = '{"b":{"result":"failure","outputs":{"result":"success"}},"a":{"result":"skipped","outputs":{}}}'
    expect(parseNeeds(text)).toEqual([
      { key: 'b', result: 'failure' },
      { key: 'a', result: 'skipped' },
    ])
  })

  test('gives each result of a list, without a name, in its order', () => {
    expect(parseNeeds('["success",\n "cancelled"]')).toEqual([
      { key: undefined, result: 'success' },
      { key: undefined, result: 'cancelled' },
    ])
  })

  test('a list with an unknown result is told which, and what there is', () => {
    const error = (word: string): unknown => thrownBy(() => parseNeeds(JSON.stringify(['success', word])))
    expect(error('neutral')).toMatchObject({
      name: 'ConfigurationError',
      message: 'Invalid result "neutral" in input "needs". Expected one of: success, failure, cancelled, skipped.',
      hint: 'Write the line needs: ${{ toJSON(needs.*.result) }}',
    })
    expect(String(error('x'.repeat(5_000))).length).toBeLessThan(300)
  })

  test.each(['Success', ' success', '', 'constructor'])('%j is no result in a list', (word) => {
    expect(() => parseNeeds(JSON.stringify([word]))).toThrow(ConfigurationError)
  })

  test('takes a job of any name', () => {
    expect(jobs({ constructor: 'failure', toString: 'success', hasOwnProperty: 'skipped' })).toHaveLength(3)
    expect(parseNeeds('{"__proto__":{"result":"failure"}}')).toEqual([{ key: '__proto__', result: 'failure' }])
  })

  test.each([
    ['an inherited word is no result', '{"a":{"result":"constructor"}}'],
    ['a result is a text', '{"a":{"result":["success"]}}'],
    ['a job is an object', '{"a":"success"}'],
    ['a job is not null', '{"a":null}'],
    ['one job without a result spoils all', '{"a":{"result":"success"},"b":{}}'],
    ['an empty result', '{"a":{"result":""}}'],
    ['spaces around a result', '{"a":{"result":" success"}}'],
    // A job that lists no needs would be reported as FINISHED whatever failed before it.
    ['no jobs', '{}'],
  ])('refuses: %s', (_, text) => {
    expect(() => parseNeeds(text)).toThrow(ConfigurationError)
  })

  test('what is refused is shown, in part where it is long, with the line that the workflow should have', () => {
    const hint = 'Write the line needs: ${{ toJSON(needs) }}'
    const error = (text: string): unknown => thrownBy(() => parseNeeds(text))
    expect(error('[1]')).toMatchObject({
      message: 'Invalid value "[1]" for input "needs". Expected the needs context of a job.',
      hint,
    })
    expect(error('x'.repeat(120))).toMatchObject({ message: expect.stringContaining(`"${'x'.repeat(120)}"`), hint })
    expect(error('x'.repeat(121))).toMatchObject({ message: expect.stringContaining(`"${'x'.repeat(120)}…"`), hint })
    // What JSON.parse had against it is for the debug log.
    expect(error('{')).toMatchObject({ cause: expect.any(SyntaxError) })
  })

  test.each([
    '[1]',
    '[["success"]]',
    '["success",{"result":"success"}]',
    'null',
    '"success"',
    '1',
    'true',
    '',
    '{',
    '[null]',
  ])('%s is no needs context', (text) => {
    expect(() => parseNeeds(text)).toThrow(/Expected the needs context of a job/)
  })

  test.each(['{}', '[]'])('a job that needs no other (%s) gets a hint', (text) => {
    expect(thrownBy(() => parseNeeds(text))).toMatchObject({
      message: `Input "needs" is ${text}: this job needs no other job.`,
      hint: 'List the jobs in "needs: [...]" of this job, or omit the input to use only the status of this job.',
    })
  })

  test('throws nothing but ConfigurationError, and gives a known result for every job of the text', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      fc
        .dictionary(
          // Node 24 reads some keys wrong that have escapes in them, once it has read others (nodejs/node#63785).
          fc.string().map((key) => key.replaceAll(/["\\]/g, '_')),
          fc.record({ result: fc.oneof(fc.constantFrom('success', 'failure', 'cancelled', 'skipped'), fc.string()) }),
        )
        .map((value) => JSON.stringify(value)),
      fc.array(fc.constantFrom('success', 'failure', 'cancelled', 'skipped')).map((value) => JSON.stringify(value)),
    )
    fc.assert(
      fc.property(texts, (text) => {
        let parsed: NeededJob[]
        try {
          parsed = parseNeeds(text)
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigurationError)
          return
        }
        const value = JSON.parse(text) as Record<string, { result: string }> | string[]
        expect(parsed.length).toBeGreaterThan(0)
        const expected = Array.isArray(value)
          ? value.map((result) => ({ key: undefined, result }))
          : Object.entries(value).map(([key, { result }]) => ({ key, result }))
        expect(parsed).toEqual(expected)
      }),
      { numRuns: runs(300) },
    )
  })
})

describe('checkAllowances', () => {
  const known = jobs({ build: 'success', test: 'failure' })

  test('known names are all right, and none is, too', () => {
    expect(() => checkAllowances({ skips: ['build', 'test'], failures: ['test'] }, known)).not.toThrow()
    expect(() => checkAllowances(NOTHING_ALLOWED, known)).not.toThrow()
    expect(() => checkAllowances(NOTHING_ALLOWED, [])).not.toThrow()
  })

  test.each([
    ['allowed-skips', { skips: ['tests', 'build'], failures: [] }],
    ['allowed-failures', { skips: ['build'], failures: ['tests'] }],
  ])('an unknown name in %s is told with the jobs there are', (input, allowances) => {
    expect(() => checkAllowances(allowances, known)).toThrow(ConfigurationError)
    expect(() => checkAllowances(allowances, known)).toThrow(new RegExp(`${input}.*"tests".*build, test`))
  })

  test('each unknown name is shown, and how many there are does not make the message endless', () => {
    const error = thrownBy(() => checkAllowances({ skips: ['x', 'build', 'y'], failures: [] }, known))
    expect(error).toMatchObject({
      message: 'Input "allowed-skips" names "x", "y", which this job does not need. It needs: build, test.',
      hint: undefined,
    })
    const long = thrownBy(() => checkAllowances({ skips: ['x'.repeat(5_000)], failures: [] }, known))
    expect(long).toMatchObject({ message: expect.stringMatching(/^Input "allowed-skips" names "x+…", which/) })
    expect(String(long).length).toBeLessThan(300)
  })

  test.each([
    ['allowed-skips', { skips: ['build'], failures: [] }],
    ['allowed-failures', { skips: [], failures: ['build'] }],
  ])('%s without needs is told as that', (input, allowances) => {
    expect(thrownBy(() => checkAllowances(allowances, []))).toMatchObject({
      message: `Input "${input}" is set, but "needs" is not.`,
      hint: 'Add the line needs: ${{ toJSON(needs) }}',
    })
  })

  test.each([
    ['allowed-skips', { skips: ['build'], failures: [] }],
    ['allowed-failures', { skips: [], failures: ['build'] }],
  ])('%s with results that have no names is told what to give', (input, allowances) => {
    expect(thrownBy(() => checkAllowances(allowances, parseNeeds('["success"]')))).toMatchObject({
      name: 'ConfigurationError',
      message: `Input "${input}" names jobs, but "needs" has results without names.`,
      hint: expect.stringContaining('needs: \'{"KEY": {"result": "${{ needs.KEY.result }}"}}\''),
    })
  })

  test.each(['Build', 'build ', 'build*', 'buil', 'constructor'])('%j is not the job build', (name) => {
    expect(() => checkAllowances({ skips: [name], failures: [] }, known)).toThrow(ConfigurationError)
  })
})
