// Every fault at every action: the status arrives, or the step fails in time with the one right message.
import { afterAll, expect, test } from '@jest/globals'
import { leftOverProcesses } from '../support/job.ts'
import { FULL, SHORT } from './fault-context.ts'
import { type Action, FAULTS } from './fault-table.ts'
import { canMountDisk } from './full-disk.ts'
import {
  committedMatrix,
  DETAILS,
  differences,
  expectedOutcomes,
  matrixOf,
  writeDetails,
  writeMatrix,
} from './reliability.ts'
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
test('docs/reliability.md has the outcomes', () => {
  writeDetails(observations)
  process.stdout.write(`\nAttempts, times and messages are in ${DETAILS}.\n`)
  if (isWriting) writeMatrix(observations)
  // What was skipped has its expected outcome: the tests above compare the others with theirs.
  const observed = new Map(
    observations.map((observation) => [`${observation.fault}: ${observation.action}`, observation]),
  )
  const outcomes = expectedOutcomes().map((outcome) => observed.get(`${outcome.fault}: ${outcome.action}`) ?? outcome)
  expect(differences(committedMatrix(), matrixOf(outcomes))).toEqual([])
})
