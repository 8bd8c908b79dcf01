import { describe, expect, test } from '@jest/globals'
import { localEvidence, NO_TOKEN_NOTICE, report } from './reporting.ts'

describe('a status that is given', () => {
  test.each([
    ['FINISHED', 'FINISHED'],
    ['FAILED', 'FAILED'],
    ['fAlSe', 'FALSE'],
    ['success', 'FINISHED'],
    ['Cancelled', 'FAILED'],
    // A conclusion of another run, as workflow_run gives it.
    ['timed_out', 'FAILED'],
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

  // Only a derived failure becomes FALSE.
  test.each(['FAILED', 'failure'])('%s is taken as it is for a precondition, too', async (status) => {
    const { bodies, taskId } = await report({ status, precondition: 'true' }, { jobStatus: 'failure' })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('given') }])
  })
})

describe('a status that is derived', () => {
  test.each([
    ['success', 'false', 'FINISHED', {}],
    ['failure', 'false', 'FAILED', localEvidence('failure')],
    ['cancelled', 'false', 'FAILED', localEvidence('cancelled')],
    ['success', 'true', 'FINISHED', {}],
    ['cancelled', 'true', 'FAILED', localEvidence('cancelled')],
    ['Failure', 'TRUE', 'FALSE', {}],
  ])('of a job with %s, precondition %s, is %s', async (jobStatus, precondition, reported, evidence) => {
    const { step, bodies, taskId } = await report({ precondition }, { jobStatus })
    expect(bodies).toEqual([{ taskId, taskStatus: reported, ...evidence }])
    expect(step.notices).toEqual(reported === 'FAILED' ? [NO_TOKEN_NOTICE] : [])
    expect(step.outputs['status']).toBe(reported)
    expect(step.stdout).toContain(`Reported ${reported}`)
    expect(step.summary).toContain(reported)
    expect(step.exitCode).toBe(0)
  })

  test.each<[string, Record<string, string>, string]>([
    ['the input status is empty', { status: '' }, 'failure'],
    ['the input status is white space', { status: '   ' }, 'failure'],
    ['the user set job-status', { 'job-status': 'failure' }, 'success'],
  ])('when %s', async (_name, inputs, jobStatus) => {
    const { bodies, taskId } = await report(inputs, { jobStatus })
    expect(bodies).toEqual([{ taskId, taskStatus: 'FAILED', ...localEvidence('failure') }])
  })

  // A failed step of a composite action changes job.status only when the whole of that action has ended.
  test.each([
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

  test('of a composite action with a word that is not known: it is not guessed', async () => {
    const { step, bodies } = await report({}, { contexts: { github: { action_status: 'perhaps' } } })
    expect(bodies).toEqual([])
    expect(step.exitCode).toBe(1)
    expect(step.errors[0]).toContain('Invalid value "perhaps" for input "action-status"')
  })
})
