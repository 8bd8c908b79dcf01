// Every fault at every action: the status arrives, or the step fails in time with the one right message.
import { afterAll, expect, test } from '@jest/globals'
import { leftOverProcesses } from '../support/job.ts'
import { FULL, SHORT } from './fault-context.ts'
import { type Action, FAULTS } from './fault-table.ts'
import { canMountDisk } from './full-disk.ts'
import { documentedRows, rowOf, tableOf, writeReliability } from './reliability.ts'
import { type Observation, runFault } from './run-fault.ts'

const isShort = process.env['TEST_MODE'] === 'short'
const isWriting = process.env['TEST_MODE'] === 'write'
const hasDisk = canMountDisk()
const observations: Observation[] = []

afterAll(async () => {
  expect(await leftOverProcesses()).toEqual([])
})

for (const row of FAULTS) {
  for (const [action, expectation] of Object.entries(row.expected)) {
    const isSkipped = (row.needsDisk && !hasDisk) || (isShort && expectation.isLong)
    // No describe blocks: Jest runs those one after the other.
    const run = isSkipped ? test.concurrent.skip : test.concurrent
    run(`${row.fault} › ${action}: ${expectation.arrived}`, async () => {
      const observation = await runFault(row, action as Action, isShort ? SHORT : FULL)
      observations.push(observation)
      expect(observation).toMatchObject({
        arrived: expectation.arrived,
        messages: expectation.message ? [expect.stringMatching(expectation.message)] : [],
        problems: [],
      })
    })
  }
}

// Last, after all others have ended.
test('docs/RELIABILITY.md has the observed results', () => {
  process.stdout.write(`\n${tableOf(observations)}\n`)
  if (isWriting) writeReliability(observations)
  const documented = documentedRows()
  for (const observation of observations) expect(documented).toContain(rowOf(observation))
  const rows = FAULTS.flatMap(({ expected }) => Object.keys(expected))
  expect(documented).toHaveLength(rows.length)
})
