import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import {
  committedMatrix,
  differences,
  documentOf,
  expectedOutcomes,
  matrixIn,
  matrixOf,
} from '../faults/reliability.ts'
import { REPOSITORY } from '../support/action-file.ts'

const wanted = matrixOf(expectedOutcomes())

/** The matrix, with one thing changed. */
function changed(change: (matrix: Map<string, string[]>) => void): Map<string, string[]> {
  const matrix = structuredClone(wanted)
  change(matrix)
  return matrix
}

// The fault suite observes what the table expects, in short and at full length, or fails. So no long run is needed here.
test('docs/reliability.md has each fault and stage of the fault table, with its outcome', () => {
  expect(differences(committedMatrix(), wanted)).toEqual([])
  expect(readFileSync(join(REPOSITORY, 'docs', 'reliability.md'), 'utf8')).toBe(documentOf(wanted))
})

describe('a difference is found:', () => {
  test.each<[name: string, change: (matrix: Map<string, string[]>) => void, difference: string]>([
    ['a fault that is missing', (matrix) => matrix.delete('DNS failure'), 'DNS failure: is missing'],
    ['a fault that is no more', (matrix) => matrix.set('flood', []), 'flood: is no fault any more'],
    [
      'another outcome',
      (matrix) => matrix.get('DNS failure')?.splice(0, 1, '✅'),
      'DNS failure, root action: report: is ✅, should be ❌',
    ],
    [
      'an outcome of a stage that is not in the table',
      (matrix) => matrix.get('DNS failure')?.splice(2, 1, '✅'),
      'DNS failure, poll-for-task: acknowledge: is ✅, should be –',
    ],
  ])('%s', (_, change, difference) => {
    expect(differences(changed(change), wanted)).toEqual([difference])
  })
})

test('the document has the matrix that it is made of', () => {
  expect(matrixIn(documentOf(wanted))).toEqual(wanted)
})
