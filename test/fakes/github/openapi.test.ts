import { expect, test } from '@jest/globals'
import { jobFrom, jobResponse } from './jobs.ts'
import { assertResponse, type DescriptionName, ResponseViolation } from './openapi.ts'

const place = {
  apiUrl: 'https://api.github.com',
  serverUrl: 'https://github.com',
  repository: 'octo/pipes',
  runId: 5_000_000_000,
}
const job = jobResponse(
  jobFrom({ name: 'build', steps: [{ name: 'Set up job', conclusion: 'success' }] }, 1, 1, place),
  place,
)
const getJob = 'actions/get-job-for-workflow-run'

test.each<DescriptionName>(['api.github.com', 'ghec', 'ghes-3.17', 'ghes-3.18', 'ghes-3.19'])(
  'accepts a job as %s describes it',
  async (description) => {
    await assertResponse(getJob, 200, job, description)
  },
)

test.each([
  { what: 'a field left out', body: { ...job, name: undefined }, error: "must have required property 'name'" },
  { what: 'a misspelt optional field', body: { ...job, runAttempt: 1 }, error: '(runAttempt)' },
  { what: 'a wrong type', body: { ...job, id: '1' }, error: '/id must be integer' },
  { what: 'null where there is none', body: { ...job, steps: null }, error: '/steps must be array' },
  { what: 'a status that is none', body: { ...job, status: 'done' }, error: '/status must be equal to one of' },
  { what: 'a date that is none', body: { ...job, started_at: 'yesterday' }, error: '/started_at must match format' },
  { what: 'no body', body: undefined, error: 'must be object' },
])('rejects $what', async ({ body, error }) => {
  const asSent = body && JSON.parse(JSON.stringify(body))
  await expect(assertResponse(getJob, 200, asSent)).rejects.toThrow(ResponseViolation)
  await expect(assertResponse(getJob, 200, asSent)).rejects.toThrow(error)
})

test('accepts null where GitHub’s enum omits it', async () => {
  await assertResponse(getJob, 200, { ...job, conclusion: null })
})

test('rejects a status that the operation does not have', async () => {
  await expect(assertResponse(getJob, 204, undefined)).rejects.toThrow(`${getJob} has no status 204`)
  await expect(assertResponse('actions/get-a-pony', 200, {})).rejects.toThrow('no operation actions/get-a-pony')
})

test('accepts the errors that come before any operation', async () => {
  await assertResponse(getJob, 403, { message: 'Resource not accessible by integration', status: '403' })
  await expect(assertResponse(getJob, 403, { message: 7 })).rejects.toThrow('/message must be string')
})

test('rejects a body where there is none', async () => {
  await assertResponse('actions/download-job-logs-for-workflow-run', 302, undefined)
  await expect(assertResponse('actions/download-job-logs-for-workflow-run', 302, {})).rejects.toThrow('has a body')
})
