import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Cause } from '../../../src/domain/cause.ts'
import { PUBLISHED_LIMITS, REDUCED_LIMITS } from '../../../src/domain/error-fields.ts'
import { errorIdOf } from '../../../src/domain/error-id.ts'
import { errorMessageOf, type JobEvidence, type RunEvidence } from '../../../src/evidence/error-message.ts'
import { sanitizeErrorFields } from '../../../src/report/sanitize-error-fields.ts'
import { PROPERTY_LIMIT_MS, runs } from '../../properties/runs.ts'

const LIMIT = PUBLISHED_LIMITS.errorMessage.bytes
const LINK = 'https://github.com/octo/pipes/actions/runs/1/job/2'

const RUN: RunEvidence = {
  workflow: 'Nightly',
  repository: 'octo/pipes',
  runNumber: '17',
  attempt: '2',
  link: 'https://github.com/octo/pipes/actions/runs/1/attempts/2',
}

function job(parts: Partial<JobEvidence> = {}): JobEvidence {
  return { name: 'build', outcome: 'failure', steps: [], excerpt: undefined, link: LINK, ...parts }
}

describe('errorIdOf', () => {
  test.each<[string, Cause]>([
    ['ReportedFailed', { kind: 'given' }],
    ['JobFailed', { kind: 'job', outcome: 'failure' }],
    ['JobCancelled', { kind: 'job', outcome: 'cancelled' }],
    [
      'NeededJobFailed',
      {
        kind: 'needs',
        jobs: [
          { key: 'a', result: 'failure' },
          { key: 'b', result: 'skipped' },
        ],
        passing: [],
      },
    ],
    ['NeededJobCancelled', { kind: 'needs', jobs: [{ key: 'a', result: 'cancelled' }], passing: [] }],
    ['NeededJobSkipped', { kind: 'needs', jobs: [{ key: 'a', result: 'skipped' }], passing: [] }],
  ])('GitHubActions:%s', (id, cause) => {
    expect(errorIdOf(cause)).toBe(`GitHubActions:${id}`)
  })
})

describe('one job', () => {
  test.each<[string, Partial<JobEvidence>, string]>([
    ['nothing more is known', {}, 'Job "build" failed.'],
    ['its step', { steps: ['Run make'] }, 'Job "build" failed in step "Run make".'],
    ['its steps', { steps: ['Run make', 'Upload'] }, 'Job "build" failed in step "Run make", "Upload".'],
    ['three steps', { steps: ['a', 'b', 'c'] }, 'Job "build" failed in step "a", "b", "c".'],
    ['more steps', { steps: ['a', 'b', 'c', 'd', 'e'] }, 'Job "build" failed in step "a", "b", "c" and 2 more.'],
    ['not even its name', { name: undefined }, 'A needed job failed.'],
    ['it succeeded', { outcome: 'success' }, 'Job "build" succeeded.'],
    ['its workflow says so', { outcome: 'reported' }, 'Job "build" was reported as failed by its workflow.'],
    ['what it said', { excerpt: 'No rule.' }, 'Job "build" failed: No rule.'],
    [
      'step and words',
      { steps: ['Run make'], excerpt: 'a\n\n  b\r\nc' },
      'Job "build" failed in step "Run make": a b c',
    ],
    ['it was cancelled', { outcome: 'cancelled' }, 'Job "build" was cancelled.'],
    ['it was skipped', { outcome: 'skipped' }, 'Job "build" was skipped.'],
    ['it ran out of time', { outcome: 'timed_out' }, 'Job "build" ran out of time.'],
    ['a conclusion that GitHub invents later', { outcome: 'exploded' }, 'Job "build" ended with exploded.'],
    ['one that is a word of JavaScript', { outcome: 'constructor' }, 'Job "build" ended with constructor.'],
    ['a name with line ends and colours', { name: ' \u001b[1mbuild\u001b[0m\r\nit ' }, 'Job "build it" failed.'],
  ])('%s', (_, parts, sentence) => {
    expect(errorMessageOf({ jobs: [job(parts)], related: [], remarks: [], run: RUN }, LIMIT)).toBe(
      `${sentence}\nGitHub Actions: workflow "Nightly", octo/pipes, run 17, attempt 2\n${LINK}`,
    )
  })

  test('without a link of its own, the link to the run', () => {
    const message = errorMessageOf({ jobs: [job({ link: undefined })], related: [], remarks: [], run: RUN }, LIMIT)
    expect(message.endsWith(`\n${RUN.link}`)).toBe(true)
  })

  test('an attempt that is not known is not named', () => {
    const run = { ...RUN, attempt: undefined }
    expect(errorMessageOf({ jobs: [job()], related: [], remarks: [], run }, LIMIT)).toBe(
      `Job "build" failed.\nGitHub Actions: workflow "Nightly", octo/pipes, run 17\n${LINK}`,
    )
  })

  test('of a run of which nothing is known, only the job', () => {
    const run = {
      workflow: undefined,
      repository: undefined,
      runNumber: undefined,
      attempt: undefined,
      link: undefined,
    }
    const message = errorMessageOf({ jobs: [job({ link: undefined })], related: [], remarks: [], run }, LIMIT)
    expect(message).toBe('Job "build" failed.')
  })
})

