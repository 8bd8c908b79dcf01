import { describe, expect, test } from '@jest/globals'
import { report } from './reporting.ts'

describe('a status that is given', () => {
  test.concurrent.each([
    ['FINISHED', 'FINISHED'],
    ['FAILED', 'FAILED'],
    ['FALSE', 'FALSE'],
    ['finished', 'FINISHED'],
    ['Failed', 'FAILED'],
    ['fAlSe', 'FALSE'],
    ['success', 'FINISHED'],
    ['failure', 'FAILED'],
    ['cancelled', 'FAILED'],
    ['SUCCESS', 'FINISHED'],
    ['Cancelled', 'FAILED'],
    // What is left of an unquoted FALSE in YAML.
    ['false', 'FALSE'],
    ['  FAILED\n', 'FAILED'],
  ])('%j is reported as %s, whatever became of the job', async (status, reported) => {
    const { step, taskId, bodies } = await report(
      { status },
      { jobStatus: status === 'FAILED' ? 'success' : 'failure' },
    )
    expect(step.errors).toEqual([])
    expect(bodies).toEqual([{ taskId, taskStatus: reported }])
    expect(step.outputs).toMatchObject({ status: reported, reported: 'true' })
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('is taken as it is for a precondition, too', async () => {
    const { bodies } = await report({ status: 'FAILED', precondition: 'true' }, { jobStatus: 'failure' })
    expect(bodies).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  test.concurrent("GitHub's word failure stays FAILED for a precondition: only a derived failure becomes FALSE", async () => {
    const { bodies } = await report({ status: 'failure', precondition: 'true' }, { jobStatus: 'failure' })
    expect(bodies).toMatchObject([{ taskStatus: 'FAILED' }])
  })
})

describe('a status that is derived', () => {
  test.concurrent.each([
    ['success', 'false', 'FINISHED'],
    ['failure', 'false', 'FAILED'],
    ['cancelled', 'false', 'FAILED'],
    ['success', 'true', 'FINISHED'],
    ['failure', 'true', 'FALSE'],
    ['cancelled', 'true', 'FAILED'],
    ['Failure', 'TRUE', 'FALSE'],
  ])('of a job with %s, precondition %s, is %s', async (jobStatus, precondition, reported) => {
    const { step, bodies } = await report({ precondition }, { jobStatus })
    expect(bodies).toMatchObject([{ taskStatus: reported }])
    expect(step.outputs['status']).toBe(reported)
    expect(step.exitCode).toBe(0)
  })

  test.concurrent.each(['', '   '])('when the input status is %j', async (status) => {
    const { bodies } = await report({ status }, { jobStatus: 'failure' })
    expect(bodies).toMatchObject([{ taskStatus: 'FAILED' }])
  })

  test.concurrent('of a job-status that the user set', async () => {
    const { bodies } = await report({ 'job-status': 'failure' }, { jobStatus: 'success' })
    expect(bodies).toMatchObject([{ taskStatus: 'FAILED' }])
  })
})

test.concurrent('the summary names the status', async () => {
  const { step } = await report({ precondition: 'true' }, { jobStatus: 'failure' })
  expect(step.summary).toContain('FALSE')
  expect(step.stdout).toContain('Reported FALSE')
})
