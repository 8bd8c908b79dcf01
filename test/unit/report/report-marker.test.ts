import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type Decision, prevailing } from '../../../src/report/decision.ts'
import { ReportMarker } from '../../../src/report/report-marker.ts'

let folder = ''
const problems: unknown[] = []
const marker = (): ReportMarker => new ReportMarker(folder, 'id', (error) => problems.push(error))
const file = (): string => join(folder, 'aws-datapipeline-report-id.json')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'marker-'))
  problems.length = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const FAILED: Decision = { by: 'step', status: 'FAILED', versions: [{ errorId: 'A', errorMessage: 'b' }, {}] }

describe('the marker of a report', () => {
  test('what is written can be read by another step, and nobody else', () => {
    marker().write({ sent: false, by: 'step', decision: FAILED, status: undefined })
    expect(marker().read()).toMatchObject({ sent: false, by: 'step', decision: FAILED })
    expect(readdirSync(folder)).toEqual(['aws-datapipeline-report-id.json'])
    if (process.platform !== 'win32') expect(statSync(file()).mode & 0o077).toBe(0)
    expect(problems).toEqual([])
  })

  test('a later step takes over; one that is missing counts as the own', () => {
    const [first, second] = [marker(), marker()]
    first.write({ sent: false, by: 'step', decision: undefined, status: undefined })
    expect(first.isMine()).toBe(true)
    second.write({ sent: false, by: 'step', decision: undefined, status: undefined })
    expect([first.isMine(), second.isMine()]).toEqual([false, true])
    rmSync(file())
    expect([first.isMine(), second.isMine()]).toEqual([true, true])
  })

  test.each<[string, () => void]>([
    ['half of one', () => writeFileSync(file(), '{"owner":"x","sent":tr')],
    ['other JSON', () => writeFileSync(file(), '[1]')],
    ['other types', () => writeFileSync(file(), '{"owner":1,"sent":"yes","by":"step"}')],
    ['another reporter', () => writeFileSync(file(), '{"owner":"x","sent":true,"by":"me"}')],
    ['a huge file', () => writeFileSync(file(), 'x'.repeat(300_000))],
    ['a folder', () => mkdirSync(file())],
    ['a named pipe', () => execFileSync('mkfifo', [file()])],
    ['a link', () => symlinkSync(join(folder, 'elsewhere'), file())],
  ])('%s in its place is none, and stops nothing', (_name, put) => {
    writeFileSync(join(folder, 'elsewhere'), '{"owner":"x","sent":true,"by":"step"}')
    put()
    expect(marker().read()).toBeUndefined()
    expect(marker().isMine()).toBe(true)
    marker().write({ sent: true, by: 'post', decision: undefined, status: undefined })
  })

  test('a status that nobody knows is no decision', () => {
    const text = JSON.stringify({ owner: 'x', sent: false, by: 'step', decision: { ...FAILED, status: 'PERHAPS' } })
    writeFileSync(file(), text)
    expect(marker().read()).toMatchObject({ sent: false, decision: undefined, status: undefined })
  })
})

describe('which decision a post step reports', () => {
  const of = (by: Decision['by'], status: Decision['status']): Decision => ({ by, status, versions: [{}] })

  test.each([
    [undefined, 'FINISHED', 'FINISHED'],
    ['FAILED', 'FINISHED', 'FAILED'],
    ['FALSE', 'FINISHED', 'FALSE'],
    ['FALSE', 'FAILED', 'FALSE'],
    ['FINISHED', 'FINISHED', 'FINISHED'],
    ['FINISHED', 'FAILED', 'FAILED'],
    ['FINISHED', 'FALSE', 'FALSE'],
  ] as const)('the root action open with %s, the job as %s: %s', (open, post, expected) => {
    const [root, own] = [open && of('step', open), of('post', post)]
    expect(prevailing(root, own)).toBe(expected === open && root ? root : own)
    expect(prevailing(root, own).status).toBe(expected)
  })

  test('another post step open: the later one counts', () => {
    expect(prevailing(of('post', 'FAILED'), of('post', 'FINISHED')).status).toBe('FINISHED')
  })
})