describe('several jobs', () => {
  test('each is named with its link; the last line is the link to the run', () => {
    const jobs = [job({ name: 'a', steps: ['s'] }), job({ name: 'b', outcome: 'skipped', link: undefined })]
    expect(errorMessageOf({ jobs, related: [], remarks: ['By the way.'], run: RUN }, LIMIT).split('\n')).toEqual([
      '2 jobs did not succeed:',
      `- Job "a" failed in step "s". ${LINK}`,
      '- Job "b" was skipped.',
      'By the way.',
      'GitHub Actions: workflow "Nightly", octo/pipes, run 17, attempt 2',
      RUN.link,
    ])
  })

  test.each([2, 100, 256, 1000])('of %d, as many as fit, then how many more', (count) => {
    const jobs = Array.from({ length: count }, (_, index) => job({ name: `test (${index})`, excerpt: 'x'.repeat(50) }))
    const message = errorMessageOf({ jobs, related: [], remarks: [], run: RUN }, LIMIT)
    const named = message.split('\n').filter((line) => line.startsWith('- ')).length
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(LIMIT)
    if (named < count) {
      expect(message).toContain(`\nand ${count - named} more\n`)
      // Another one would not have fitted.
      expect(Buffer.byteLength(message)).toBeGreaterThan(LIMIT - 250)
    } else {
      expect(message).not.toMatch(/and \d+ more/)
    }
  })
})

test('as many jobs as fit into any limit, to the byte, and not one more', () => {
  const jobs = Array.from({ length: 60 }, (_, index) => job({ name: `test (${index + 10})`, link: undefined }))
  const line = '\n- Job "test (10)" failed.'.length
  const errorMessage = (limit: number): string => errorMessageOf({ jobs, related: [], remarks: [], run: RUN }, limit)
  const shortest = errorMessage(0).length
  expect(errorMessage(0)).not.toContain('- Job')
  const counts = new Set<number>()
  // On both sides of each byte at which one more fits.
  for (let limit = shortest; limit < shortest + 40 * line; limit += limit % line === shortest % line ? line - 1 : 1) {
    const message = errorMessage(limit)
    const named = message.split('\n').filter((text) => text.startsWith('- Job')).length
    expect(message).toContain(`\nand ${60 - named} more\n`)
    expect(named).toBe(Math.floor((limit - shortest) / line))
    expect(message).toHaveLength(shortest + named * line)
    counts.add(named)
  }
  expect(counts.size).toBe(40)
})

test('what one of several jobs said is shorter than what a single one did', () => {
  const excerpt = 'x'.repeat(5_000)
  const lengthOf = (count: number): number => {
    const jobs = Array.from({ length: count }, () => job({ excerpt }))
    const message = errorMessageOf({ jobs, related: [], remarks: [], run: RUN }, LIMIT)
    return /failed: (x.*x)/.exec(message)?.[1]?.length ?? 0
  }
  // The line ends of the mark become one space each.
  expect(lengthOf(1)).toBe(1_500)
  expect(lengthOf(2)).toBe(300)
})

