import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Runner } from '../../../src/github/runner.ts'
import type { Decision } from '../../../src/report/decision.ts'
import { type MarkedReport, ReportMarker } from '../../../src/report/report-marker.ts'
import { DirectRoute, type RoutedReport } from '../../../src/report/report-route.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'route-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const marker = (): ReportMarker => new ReportMarker(folder, 'id', (error) => expect(error).toBeUndefined())
const RUNNER = {} as Runner
const FAILED: Decision = { by: 'step', status: 'FAILED', versions: [{}] }

type Marked = Omit<MarkedReport, 'owner'>

test.each<[string, Marked | undefined, Decision['by'], Partial<Marked>]>([
  ['nothing: it reports', undefined, 'step', { sent: false, by: 'step', decision: undefined }],
  [
    'an open decision: it stays',
    { sent: false, by: 'step', status: undefined, decision: FAILED },
    'post',
    { sent: false, by: 'post', decision: FAILED },
  ],
  [
    'a report: what the service has stays known',
    { sent: true, by: 'step', status: 'FALSE', decision: undefined },
    'step',
    { sent: true, by: 'step', status: 'FALSE' },
  ],
])('a step that begins finds %s', (_name, before, by, expected) => {
  if (before !== undefined) marker().write(before)
  new DirectRoute(by, marker(), RUNNER)
  expect(marker().read()).toMatchObject(expected)
})

test('a post step that finds a report sends nothing', async () => {
  marker().write({ sent: true, by: 'step', status: 'FINISHED', decision: undefined })
  const route = new DirectRoute('post', marker(), RUNNER)
  const report = { taskId: 't', by: 'post', status: 'FAILED' } as unknown as RoutedReport
  expect(await route.deliver(report)).toEqual({ outcome: 'not-needed', reason: 'reported' })
})
