import { describe, expect, test } from '@jest/globals'
import { localEvidence, NO_TOKEN_NOTICE, report } from './reporting.ts'

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
    // Conclusions of another run, as workflow_run gives them.
    ['timed_out', 'FAILED'],
    ['startup_failure', 'FAILED'],
    // What is left of an unquoted FALSE in YAML.
    ['false', 'FALSE'],
    ['  FAILED\n', 'FAILED'],
  ])('%j is reported as %s, whatever became of the job', async (status, reported) => {
    const { step, taskId, bodies } = await report(
      { status },
      { jobStatus: status === 'FAILED' ? 'success' : 'failure' },
    )
    expect(step.errors).toEqual([])
    const isFailed = reported === 'FAILED'
    expect(bodies).toEqual([{ taskId, taskStatus: reported, ...(isFailed && localEvidence('given')) }])
    expect(step.notices).toEqual(isFailed ? [NO_TOKEN_NOTICE] : [])
    expect(step.outputs).toMatchObject({ status: reported, reported: 'true' })
    expect(step.exitCode).toBe(0)
  })

  test.concurrent('is taken as it is for a precondition, too', async () => {
    const { bodies, taskId } = await report({ status: 'FAILED', precondition: 'true' }, { jobStatus: 'failure' })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('given') }])
  })

  test.concurrent("GitHub's word failure stays FAILED for a precondition: only a derived failure becomes FALSE", async () => {
    const { bodies, taskId } = await report({ status: 'failure', precondition: 'true' }, { jobStatus: 'failure' })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('given') }])
  })
})

describe('a status that is derived', () => {
  test.concurrent.each([
    ['success', 'false', 'FINISHED', {}],
    ['failure', 'false', 'FAILED', localEvidence('failure')],
    ['cancelled', 'false', 'FAILED', localEvidence('cancelled')],
    ['success', 'true', 'FINISHED', {}],
    ['failure', 'true', 'FALSE', {}],
    ['cancelled', 'true', 'FAILED', localEvidence('cancelled')],
    ['Failure', 'TRUE', 'FALSE', {}],
  ])('of a job with %s, precondition %s, is %s', async (jobStatus, precondition, reported, evidence) => {
    const { step, bodies, taskId } = await report({ precondition }, { jobStatus })
    expect(bodies).toEqual([{ taskId, taskStatus: reported, ...evidence }])
    expect(step.notices).toEqual(reported === 'FAILED' ? [NO_TOKEN_NOTICE] : [])
    expect(step.outputs['status']).toBe(reported)
    expect(step.exitCode).toBe(0)
  })

  test.concurrent.each(['', '   '])('when the input status is %j', async (status) => {
    const { bodies, taskId } = await report({ status }, { jobStatus: 'failure' })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('failure') }])
  })

  // A failed step of a composite action changes job.status only when the whole of that action has ended.
  test.concurrent.each([
    ['success', 'failure', 'FAILED', 'failure in a composite action'],
    ['success', 'Failure', 'FAILED', 'failure in a composite action'],
    ['success', 'cancelled', 'FAILED', 'cancelled'],
    ['cancelled', 'failure', 'FAILED', 'failure in a composite action'],
    ['failure', 'success', 'FAILED', 'failure'],
    ['failure', 'failure', 'FAILED', 'failure'],
    ['success', 'success', 'FINISHED', undefined],
    ['success', '', 'FINISHED', undefined],
  ] as const)('of a job with %s in a composite action with %j', async (jobStatus, actionStatus, reported, cause) => {
    const contexts = { github: { action_status: actionStatus } }
    const { bodies, taskId } = await report({}, { jobStatus, contexts })
    expect(bodies).toEqual([{ taskId, taskStatus: reported, ...(cause && localEvidence(cause)) }])
  })

  test.concurrent('of a composite action with a word that is not known: it is not guessed', async () => {
    const { step, bodies } = await report({}, { contexts: { github: { action_status: 'perhaps' } } })
    expect(bodies).toEqual([])
    expect(step.exitCode).toBe(1)
    expect(step.errors[0]).toContain('Invalid value "perhaps" for input "action-status"')
  })

  test.concurrent('of a job-status that the user set', async () => {
    const { bodies, taskId } = await report({ 'job-status': 'failure' }, { jobStatus: 'success' })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('failure') }])
  })
})

test.concurrent('the summary names the status', async () => {
  const { step } = await report({ precondition: 'true' }, { jobStatus: 'failure' })
  expect(step.summary).toContain('FALSE')
  expect(step.stdout).toContain('Reported FALSE')
})