test.each([1, 2])('%d jobs of very many failed steps keep the limit', (count) => {
  const steps = Array.from({ length: 100 }, (_, index) => `${index} ${'🔥'.repeat(100)}`)
  const jobs = Array.from({ length: count }, () => job({ steps, excerpt: '🔥'.repeat(1_000) }))
  const message = errorMessageOf({ jobs, related: [], remarks: [], run: RUN }, LIMIT)
  expect(Buffer.byteLength(message)).toBeLessThanOrEqual(LIMIT)
  // What matters is there: the job, a step, and what it said.
  expect(message).toMatch(/Job "build" failed in step "0 🔥.*: 🔥/s)
  expect(message.endsWith(count === 1 ? LINK : String(RUN.link))).toBe(true)
})

test('related jobs are told after the others, and counted among those that do not fit', () => {
  const related = Array.from({ length: 500 }, (_, index) => job({ name: `Other ${index}` }))
  const message = errorMessageOf({ jobs: [job()], related, remarks: [], run: RUN }, LIMIT)
  const named = message.split('\n').filter((line) => line.startsWith('- In this run: ')).length
  expect(message).toMatch(/^Job "build" failed\.\n- In this run: Job "Other 0" failed\. http/)
  expect(message).toContain(`\nand ${500 - named} more\n`)
  expect(Buffer.byteLength(message)).toBeLessThanOrEqual(LIMIT)
})

describe('whatever it is made of', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 3000 }),
    fc.string({ unit: fc.constantFrom('🔥', 'é', '\u001b[31m', '\n', '\ud83d', 'x', '%') }),
    fc.nat(12_000).map((length) => '🔥'.repeat(length)),
  )
  const path = fc.string({ unit: fc.constantFrom('a', 'b', '-', '/'), minLength: 1, maxLength: 150 })
  const link = fc.option(
    path.map((rest) => `https://git.example/${rest}`),
    { nil: undefined },
  )
  const jobs = fc.array(
    fc.record({
      name: text,
      outcome: fc.oneof(fc.constantFrom('failure', 'cancelled', 'skipped', 'timed_out'), fc.string()),
      steps: fc.array(text, { maxLength: 30 }),
      excerpt: fc.option(text, { nil: undefined }),
      link,
    }),
    { minLength: 1, maxLength: 60 },
  )
  const run = fc.record({
    workflow: fc.option(text, { nil: undefined }),
    repository: fc.option(path, { nil: undefined }),
    runNumber: fc.option(fc.nat().map(String), { nil: undefined }),
    attempt: fc.option(fc.nat().map(String), { nil: undefined }),
    link: path.map((rest) => `https://git.example/run/${rest}`),
  })
  const parts = fc.record({
    jobs,
    related: fc.oneof(fc.constant([]), jobs),
    remarks: fc.array(fc.string({ maxLength: 100 }), { maxLength: 3 }),
    run,
  })

  test(
    'it keeps the limit and ends with the link, and so does what is sent, also within the reduced limits',
    () => {
      fc.assert(
        fc.property(parts, (message) => {
          const whole = errorMessageOf(message, LIMIT)
          const end = (message.jobs.length === 1 && message.jobs[0]?.link) || message.run.link
          expect(Buffer.byteLength(whole)).toBeLessThanOrEqual(LIMIT)
          expect(whole.endsWith(`\n${end}`)).toBe(true)
          for (const limits of [PUBLISHED_LIMITS, REDUCED_LIMITS]) {
            const { errorMessage = '' } = sanitizeErrorFields({ errorMessage: whole }, limits, []).fields
            expect(Buffer.byteLength(errorMessage)).toBeLessThanOrEqual(limits.errorMessage.bytes)
            expect(errorMessage.endsWith(`\n${end}`)).toBe(true)
          }
        }),
        { numRuns: runs(150) },
      )
    },
    PROPERTY_LIMIT_MS,
  )

  test(
    'nothing that GitHub or a log says can look like a line of its own',
    () => {
      fc.assert(
        fc.property(jobs, (some) => {
          const lines = errorMessageOf({ jobs: some, related: [], remarks: [], run: RUN }, LIMIT).split(/[\r\n]/)
          const named = lines.filter((line) => /^(- )?Job /.test(line)).length
          // The rest: a heading, how many more, the run and its link.
          expect(lines.length - named).toBeLessThanOrEqual(4)
          expect(lines.slice(-2)[0]).toMatch(/^GitHub Actions: /)
        }),
        { numRuns: runs(100) },
      )
    },
    PROPERTY_LIMIT_MS,
  )
})
