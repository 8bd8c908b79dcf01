import { expect, test } from '@jest/globals'
import { collectEvidence } from '../../../src/evidence/collect.ts'
import type { EvidenceRequest } from '../../../src/evidence/facts.ts'
import type { GitHubApi, Job } from '../../../src/github/api.ts'
import { workflowRunOf } from '../../../src/github/workflow-run.ts'
import { systemClock } from '../../../src/util/clock.ts'
import { Deadline } from '../../../src/util/deadline.ts'

const SECRET = 'wJalrXUtnFEMI'
const redact = (text: string): string => text.replaceAll(SECRET, '***')
const MAX_BYTES = 10_240

const JOB = {
  id: 1,
  name: `load (${SECRET})`,
  status: 'completed',
  conclusion: 'failure',
  runnerName: 'r',
  link: 'https://job',
  steps: [{ name: `Run ${SECRET}`, conclusion: 'failure' }],
} as unknown as Job

const REQUEST: EvidenceRequest = {
  cause: { kind: 'needs', jobs: [{ key: 'load', result: 'failure' }], passing: [] },
  run: workflowRunOf({ GITHUB_RUN_ID: '7', GITHUB_REPOSITORY: 'o/r' }),
  checkRunId: undefined,
  wantsTrace: true,
}

/** GitHub's API, with a secret in every text. */
function apiWith(parts: Partial<GitHubApi> = {}): GitHubApi {
  return {
    job: async () => JOB,
    jobsOfAttempt: async () => [JOB],
    annotations: async () => [
      { level: 'failure', message: `broken ${SECRET}`, place: { path: `src/${SECRET}.ts`, line: 3 } },
    ],
    logEnd: async () => `2026-01-02T03:04:05Z ##[error]log ${SECRET}\n`,
    cancelRun: async () => undefined,
    ...parts,
  } as GitHubApi
}

function collect(request: EvidenceRequest, api: GitHubApi | undefined, budgetMs = 10_000) {
  const deadline = new Deadline(systemClock, budgetMs)
  return collectEvidence(request, { connect: api && (async () => api), deadline, redact }, MAX_BYTES)
}

test('needed jobs: no secret in any of their texts', async () => {
  const { message, trace, problem } = await collect(REQUEST, apiWith())
  expect(message).toMatch(/^Job "load \(\*\*\*\)" failed in step "Run \*\*\*": log \*\*\*/)
  expect(trace).toBe('error: src/***.ts:3: broken ***\nerror: log ***')
  expect(JSON.stringify([message, trace])).not.toContain(SECRET)
  expect(problem).toBeUndefined()
})

test('this job: no secret in its name and steps', async () => {
  const request: EvidenceRequest = { ...REQUEST, cause: { kind: 'job', outcome: 'failure' }, checkRunId: 1 }
  const { message } = await collect(request, apiWith())
  expect(message).toMatch(/^Job "load \(\*\*\*\)" failed in step "Run \*\*\*"\.\n/)
})

test('GitHub is not called: what is known', async () => {
  const { message, trace, problem } = await collect(REQUEST, undefined)
  expect(message).toMatch(/^Job "load" failed\.\n[\s\S]*runs\/7$/)
  expect([trace, problem]).toEqual([undefined, undefined])
})

test.each<[string, Partial<GitHubApi>, RegExp, RegExp]>([
  [
    'the jobs',
    { jobsOfAttempt: () => new Promise(() => undefined) },
    /^Job "load" failed\.\n/,
    /did not respond within 0\.3 s/,
  ],
  [
    'the log',
    { logEnd: () => new Promise(() => undefined) },
    /^Job "load \(\*\*\*\)" failed in step "Run \*\*\*": src\/\*\*\*\.ts:3: broken \*\*\*/,
    /did not respond within 0\.3 s/,
  ],
  [
    'annotations',
    { annotations: () => new Promise(() => undefined) },
    /^Job "load \(\*\*\*\)" failed in step "Run \*\*\*": log \*\*\*/,
    /did not respond within 0\.3 s/,
  ],
])('GitHub hangs at %s: the deadline leaves what was fetched', async (_name, parts, message, problem) => {
  const evidence = await collect(REQUEST, apiWith(parts), 300)
  expect(evidence.message).toMatch(message)
  expect(evidence.problem).toMatch(problem)
})

test('the log can not be downloaded: the rest, and the reason', async () => {
  const logEnd = async (): Promise<string> => {
    throw new Error('no log')
  }
  const { trace, problem } = await collect(REQUEST, apiWith({ logEnd }))
  expect(trace).toBe('error: src/***.ts:3: broken ***')
  expect(problem).toBe('no log')
})
